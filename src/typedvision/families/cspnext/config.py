"""CSPNeXt as data: what can vary, and every number that follows from it."""

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
    ModelConfig,
    Rate,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.cspnext.model import CspNext

Factor = Annotated[float, Field(gt=0.0, le=64.0)]


class CspNextConfig(ModelConfig, Builds["CspNext"]):
    """A CSPNeXt (https://arxiv.org/abs/2212.07784): stages of which half of the channels pass by
    the blocks, with large depthwise kernels."""

    depths: tuple[Depth, Depth, Depth, Depth] = (3, 6, 6, 3)
    """Number of blocks of each stage, before `deepen_factor`."""
    channels: tuple[Channels, Channels, Channels, Channels] = (128, 256, 512, 1024)
    """Channels of each stage, before `widen_factor`."""
    deepen_factor: Factor = 1.0
    """Factor of the number of blocks."""
    widen_factor: Factor = 1.0
    """Factor of the channels."""
    expand_ratio: Annotated[float, Field(gt=0.0, le=4.0)] = 0.5
    """Channels that go through the blocks, and channels that pass by, for each of the stage's."""
    channel_attention: bool = True
    """Whether a stage ends in an attention over channels."""
    act_layer: Activation = "silu"
    """Activation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        plan = self.plan()
        if plan.stem_channels[0] < 1:
            yield Conflict(
                "'widen_factor' and 'channels' leave the stem no channel: raise one", "widen_factor"
            )
        elif any(stage.width < 1 for stage in plan.stages):
            yield Conflict(
                "'expand_ratio' leaves no channel to the blocks: raise it", "expand_ratio"
            )
        elif plan.stages[-1].channels < 2:
            yield Conflict(
                "'channels' and 'widen_factor' leave the last stage one channel, of which its "
                "pyramid takes half: raise one",
                "channels",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, and the four stages."""
        plan = self.plan()
        return FeatureSpec(plan.stem_channels[-1], 2, "stem"), *(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(plan.stages)
        )

    @planned
    def plan(self) -> CspNextPlan:
        """Every stage with its numbers."""
        widths = [int(channels * self.widen_factor) for channels in self.channels]
        depths = [max(round(depth * self.deepen_factor), 1) for depth in self.depths]
        rates = iter(drop_path_rates(self.drop_path_rate, sum(depths)))
        steps = staged((2, 2, 2, 2), reduction=2, output_stride=self.output_stride)
        half = widths[0] // 2
        stem_channels = (widths[0] // 4, widths[0] // 4, half)
        in_channels, stages = half, []
        for index, (channels, depth, step) in enumerate(zip(widths, depths, steps, strict=True)):
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    channels=channels,
                    width=int(channels * self.expand_ratio),
                    stride=step.stride,
                    first_dilation=step.first_dilation,
                    dilation=step.dilation,
                    reduction=step.reduction,
                    last=index == len(widths) - 1,
                    drop_path_rates=tuple(islice(rates, depth)),
                )
            )
            in_channels = channels
        return CspNextPlan(stem_channels, tuple(stages))


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage, with every number decided."""

    in_channels: int
    channels: int
    """Output channels."""
    width: int
    """Channels of the blocks."""
    stride: int
    """Stride of the convolution before the blocks; 1 where they dilate instead."""
    first_dilation: int
    """Dilation of that convolution."""
    dilation: int
    """Dilation of the blocks."""
    reduction: int
    """Input pixels for each position of its output."""
    last: bool
    """Whether it is the last stage, which pools a pyramid, and whose blocks have no shortcut."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""


@dataclass(frozen=True, slots=True)
class CspNextPlan:
    """The whole network, with every number decided."""

    stem_channels: tuple[int, int, int]
    """Output channels of each of the stem's convolutions."""
    stages: tuple[StagePlan, ...]
