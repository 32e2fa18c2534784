"""Mobile networks as data: what any of them can vary."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Channels,
    Count,
    Eps,
    ModelConfig,
    Rate,
    Whole,
    norm_group_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.mobile.plans import BlockStyle, MobilePlan, Network, Place, StagePlan
from typedvision.config.mobile.rows import (
    AnyBlocks,
    AttentionBlocks,
    Blocks,
    Kernel,
    PrunedBlock,
    Stage,
)
from typedvision.config.mobile.squeeze_excite import (
    USUAL_SQUEEZE_EXCITE,
    BlockAttention,
    SqueezeExcite,
)
from typedvision.config.names import Activation, AntiAlias, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, staged

MAX_BLOCKS = 1024
"""Blocks that a model may have."""


class MobileConfig(ModelConfig):
    """A stem, stages of mobile blocks, and a head of the family's own."""

    block_args: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=32)]
    """The stages."""
    num_features: Count = 1280
    """Output channels of the convolution before pooling, which no multiplier scales; 0 for no such
    convolution."""
    stem_size: Channels = 32
    """Output channels of the stem, before the channel multiplier."""
    stem_kernel_size: Kernel = 3
    """Kernel of the stem."""
    fix_stem: bool = False
    """The channel multiplier leaves the stem alone."""
    channel_multiplier: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
    """Scales the channels of the stem and of each stage (the paper's width coefficient)."""
    channel_divisor: Annotated[int, Field(ge=1, le=256)] = 8
    """Scaled channels are rounded to a multiple of this number."""
    round_limit: Rate = 0.9
    """Rounding never leaves less than this share of the scaled channels."""
    depth_multiplier: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
    """Scales the number of blocks (the paper's depth coefficient)."""
    depth_trunc: Literal["ceil", "round"] = "ceil"
    """How a scaled number of blocks becomes an integer: up, or to the nearest."""
    fix_first_last: bool = False
    """The depth multiplier leaves the first and the last stage alone."""
    output_stride: Annotated[Literal[2, 4, 8, 16, 32], Whole] = 32
    """Most input pixels for each step of a feature map; later stages dilate instead."""
    pad_type: Literal["", "same"] = ""
    """Padding of convolutions: symmetric by the kernel size, or TensorFlow's `same`."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    norm_group_size: Channels | None = None
    """Channels of a group of `groupnorm` and `evonorms0`; None for 32 groups."""
    bn_eps: Eps | None = None
    """Added to the variance by the normalisation; None for the usual value of the layer."""
    bn_momentum: Rate = 0.1
    """Weight of a new batch in the running statistics of batch normalisation."""
    aa_layer: AntiAlias | None = None
    """Low-pass filter where a block subsamples."""
    se_layer: BlockAttention = None
    """Attention in blocks with a `se_ratio`; None for squeeze-and-excitation."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping a block's residual branch; grows linearly from 0 with the depth."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if self.stem_kernel_size % 2 == 0:
            yield Conflict(
                f"'stem_kernel_size' must be odd; got {self.stem_kernel_size}", "stem_kernel_size"
            )
        rows = self.rows()
        if self.aa_layer and any(isinstance(row, Blocks) and row.num_experts for row in rows):
            yield Conflict(
                "'aa_layer' does not go with 'num_experts' in 'block_args': leave one of them out",
                "aa_layer",
            )
        reached = list(accumulate((row.reduction for row in rows), operator.mul, initial=2))[1:]
        folded = [
            stride
            for row, stride in zip(rows, reached, strict=True)
            if isinstance(row, Blocks) and row.s2d
        ]
        if folded and max(folded) > self.output_stride:
            yield Conflict(
                f"'output_stride' = {self.output_stride} is passed where 's2d' in 'block_args' "
                f"folds the map to a stride of {max(folded)}, for it cannot dilate instead: raise "
                "'output_stride', or leave 's2d' out",
                "output_stride",
            )
        subsampled = any(isinstance(row, AttentionBlocks) and row.kv_stride > 1 for row in rows)
        if self.norm_layer == "evonorms0" and subsampled:
            yield Conflict(
                "'norm_layer' = 'evonorms0' is an activation too, which keys and values do not "
                "take: normalise by another, or leave 'kv_stride' in 'block_args' alone",
                "norm_layer",
            )
        count = sum(repeats for stage in self._stages() for _, repeats in stage)
        if count > MAX_BLOCKS:
            yield Conflict(
                f"'depth_multiplier' makes {count} blocks of 'block_args': "
                f"at most {MAX_BLOCKS} are possible",
                "depth_multiplier",
            )
            return
        if any(row.divides for row in rows):
            for block in self.plan().blocks():
                yield from (Conflict(message, "block_args") for message in block.conflicts())
        yield from norm_group_conflicts(self.norm_layer, self.norm_group_size, self.normalized())

    def normalized(self) -> Iterator[int]:
        """The number of channels of each normalisation, the head's left out."""
        plan = self.plan()
        yield plan.stem_channels
        for block in plan.blocks():
            yield from block.normalized()

    @property
    def pruned(self) -> bool:
        """Whether blocks have channels that pruning left."""
        return any(isinstance(row, PrunedBlock) for row in self.rows())

    def rows(self) -> list[AnyBlocks]:
        """The rows of all stages."""
        return [row for stage in self._stages() for row, _ in stage]

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution."""
        plan = self.plan()
        maps = [
            FeatureSpec(plan.stem_channels, 2, "act1"),
            *(
                FeatureSpec(stage.channels, stage.stride, f"blocks.{number}")
                for number, stage in enumerate(plan.stages)
            ),
        ]
        return tuple(maps[level] for level in plan.levels)

    def style(self) -> BlockStyle:
        """What the layers of all blocks have in common."""
        return BlockStyle(
            pad_type=self.pad_type,
            norm_layer=self.norm_layer,
            norm_group_size=self.norm_group_size,
            norm_eps=self.bn_eps,
            norm_momentum=self.bn_momentum,
            aa_layer=self.aa_layer,
            se_layer=self.se_layer or USUAL_SQUEEZE_EXCITE,
        )

    def network(self) -> Network:
        """What holds for the numbers of all blocks; a family with further options adds them."""
        given = self.se_layer
        return Network(
            act_layer=self.act_layer,
            channel_multiplier=self.channel_multiplier,
            channel_divisor=self.channel_divisor,
            round_limit=self.round_limit,
            squeeze_excite=given if isinstance(given, SqueezeExcite) else USUAL_SQUEEZE_EXCITE,
        )

    @planned
    def plan(self) -> MobilePlan:
        """Every block with its numbers."""
        network = self.network()
        stages = [list(_unrolled(stage)) for stage in self._stages()]
        blocks = [block for stage in stages for block in stage]
        rates = drop_path_rates(self.drop_path_rate, len(blocks), reached=False)
        strides = [row.reduction if first else 1 for row, first in blocks]
        steps = staged(strides, reduction=2, output_stride=self.output_stride)
        numbers = zip(steps, rates, strict=True)
        stem = channels = self.stem_size if self.fix_stem else network.scaled(self.stem_size)
        plans, reduction = [], 2
        for stage in stages:
            planned = []
            for row, first in stage:
                step, rate = next(numbers)
                place = Place(
                    network=network,
                    in_channels=channels,
                    first=first,
                    stride=step.stride,
                    dilation=step.first_dilation,
                    drop_path_rate=rate,
                )
                planned.append(row.plan(place))
                channels, reduction = planned[-1].out_channels, step.reduction
            plans.append(StagePlan(tuple(planned), channels, reduction))
        subsampling = [any(row.reduction > 1 for row, _ in stage) for stage in stages]
        levels = tuple(level for level, ends in enumerate([*subsampling, True]) if ends)
        return MobilePlan(stem, tuple(plans), levels)

    def _stages(self) -> list[tuple[tuple[AnyBlocks, int], ...]]:
        """The rows of each stage, each with the number of its blocks."""
        stages = []
        for number, stage in enumerate(self.block_args):
            *first, last = stage if isinstance(stage, tuple) else (stage,)
            depth = sum(row.repeats for row in first)
            at_end = number in (0, len(self.block_args) - 1)
            scaled = self._depth(depth + last.repeats, at_end)
            rows = [(row, row.repeats) for row in first]
            stages.append((*rows, (last, max(scaled - depth, 1))))  # the last row grows
        return stages

    def _depth(self, blocks: int, at_end: bool) -> int:
        if self.fix_first_last and at_end:
            return blocks
        scaled = blocks * self.depth_multiplier
        return round(scaled) if self.depth_trunc == "round" else math.ceil(scaled)


def _unrolled(rows: Iterable[tuple[AnyBlocks, int]]) -> Iterator[tuple[AnyBlocks, bool]]:
    """The row of each block, and whether it is the first one of its row."""
    for row, repeats in rows:
        for position in range(repeats):
            yield row, position == 0
