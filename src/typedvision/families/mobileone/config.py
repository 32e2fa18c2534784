"""MobileOne as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Count,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.mobileone.model import MobileOne


class MobileOneConfig(ModelConfig, Builds["MobileOne"]):
    """A MobileOne (https://arxiv.org/abs/2206.04040): depthwise and pointwise convolutions alone,
    once it is trained."""

    depths: tuple[Depth, Depth, Depth, Depth] = (2, 8, 10, 1)
    """Number of pairs of blocks, a depthwise and a pointwise one, of each stage (table 2)."""
    dims: tuple[Channels, Channels, Channels, Channels]
    """Channels of each stage."""
    stem_chs: Channels = 64
    """Channels of the block before the stages."""
    num_features: Count = 0
    """Channels of a 1x1 convolution after the stages; 0 for no such layer."""
    width_factor: Ratio = 1.0
    """Factor of all these channels."""
    num_conv_branches: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of parallel convolutions of each block of the stages, k in the paper."""
    se_blocks: tuple[Count, Count, Count, Count] = (0, 0, 0, 0)
    """How many of the last pairs of each stage have squeeze-and-excitation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages do not subsample, and do
    not dilate either."""
    act_layer: Activation = "relu"
    """Activation of each block."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's convolutions beside its shortcut; grows linearly
    from 0."""
    inference_mode: bool = False
    """Whether each block is one convolution, which `typedvision.fuse` makes of the branches that it
    has in training."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for depth, count in zip(self.depths, self.se_blocks, strict=True):
            if count > depth:
                yield Conflict(
                    f"'se_blocks' = {self.se_blocks} has more pairs than 'depths' = {self.depths}: "
                    "choose at most as many",
                    "se_blocks",
                )
                break
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, the first three stages, and what follows the fourth."""
        plan = self.plan()
        stem = FeatureSpec(plan.stem.out_channels, 2, "stem")
        *stages, last = (
            FeatureSpec(stage[-1].out_channels, reduction, f"stages.{index}")
            for index, (stage, reduction) in enumerate(
                zip(plan.stages, plan.reductions, strict=True)
            )
        )
        return stem, *stages, FeatureSpec(plan.features, last.stride, "final_conv")

    @planned
    def plan(self) -> MobileOnePlan:
        """Every block with its numbers."""
        in_channels = max(round(self.stem_chs * self.width_factor), 1)
        stem = BlockPlan(
            self.in_chans, in_channels, 3, 2, 1, branches=1, identity=False, use_se=False
        )
        rates = iter(drop_path_rates(self.drop_path_rate, 2 * sum(self.depths)))
        steps = list(staged((2, 2, 2, 2), reduction=2, output_stride=self.output_stride))
        stages = []
        for depth, dim, se_blocks, step in zip(
            self.depths, self.dims, self.se_blocks, steps, strict=True
        ):
            channels, blocks = round_channels(dim * self.width_factor), []
            for pair in range(depth):
                stride = step.stride if pair == 0 else 1
                use_se = depth - pair <= se_blocks
                depthwise = BlockPlan(
                    in_channels=in_channels,
                    out_channels=in_channels,
                    kernel_size=3,
                    stride=stride,
                    groups=in_channels,
                    branches=self.num_conv_branches,
                    identity=pair > 0,
                    use_se=use_se,
                    drop_path_rate=next(rates),
                )
                pointwise = BlockPlan(
                    in_channels=in_channels,
                    out_channels=channels,
                    kernel_size=1,
                    stride=1,
                    groups=1,
                    branches=self.num_conv_branches,
                    identity=in_channels == channels,
                    use_se=use_se,
                    drop_path_rate=next(rates),
                )
                blocks += [depthwise, pointwise]
                in_channels = channels
            stages.append(tuple(blocks))
        last = round(self.num_features * self.width_factor)
        return MobileOnePlan(
            stem=stem,
            stages=tuple(stages),
            reductions=tuple(step.reduction for step in steps),
            last_channels=last,
            features=last or in_channels,
        )


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    groups: int
    branches: int
    """Number of convolutions of the full kernel size."""
    identity: bool
    """Whether there is a shortcut."""
    use_se: bool
    """Whether it has squeeze-and-excitation."""
    drop_path_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class MobileOnePlan:
    """The whole network, with every number decided."""

    stem: BlockPlan
    stages: tuple[tuple[BlockPlan, ...], ...]
    reductions: tuple[int, ...]
    """Input pixels for each position of the output of each stage."""
    last_channels: int
    """Output channels of the convolution after the stages; 0 for none."""
    features: int
    """Channels of the last feature map."""
