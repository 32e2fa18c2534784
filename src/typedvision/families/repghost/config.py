"""RepGhostNet as data: what can vary, and every number that follows from it."""

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
    from typedvision.families.repghost.model import RepGhostNet

STEM_CHANNELS = 16
HEAD_CHANNELS = 1280

Row = tuple[KernelSize, Channels, Channels, Rate, Annotated[Literal[1, 2], Whole]]
Stage = Annotated[tuple[Row, ...], Field(min_length=1, max_length=64)]

CFGS: tuple[Stage, ...] = (
    ((3, 8, 16, 0.0, 1),),
    ((3, 24, 24, 0.0, 2),),
    ((3, 36, 24, 0.0, 1),),
    ((5, 36, 40, 0.25, 2),),
    ((5, 60, 40, 0.25, 1),),
    ((3, 120, 80, 0.0, 2),),
    (
        (3, 100, 80, 0.0, 1),
        (3, 120, 80, 0.0, 1),
        (3, 120, 80, 0.0, 1),
        (3, 240, 112, 0.25, 1),
        (3, 336, 112, 0.25, 1),
    ),
    ((5, 336, 160, 0.25, 2),),
    (
        (5, 480, 160, 0.0, 1),
        (5, 480, 160, 0.25, 1),
        (5, 480, 160, 0.0, 1),
        (5, 480, 160, 0.25, 1),
    ),
)
"""The stages of every published network (table 1)."""


class RepGhostConfig(ModelConfig, Builds["RepGhostNet"]):
    """A RepGhostNet (https://arxiv.org/abs/2211.06088): half of the features come from a cheap
    operation, and are added instead of joined."""

    cfgs: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=32)] = CFGS
    """Blocks of each stage: kernel, channels inside, channels outside, share of the channels inside
    that squeeze-and-excitation has (0 for none), and stride."""
    width: Ratio = 1.0
    """Factor of all channels but the head's."""
    reparam: bool = True
    """Whether each cheap operation has a shortcut with a normalisation beside it."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    inference_mode: bool = False
    """Whether each cheap operation is one convolution, which `typedvision.fuse` makes of the
    branches that it has in training."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        even = [row[0] for stage in self.cfgs for row in stage if row[0] % 2 == 0]
        if even:
            yield Conflict(f"'cfgs' must have odd kernels; got {even[0]}", "cfgs")
        if not self.plan().levels:
            yield Conflict("'cfgs' must have a block whose stride is 2", "cfgs")
        if self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax': the head takes one feature a channel",
                "global_pool",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem's convolution, and each stage that subsamples."""
        plan = self.plan()
        return FeatureSpec(plan.stem_channels, 2, "conv_stem"), *(
            FeatureSpec(plan.stages[index][-1].out_channels, reduction, f"blocks.{index}")
            for index, reduction in plan.levels
        )

    @planned
    def plan(self) -> RepGhostPlan:
        """Every block with its numbers."""
        stem_channels = in_channels = self._scaled(STEM_CHANNELS)
        reduction, stages, levels = 2, [], []
        for index, rows in enumerate(self.cfgs):
            blocks, before = [], reduction
            for kernel_size, mid, out, se_ratio, stride in rows:
                mid_channels, out_channels = self._scaled(mid), self._scaled(out)
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        mid_channels=mid_channels,
                        out_channels=out_channels,
                        kernel_size=kernel_size,
                        stride=stride,
                        se_channels=round_channels(mid_channels * se_ratio, 4) if se_ratio else 0,
                    )
                )
                in_channels, reduction = out_channels, reduction * stride
            stages.append(tuple(blocks))
            if reduction > before:
                levels.append((index, reduction))
        last = self._scaled(2 * self.cfgs[-1][-1][1])
        return RepGhostPlan(stem_channels, tuple(stages), tuple(levels), last)

    def _scaled(self, channels: int) -> int:
        return round_channels(channels * self.width, 4)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One bottleneck, with every number decided."""

    in_channels: int
    mid_channels: int
    """Channels inside."""
    out_channels: int
    kernel_size: int
    """Kernel of the depthwise convolution that subsamples."""
    stride: int
    se_channels: int
    """Channels inside of squeeze-and-excitation; 0 for none."""


@dataclass(frozen=True, slots=True)
class RepGhostPlan:
    """The whole network, with every number decided."""

    stem_channels: int
    stages: tuple[tuple[BlockPlan, ...], ...]
    levels: tuple[tuple[int, int], ...]
    """Each stage that subsamples, and the input pixels for each position of its output."""
    features: int
    """Channels of the last feature map."""
