"""GhostNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels

if TYPE_CHECKING:
    from typedvision.families.ghostnet.model import GhostNet

Stride = Annotated[Literal[1, 2], Whole]
BlockRow = tuple[KernelSize, Channels, Channels, Rate, Stride]
StageRows = Annotated[tuple[BlockRow, ...], Field(min_length=1, max_length=64)]

GHOSTNET: tuple[StageRows, ...] = (
    ((3, 16, 16, 0, 1),),
    ((3, 48, 24, 0, 2),),
    ((3, 72, 24, 0, 1),),
    ((5, 72, 40, 0.25, 2),),
    ((5, 120, 40, 0.25, 1),),
    ((3, 240, 80, 0, 2),),
    (
        (3, 200, 80, 0, 1),
        (3, 184, 80, 0, 1),
        (3, 184, 80, 0, 1),
        (3, 480, 112, 0.25, 1),
        (3, 672, 112, 0.25, 1),
    ),
    ((5, 672, 160, 0.25, 2),),
    ((5, 960, 160, 0, 1), (5, 960, 160, 0.25, 1), (5, 960, 160, 0, 1), (5, 960, 160, 0.25, 1)),
)
"""The blocks of the paper's table 7."""


class GhostNetConfig(ModelConfig, Builds["GhostNet"]):
    """A GhostNet (https://arxiv.org/abs/1911.11907), V2 (https://arxiv.org/abs/2211.12905) or V3
    (https://arxiv.org/abs/2404.11202)."""

    cfgs: Annotated[tuple[StageRows, ...], Field(min_length=1, max_length=64)] = GHOSTNET
    """The blocks of each stage before `width`, each as kernel size, expanded channels, output
    channels, channels inside its squeeze-and-excitation as a share of the expanded ones (0 for
    none), stride."""
    width: Ratio = 1.0
    """Factor of all channels but those of the head."""
    version: Literal["v1", "v2", "v3"] = "v1"
    """Ghost modules alone, with an attention along rows and columns from the third block on (V2,
    figure 4), or with parallel convolutions besides (V3, section 3.1)."""
    inference_mode: bool = False
    """Whether each normalisation of a ghost module or a depthwise convolution, and each parallel
    branch, is folded into one convolution; `typedvision.fuse` does so."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if any(row[0] % 2 == 0 for stage in self.cfgs for row in stage):
            yield Conflict("the kernel sizes in 'cfgs' must be odd", "cfgs")
        if all(row[-1] == 1 for stage in self.cfgs for row in stage):
            yield Conflict("a stride in 'cfgs' must be 2", "cfgs")
        if self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax': the layer behind it takes one feature for "
                "each channel; pool by 'avgmax'",
                "global_pool",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem's convolution, and each stage that subsamples."""
        plan = self.plan()
        levels = (
            FeatureSpec(stage.blocks[-1].out_channels, stage.reduction, f"blocks.{index}")
            for index, stage in enumerate(plan.stages)
            if index in plan.levels
        )
        return FeatureSpec(plan.stem_channels, 2, "conv_stem"), *levels

    @planned
    def plan(self) -> GhostNetPlan:
        """Every block with its numbers."""
        in_channels = stem_channels = self._channels(16)
        reduction, count, stages, levels = 2, 0, [], []
        for index, rows in enumerate(self.cfgs):
            blocks = []
            for kernel_size, expanded, out_channels, se_ratio, stride in rows:
                hidden = self._channels(expanded)
                block = BlockPlan(
                    in_channels=in_channels,
                    hidden=hidden,
                    out_channels=self._channels(out_channels),
                    kernel_size=kernel_size,
                    stride=stride,
                    se_channels=round_channels(hidden * se_ratio, 4) if se_ratio else 0,
                    attends=self.version != "v1" and count > 1,
                )
                blocks.append(block)
                in_channels = block.out_channels
                reduction *= stride
                count += 1
            if any(block.stride > 1 for block in blocks):
                levels.append(index)
            stages.append(StagePlan(tuple(blocks), reduction))
        return GhostNetPlan(
            stem_channels=stem_channels,
            stages=tuple(stages),
            levels=tuple(levels),
            features=self._channels(self.cfgs[-1][-1][1]),
        )

    def _channels(self, channels: int) -> int:
        return round_channels(channels * self.width, 4)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One bottleneck, with every number decided."""

    in_channels: int
    hidden: int
    """Channels between both ghost modules."""
    out_channels: int
    kernel_size: int
    stride: int
    se_channels: int
    """Channels inside its squeeze-and-excitation; 0 for none."""
    attends: bool
    """Whether its first ghost module has an attention."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    blocks: tuple[BlockPlan, ...]
    reduction: int
    """Input pixels for each position of its output."""


@dataclass(frozen=True, slots=True)
class GhostNetPlan:
    """The whole network, with every number decided."""

    stem_channels: int
    stages: tuple[StagePlan, ...]
    levels: tuple[int, ...]
    """The stages whose output is a feature level."""
    features: int
    """Channels of the last feature map."""
