"""RegNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
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
    norm_group_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.regnet.model import RegNet

STAGES = 4
QUANTUM = 8
"""Widths are multiples of it, before whole groups fit in (equation 4)."""

Shortcut = Literal["identity", "conv1x1", "avg"]


class RegNetConfig(ModelConfig, Builds["RegNet"]):
    """A network of the RegNet design space (https://arxiv.org/abs/2003.13678): X, Y with
    squeeze-and-excitation, Z with inverted bottlenecks, V with normalisation first."""

    depth: Depth
    """Number of blocks (d in equation 2); they must fall into four stages."""
    w0: Channels
    """Width of the first block, a multiple of 8 (equation 2)."""
    wa: Annotated[float, Field(gt=0.0, le=65_536.0)]
    """What each block adds to the width (equation 2)."""
    wm: Annotated[float, Field(gt=1.0, le=1_024.0)]
    """Factor between the widths of two stages (equation 3)."""
    group_size: Channels
    """Channels of each group of the 3x3 convolutions; narrower blocks have one group."""
    group_min_ratio: Rate = 0.0
    """0 rounds widths to whole groups, halves to even; whatever is more rounds halves up and keeps
    at least 0.9 of each width, as torchvision does."""
    bottle_ratio: Ratio = 1.0
    """Channels of the 3x3 convolution, for each output channel of its block."""
    se_ratio: Annotated[float, Field(ge=0.0, le=16.0)] = 0.0
    """Channels inside of squeeze-and-excitation, for each input channel of its block; 0 for no
    squeeze-and-excitation."""
    stem_width: Channels = 32
    """Output channels of the stem."""
    downsample: Literal["conv1x1", "avg"] | None = "conv1x1"
    """Shortcut where the shape or the dilation changes: a 1x1 convolution with a stride, or one
    after an average; None for no shortcut there."""
    linear_out: bool = False
    """End blocks in the sum, and not in an activation; there is one before the pooling."""
    preact: bool = False
    """Normalise before each convolution and not after it (https://arxiv.org/abs/1603.05027)."""
    num_features: Count = 0
    """Channels of a 1x1 convolution before the pooling; 0 for none."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    norm_group_size: Channels | None = None
    """Channels of a group of `groupnorm` and `evonorms0`; None for 32 groups."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""
    zero_init_last: bool = True
    """Initialise the last normalisation of each residual branch to 0, so that blocks are the
    identity at first; without effect where normalisation comes first."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if self.preact and self.linear_out:
            yield Conflict(
                "'linear_out' means nothing where 'preact' is true: its blocks end in the sum",
                "linear_out",
            )
        if self.w0 % QUANTUM:
            yield Conflict(f"'w0' must be a multiple of {QUANTUM}; got {self.w0}", "w0")
            return
        stages = len(self._widths())
        if stages != STAGES:
            yield Conflict(
                f"'depth', 'w0', 'wa' and 'wm' must make {STAGES} stages; they make {stages}: more "
                "blocks, a larger 'wa' or a smaller 'wm' make more",
                "depth",
            )
            return
        if int(self.w0 * self.bottle_ratio) == 0:
            yield Conflict(
                f"'bottle_ratio' = {self.bottle_ratio} leaves no channel of {self.w0}: raise it",
                "bottle_ratio",
            )
            return
        blocks = [block for stage in self.plan().stages for block in stage.blocks]
        for width in (block.width for block in blocks if not block.divides):
            yield Conflict(
                f"'bottle_ratio' = {self.bottle_ratio} makes a width of {width} that has no whole "
                f"groups of 'group_size' = {self.group_size}: change one of them",
                "bottle_ratio",
            )
            return
        if self.se_ratio and not all(block.reduced for block in blocks):
            yield Conflict(
                f"'se_ratio' = {self.se_ratio} leaves no channel of {blocks[0].in_channels}: "
                "raise it, or set it to 0",
                "se_ratio",
            )
        yield from norm_group_conflicts(self.norm_layer, self.norm_group_size, self._normalized())

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, and the four stages."""
        return FeatureSpec(self.stem_width, 2, "stem"), *(
            FeatureSpec(stage.channels, stage.reduction, f"s{number}")
            for number, stage in enumerate(self.plan().stages, start=1)
        )

    @planned
    def plan(self) -> RegNetPlan:
        """Every block with its numbers."""
        steps = staged((2,) * STAGES, reduction=2, output_stride=self.output_stride)
        rates = iter(drop_path_rates(self.drop_path_rate, self.depth))
        in_channels, stages = self.stem_width, []
        for (width, depth), step in zip(self._widths(), steps, strict=True):
            inside = int(width * self.bottle_ratio)
            group_size = min(self.group_size, inside)
            out_channels = int(self._grouped(inside, group_size) / self.bottle_ratio)
            inside = round(out_channels * self.bottle_ratio)
            dilates = step.dilation != step.first_dilation
            blocks = []
            for first in (True, *(False,) * (depth - 1)):
                changes = first and (step.stride != 1 or in_channels != out_channels or dilates)
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        width=inside,
                        groups=inside // group_size,
                        reduced=round(in_channels * self.se_ratio),
                        out_channels=out_channels,
                        stride=step.stride if first else 1,
                        dilation=step.first_dilation if first else step.dilation,
                        shortcut=self.downsample if changes else "identity",
                        drop_path_rate=next(rates),
                    )
                )
                in_channels = out_channels
            stages.append(StagePlan(tuple(blocks), out_channels, step.reduction))
        return RegNetPlan(tuple(stages), self.num_features or in_channels)

    def _widths(self) -> list[tuple[int, int]]:
        """Width and number of blocks of each stage (equations 2 to 4)."""
        widths = []
        for block in range(self.depth):
            exponent = round(math.log((self.w0 + self.wa * block) / self.w0, self.wm))
            widths.append(QUANTUM * round(self.w0 * self.wm**exponent / QUANTUM))
        return [(width, len(list(blocks))) for width, blocks in groupby(widths)]

    def _grouped(self, width: int, size: int) -> int:
        """The nearest width of whole groups of this size."""
        if self.group_min_ratio:
            return round_channels(width, size)
        return size * round(width / size)

    def _normalized(self) -> Iterator[int]:
        """The number of channels of each map that is normalised."""
        yield self.stem_width
        for stage in self.plan().stages:
            for block in stage.blocks:
                yield from (block.in_channels if self.preact else block.out_channels, block.width)
        if self.num_features:
            yield self.num_features


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    width: int
    """Channels of the 3x3 convolution."""
    groups: int
    """Groups of the 3x3 convolution."""
    reduced: int
    """Channels inside of squeeze-and-excitation; 0 for none."""
    out_channels: int
    stride: int
    """Stride of the 3x3 convolution."""
    dilation: int
    """Dilation of the 3x3 convolution."""
    shortcut: Shortcut | None
    """What stands on the shortcut; None where the branch alone goes on."""
    drop_path_rate: float

    @property
    def divides(self) -> bool:
        """Whether the 3x3 convolution has whole groups."""
        return self.groups > 0 and self.width % self.groups == 0


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    blocks: tuple[BlockPlan, ...]
    channels: int
    """Output channels."""
    reduction: int
    """Input pixels for each position of its output."""


@dataclass(frozen=True, slots=True)
class RegNetPlan:
    """The whole network, with every number decided."""

    stages: tuple[StagePlan, ...]
    features: int
    """Channels of what is pooled."""
