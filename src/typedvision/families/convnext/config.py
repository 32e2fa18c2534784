"""ConvNeXt as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
    KernelSize,
    ModelConfig,
    Rate,
    Whole,
    norm_conflicts,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.convnext.model import ConvNeXt

MLP_RATIO = 4
"""Hidden channels of a block's MLP for each of its own."""

_OVER_CHANNELS = ("layernorm2d", "rmsnorm2d", "simplenorm2d")
"""Normalisations of each position over its channels."""

Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]

NormName = Literal[ConvNorm, TokenNorm, "simplenorm"]


class ConvNeXtConfig(ModelConfig, Builds["ConvNeXt"]):
    """A ConvNeXt (https://arxiv.org/abs/2201.03545), or a ConvNeXt V2 with `use_grn`
    (https://arxiv.org/abs/2301.00808)."""

    depths: tuple[Depth, Depth, Depth, Depth] = (3, 3, 9, 3)
    """Number of blocks of each stage."""
    dims: tuple[Channels, Channels, Channels, Channels] = (96, 192, 384, 768)
    """Channels of each stage."""
    kernel_sizes: KernelSize | tuple[KernelSize, KernelSize, KernelSize, KernelSize] = 7
    """Kernel of the depthwise convolutions, odd; one for all stages, or one each."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Input pixels for each position from which stages dilate instead of subsampling."""
    stem_type: Literal["patch", "overlap", "overlap_tiered", "overlap_act"] = "patch"
    """One convolution of separate patches; or two 3x3 ones with stride 2 (`overlap`), the first of
    half as many channels (`overlap_tiered`) or with an activation between them
    (`overlap_act`)."""
    patch_size: KernelSize = 4
    """Height and width in pixels of a patch of the stem; after patches of 2 the first stage
    subsamples, too."""
    conv_mlp: bool = False
    """Make the MLPs of 1x1 convolutions, not of linear layers; the numbers do not change."""
    conv_bias: bool = True
    """Whether the stem, the subsampling and the depthwise convolutions have a bias."""
    use_grn: bool = False
    """Let the hidden channels of each MLP compete (ConvNeXt V2, section 4)."""
    ls_init_value: Factor | None = 1e-6
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    act_layer: Activation = "gelu"
    """Activation of the blocks and the stem."""
    norm_layer: NormName = "layernorm2d"
    """Normalisation; `layernorm`, `rmsnorm` and `simplenorm` mean those of maps."""
    norm_eps: Eps | None = None
    """Added to the variance in each normalisation; None for the usual value of the layer."""
    head_norm_first: bool = False
    """Normalise the last feature map before the pooling, and not what is pooled."""
    head_hidden_size: Channels | None = None
    """Features of a hidden layer between the pooling and the classifier; None for no such layer."""
    head_init_scale: Factor = 1.0
    """Factor of the head's initial weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if any(size % 2 == 0 for size in self._kernel_sizes()):
            yield Conflict(f"'kernel_sizes' must be odd; got {self.kernel_sizes}", "kernel_sizes")
        if self.stem_type != "patch" and self.patch_size != 4:
            yield Conflict(
                f"'patch_size' must be 4 where 'stem_type' is '{self.stem_type}', which has no "
                "patches: set 'stem_type' to 'patch'",
                "patch_size",
            )
        yield from self._norm_conflicts()
        yield from self._head_conflicts()

    def _norm_conflicts(self) -> Iterator[Conflict]:
        if self.norm_eps is not None and self.map_norm() not in _OVER_CHANNELS:
            yield Conflict(
                f"'norm_eps' must be left out where 'norm_layer' is '{self.norm_layer}', which "
                "keeps its usual value",
                "norm_eps",
            )
        yield from norm_conflicts(self.map_norm(), self.dims)

    def _head_conflicts(self) -> Iterator[Conflict]:
        if self.head_norm_first and self.head_hidden_size:
            yield Conflict(
                "'head_hidden_size' must be None where 'head_norm_first' is true: the hidden layer "
                "takes what is normalised after the pooling",
                "head_hidden_size",
            )
        if self.global_pool == "catavgmax" and not self.head_norm_first:
            yield Conflict(
                "'global_pool' must not be 'catavgmax' where 'head_norm_first' is false: the "
                "normalisation after the pooling takes one feature for each channel",
                "global_pool",
            )

    def map_norm(self) -> ConvNorm:
        """The normalisation of maps that `norm_layer` means."""
        match self.norm_layer:
            case "layernorm":
                return "layernorm2d"
            case "rmsnorm":
                return "rmsnorm2d"
            case "simplenorm":
                return "simplenorm2d"
            case name:
                return name

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan().stages)
        )

    @planned
    def plan(self) -> ConvNeXtPlan:
        """Every stage with its numbers."""
        reduction = self.patch_size if self.stem_type == "patch" else 4
        strides = (2 if reduction == 2 else 1, 2, 2, 2)
        # A stage dilates once `output_stride` is reached, and patches may be of any size.
        steps = staged(strides, reduction=reduction, output_stride=2 * self.output_stride - 1)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        in_channels, stages = self.dims[0], []
        for channels, depth, kernel_size, stride, step in zip(
            self.dims, self.depths, self._kernel_sizes(), strides, steps, strict=True
        ):
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    channels=channels,
                    hidden=MLP_RATIO * channels,
                    kernel_size=kernel_size,
                    subsamples=stride > 1,
                    stride=step.stride,
                    first_dilation=min(step.first_dilation, 2),
                    dilation=step.dilation,
                    reduction=step.reduction,
                    drop_path_rates=tuple(islice(rates, depth)),
                )
            )
            in_channels = channels
        tiered = self.stem_type == "overlap_tiered"
        stem_channels = round_channels(self.dims[0] // 2) if tiered else self.dims[0]
        return ConvNeXtPlan(stem_channels, tuple(stages))

    def _kernel_sizes(self) -> tuple[int, int, int, int]:
        sizes = self.kernel_sizes
        return sizes if isinstance(sizes, tuple) else (sizes, sizes, sizes, sizes)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    kernel_size: int
    subsamples: bool
    """Whether a convolution stands before the blocks."""
    stride: int
    """Stride of that convolution; 1 where the blocks dilate instead."""
    first_dilation: int
    """Dilation of that convolution: that of the stage before, and at most 2."""
    dilation: int
    """Dilation of the depthwise convolutions."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""


@dataclass(frozen=True, slots=True)
class ConvNeXtPlan:
    """The whole network, with every number decided."""

    stem_channels: int
    """Channels between the two convolutions of an overlapping stem."""
    stages: tuple[StagePlan, ...]
