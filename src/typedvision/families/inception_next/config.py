"""InceptionNeXt as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    KernelSize,
    ModelConfig,
    Rate,
    Whole,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.inception_next.model import MetaNeXt

MlpRatio = Annotated[int, Field(ge=1, le=64)]
HEAD_RATIO = 3
"""Hidden features of the head for each channel of the last map."""


class InceptionNeXtConfig(ModelConfig, Builds["MetaNeXt"]):
    """A ConvNeXt whose depthwise convolution is one of four branches of channels
    (https://arxiv.org/abs/2303.16900)."""

    depths: tuple[Depth, Depth, Depth, Depth] = (3, 3, 9, 3)
    """Number of blocks of each stage."""
    dims: tuple[Channels, Channels, Channels, Channels] = (96, 192, 384, 768)
    """Channels of each stage."""
    square_kernel_size: KernelSize = 3
    """Kernel of the square depthwise convolution; odd."""
    band_kernel_size: KernelSize = 11
    """Length of the kernels of the two band-shaped depthwise convolutions; odd."""
    branch_ratio: Annotated[float, Field(gt=0.0, le=1 / 3)] = 0.125
    """Share of the channels that each of the three convolutions sees; the others stay as they
    are."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    mlp_ratios: tuple[MlpRatio, MlpRatio, MlpRatio, MlpRatio] = (4, 4, 4, 3)
    """Hidden channels of an MLP for each channel outside, by stage."""
    ls_init_value: Annotated[float, Field(ge=0.0, le=16.0)] = 1e-6
    """First value of LayerScale's factors."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    global_pool: Literal["avg", "max", "avgmax", "catavgmax"] = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for name in ("square_kernel_size", "band_kernel_size"):
            if getattr(self, name) % 2 == 0:
                yield Conflict(f"'{name}' must be odd, so that maps keep their size", name)
        if int(min(self.dims) * self.branch_ratio) == 0:
            yield Conflict(
                f"'branch_ratio' = {self.branch_ratio} leaves no channel of {min(self.dims)}: "
                "raise it",
                "branch_ratio",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{number}")
            for number, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = drop_path_rates(self.drop_path_rate, sum(self.depths))
        steps = staged((1, 2, 2, 2), reduction=4, output_stride=self.output_stride)
        in_channels, start, stages = self.dims[0], 0, []
        for depth, channels, ratio, step in zip(
            self.depths, self.dims, self.mlp_ratios, steps, strict=True
        ):
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    channels=channels,
                    branch=int(channels * self.branch_ratio),
                    hidden=ratio * channels,
                    stride=step.stride,
                    first_dilation=step.first_dilation,
                    dilation=step.dilation,
                    reduction=step.reduction,
                    drop_path_rates=rates[start : start + depth],
                )
            )
            in_channels, start = channels, start + depth
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    branch: int
    """Channels that each convolution of a token mixer sees."""
    hidden: int
    """Hidden channels of the MLPs."""
    stride: int
    first_dilation: int
    """Dilation of the convolution that brings the input to the stage's channels."""
    dilation: int
    """Dilation of the depthwise convolutions."""
    reduction: int
    """Input pixels for each position of its output."""
    drop_path_rates: tuple[float, ...]
    """Rate of stochastic depth of each block."""

    @property
    def subsamples(self) -> bool:
        """Whether a convolution brings the input to another shape."""
        changes = self.in_channels != self.channels or self.first_dilation != self.dilation
        return self.stride > 1 or changes
