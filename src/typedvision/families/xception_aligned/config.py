"""Aligned Xception as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Config,
    Eps,
    ModelConfig,
    Rate,
    Whole,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.xception_aligned.model import XceptionAligned

Norm = Literal["batchnorm2d", "groupnorm", "groupnorm1", "layernorm2d", "rmsnorm2d"]
STEM_CHANNELS = (32, 64)
"""Output channels of the stem's two convolutions."""


class XceptionBlock(Config):
    """One block of three separable convolutions."""

    out_chs: Channels | tuple[Channels, Channels, Channels]
    """Output channels of the three convolutions; one for all, or one each."""
    stride: Annotated[Literal[1, 2], Whole] = 1
    """What the last convolution divides the resolution by."""
    no_skip: bool = False
    """Have no shortcut."""
    start_with_relu: bool = True
    """Have an activation before each convolution, and not after its depthwise and its 1x1 part."""


class XceptionAlignedConfig(ModelConfig, Builds["XceptionAligned"]):
    """An Xception whose convolutions subsample instead of poolings
    (https://arxiv.org/abs/1802.02611, figure 4)."""

    block_cfg: Annotated[tuple[XceptionBlock, ...], Field(min_length=1, max_length=128)]
    """The blocks."""
    preact: bool = False
    """Normalise and activate before each separable convolution, and not after each of its parts."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: Norm = "batchnorm2d"
    """Normalisation."""
    norm_eps: Eps = 1e-5
    """Added to the variance by each normalisation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later blocks dilate instead."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if any(block.stride == 2 and not block.start_with_relu for block in self.block_cfg):
            yield Conflict(
                "'stride' = 2 in 'block_cfg' is for blocks that start with an activation, whose "
                "last one gives a feature level: leave out 'start_with_relu' there",
                "block_cfg",
            )
        if self.preact and not all(block.start_with_relu for block in self.block_cfg):
            yield Conflict(
                "'start_with_relu' in 'block_cfg' says nothing where 'preact' is True: leave one "
                "out",
                "block_cfg",
            )
        plan = self.plan()
        channels = [width for block in plan for width in (block.in_channels, *block.widths)]
        yield from norm_conflicts(self.norm_layer, channels)
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution: where a block halves it, what its last convolution
        sees."""
        plan = self.plan()
        inside = "conv2" if self.preact else "act3"
        levels = [
            FeatureSpec(block.widths[1], block.in_reduction, f"blocks.{index}.stack.{inside}")
            for index, block in enumerate(plan)
            if block.has_level
        ]
        end = FeatureSpec(plan[-1].widths[-1], plan[-1].reduction, f"blocks.{len(plan) - 1}")
        return (*levels, end)

    @planned
    def plan(self) -> tuple[BlockPlan, ...]:
        """Every block with its numbers."""
        strides = [block.stride for block in self.block_cfg]
        steps = staged(strides, reduction=2, output_stride=self.output_stride)
        rates = drop_path_rates(self.drop_path_rate, len(self.block_cfg))
        in_channels, in_reduction, plan = STEM_CHANNELS[-1], 2, []
        for block, step, rate in zip(self.block_cfg, steps, rates, strict=True):
            out = block.out_chs
            widths = out if isinstance(out, tuple) else (out, out, out)
            plan.append(
                BlockPlan(
                    in_channels=in_channels,
                    widths=widths,
                    stride=step.stride,
                    dilation=step.first_dilation,
                    in_reduction=in_reduction,
                    reduction=step.reduction,
                    has_level=block.stride == 2,
                    skip=not block.no_skip,
                    opens=block.start_with_relu,
                    drop_path_rate=rate,
                )
            )
            in_channels, in_reduction = widths[-1], step.reduction
        return tuple(plan)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    widths: tuple[int, int, int]
    """Output channels of each convolution."""
    stride: int
    """Stride of the last convolution; 1 where the blocks after dilate instead."""
    dilation: int
    """Dilation of the convolutions."""
    in_reduction: int
    """Input pixels for each position of its input."""
    reduction: int
    """Input pixels for each position of its output."""
    has_level: bool
    """Whether what the last convolution sees is a feature level."""
    skip: bool
    """Whether there is a shortcut."""
    opens: bool
    """Whether an activation stands before each convolution."""
    drop_path_rate: float

    @property
    def projects(self) -> bool:
        """Whether the shortcut changes the shape."""
        return self.skip and (self.stride > 1 or self.in_channels != self.widths[-1])
