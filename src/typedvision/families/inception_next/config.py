"""InceptionNeXt as data: what can vary, and every number that follows from it."""

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
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.inception_next.model import MetaNeXt

Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
Share = Annotated[float, Field(gt=0.0, le=1 / 3)]
Four = tuple[Depth, Depth, Depth, Depth]


class InceptionNeXtConfig(ModelConfig, Builds["MetaNeXt"]):
    """An InceptionNeXt: the depthwise convolution of ConvNeXt in four branches
    (https://arxiv.org/abs/2303.16900)."""

    global_pool: Literal["avg", "max", "avgmax", "catavgmax"] = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Input pixels for each position from which stages dilate instead of subsampling."""
    depths: Four = (3, 3, 9, 3)
    """Number of blocks of each stage."""
    dims: tuple[Channels, Channels, Channels, Channels] = (96, 192, 384, 768)
    """Channels of each stage."""
    square_kernel_size: KernelSize = 3
    """Height and width of the square kernel of a block, odd."""
    band_kernel_size: KernelSize = 11
    """Length of the two narrow kernels of a block, odd."""
    branch_ratio: Share = 0.125
    """Share of the channels that each of the three convolutions gets; the others stay."""
    norm_layer: Literal["batchnorm2d", "layernorm2d", "rmsnorm2d"] = "batchnorm2d"
    """Normalisation."""
    act_layer: Activation = "gelu"
    """Activation."""
    mlp_ratios: Ratio | tuple[Ratio, Ratio, Ratio, Ratio] = (4.0, 4.0, 4.0, 3.0)
    """Hidden channels of the MLPs, for each channel of a block; one for all stages, or one each."""
    ls_init_value: Factor | None = 1e-6
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for name in ("square_kernel_size", "band_kernel_size"):
            if getattr(self, name) % 2 == 0:
                yield Conflict(f"'{name}' must be odd; got {getattr(self, name)}", name)
        if any(int(dim * self.branch_ratio) < 1 for dim in self.dims):
            yield Conflict(
                f"'branch_ratio' {self.branch_ratio} must leave a convolution a channel of each of "
                f"'dims' {self.dims}",
                "branch_ratio",
            )
        ratios = zip(self.dims, self._mlp_ratios(), strict=True)
        if any(int(dim * ratio) < 1 for dim, ratio in ratios):
            yield Conflict(
                f"'mlp_ratios' {self.mlp_ratios} must leave each MLP a hidden channel",
                "mlp_ratios",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        steps = staged((1, 2, 2, 2), reduction=4, output_stride=self.output_stride)
        rows = zip(self.dims, self.depths, self._mlp_ratios(), steps, strict=True)
        return tuple(
            StagePlan(
                in_channels=self.dims[max(index - 1, 0)],
                channels=channels,
                branch=int(channels * self.branch_ratio),
                hidden=int(channels * ratio),
                subsamples=index > 0,
                stride=step.stride,
                first_dilation=step.first_dilation,
                dilation=step.dilation,
                reduction=step.reduction,
                drop_path_rates=tuple(islice(rates, depth)),
            )
            for index, (channels, depth, ratio, step) in enumerate(rows)
        )

    def _mlp_ratios(self) -> tuple[float, ...]:
        ratios = self.mlp_ratios
        return ratios if isinstance(ratios, tuple) else (ratios,) * len(self.dims)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    in_channels: int
    channels: int
    branch: int
    """Channels of each convolution of a block."""
    hidden: int
    """Hidden channels of the MLPs."""
    subsamples: bool
    """Whether a convolution stands before the blocks."""
    stride: int
    """Stride of that convolution; 1 where the blocks dilate instead."""
    first_dilation: int
    """Dilation of that convolution."""
    dilation: int
    """Dilation of the depthwise convolutions."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
