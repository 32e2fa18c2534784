"""ReXNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    ModelConfig,
    Rate,
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
    from typedvision.families.rexnet.model import RexNet

LAYERS = (1, 2, 2, 3, 3, 5)
"""Number of blocks of each stage, before `depth_mult`."""
STRIDES = (1, 2, 2, 2, 1, 2)
EXPANSION = 6
"""Channels inside of a block for each of its input; the first stage does not expand."""
STEM_CHANNELS = 32
LAST_CHANNELS = 1280

Multiplier = Annotated[float, Field(ge=0.05, le=64.0)]


class RexNetConfig(ModelConfig, Builds["RexNet"]):
    """A ReXNet (https://arxiv.org/abs/2007.00992): inverted residuals whose channels grow by as
    many from each block to the next."""

    initial_chs: Channels = 16
    """Output channels of the first block."""
    final_chs: Channels = 180
    """How many more the last block has."""
    width_mult: Multiplier = 1.0
    """Factor of all channels."""
    depth_mult: Multiplier = 1.0
    """Factor of the number of blocks of each stage."""
    se_ratio: Rate = 1 / 12
    """Channels inside of squeeze-and-excitation, as a share of those outside; 0 for none."""
    ch_div: Channels = 1
    """What divides every number of channels."""
    act_layer: Activation = "silu"
    """Activation of the stem, the expansions and the last convolution."""
    dw_act_layer: Activation = "relu6"
    """Activation of the depthwise convolutions."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later blocks dilate instead."""
    drop_rate: Rate = 0.2
    """Dropout probability before the classifier."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last block of each resolution."""
        blocks = self.plan().blocks
        ends = [index for index, block in enumerate(blocks[1:]) if block.subsamples]
        return tuple(
            FeatureSpec(blocks[index].out_channels, blocks[index].reduction, f"features.{index}")
            for index in (*ends, len(blocks) - 1)
        )

    @planned
    def plan(self) -> RexNetPlan:
        """Every block with its numbers."""
        layers = [math.ceil(count * self.depth_mult) for count in LAYERS]
        count = sum(layers)
        strides = [
            stride if position == 0 else 1
            for stride, depth in zip(STRIDES, layers, strict=True)
            for position in range(depth)
        ]
        # A narrow network keeps the channels that it starts with.
        start = 1.0 / self.width_mult if self.width_mult < 1.0 else 1.0
        in_channels = stem_channels = self._rounded(STEM_CHANNELS * start * self.width_mult)
        steps = staged(strides, reduction=2, output_stride=self.output_stride)
        rates = drop_path_rates(self.drop_path_rate, count)
        base, blocks = self.initial_chs * start, []
        for index, (stride, step, rate) in enumerate(zip(strides, steps, rates, strict=True)):
            out_channels = self._rounded(base * self.width_mult)
            expands = index >= layers[0]
            width = self._rounded(in_channels * EXPANSION) if expands else in_channels
            se = self.se_ratio and index >= layers[0] + layers[1]
            blocks.append(
                BlockPlan(
                    in_channels=in_channels,
                    width=width,
                    out_channels=out_channels,
                    expands=expands,
                    subsamples=stride > 1,
                    stride=step.stride,
                    dilation=step.first_dilation,
                    reduction=step.reduction,
                    skip=stride == 1 and in_channels <= out_channels,
                    se_channels=round_channels(int(width * self.se_ratio), self.ch_div)
                    if se
                    else 0,
                    drop_path_rate=rate,
                )
            )
            in_channels, base = out_channels, base + self.final_chs / count
        features = round_channels(LAST_CHANNELS * self.width_mult, self.ch_div)
        return RexNetPlan(stem_channels, tuple(blocks), features)

    def _rounded(self, channels: float) -> int:
        return round_channels(round(channels), self.ch_div)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    width: int
    """Channels of its depthwise convolution."""
    out_channels: int
    expands: bool
    """Whether a convolution stands before the depthwise one."""
    subsamples: bool
    """Whether it starts another level."""
    stride: int
    """Stride of the depthwise convolution; 1 where blocks dilate instead."""
    dilation: int
    """Dilation of the depthwise convolution."""
    reduction: int
    """Input pixels for each position of its output."""
    skip: bool
    """Whether the input is added to the first channels of the output."""
    se_channels: int
    """Channels inside of squeeze-and-excitation; 0 for none."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class RexNetPlan:
    """The whole network, with every number decided."""

    stem_channels: int
    blocks: tuple[BlockPlan, ...]
    features: int
    """Channels of the last feature map."""
