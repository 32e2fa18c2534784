"""PP-LCNetV2 as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Ratio,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels

if TYPE_CHECKING:
    from typedvision.families.lcnetv2.model import LCNetV2

STEM_CHANNELS = (32, 64)
STAGE_CHANNELS = (128, 256, 512, 1024)


class LCNetV2Config(ModelConfig, Builds["LCNetV2"]):
    """A PP-LCNetV2 (https://github.com/PaddlePaddle/PaddleClas/blob/develop/docs/en/models/PP-LCNetV2_en.md):
    depthwise separable convolutions for Intel's CPUs, with branches that become fewer after
    training."""

    scale: Ratio = 1.0
    """Factor of all channels, which are rounded to multiples of 8."""
    depths: tuple[Depth, Depth, Depth, Depth] = (2, 2, 6, 2)
    """Number of blocks of each stage."""
    head_hidden_size: Channels | None = 1280
    """Outputs of the layer between pooling and classifier; None for no such layer."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    inference_mode: bool = False
    """Whether each block has one depthwise convolution, which `typedvision.fuse` makes of the
    branches that it has in training."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.inference_mode and self.norm_layer != "batchnorm2d":
            yield Conflict(
                f"'inference_mode' must be false where 'norm_layer' is '{self.norm_layer}': only "
                "the fixed statistics of 'batchnorm2d' go into a convolution",
                "inference_mode",
            )
        blocks = [block for stage in self.plan().stages for block in stage]
        channels = [block.out_channels for block in blocks]
        split = [block.split_channels for block in blocks if block.split_channels]
        yield from norm_conflicts(self.norm_layer, [*self.plan().stem, *channels, *split])
        if self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax': the layer behind it takes one feature for "
                "each channel; pool by 'avgmax'",
                "global_pool",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return halving_levels(stage[-1].out_channels for stage in self.plan().stages)

    @planned
    def plan(self) -> LCNetV2Plan:
        """Every block with its numbers."""
        first, second = (round_channels(width * self.scale) for width in STEM_CHANNELS)
        stages: list[tuple[BlockPlan, ...]] = []
        in_channels = second
        for index, (width, depth) in enumerate(zip(STAGE_CHANNELS, self.depths, strict=True)):
            channels = round_channels(width * self.scale)
            inputs = (in_channels, *(channels,) * (depth - 1))
            stages.append(
                tuple(
                    _block(index, inside, channels, stride=2 if position == 0 else 1)
                    for position, inside in enumerate(inputs)
                )
            )
            in_channels = channels
        return LCNetV2Plan((first, second), tuple(stages))


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    out_channels: int
    stride: int
    kernel_sizes: tuple[int, ...]
    """Sides of the depthwise kernels, the largest first."""
    branches: bool = False
    """Whether these are branches, which are added before the activation."""
    attends: bool = False
    """Whether there is a squeeze-and-excitation."""
    split_channels: int | None = None
    """Channels between two pointwise convolutions; None for one."""
    shortcut: bool = False


@dataclass(frozen=True, slots=True)
class LCNetV2Plan:
    """The whole network, with every number decided."""

    stem: tuple[int, int]
    """Channels of the stem's convolution, and of the block behind it."""
    stages: tuple[tuple[BlockPlan, ...], ...]


def _block(stage: int, in_channels: int, channels: int, stride: int) -> BlockPlan:
    """A block of one of the four stages; branches, attention and two pointwise convolutions are
    where they cost little time."""
    if stage < 2:
        return BlockPlan(in_channels, channels, stride, (3,))
    return BlockPlan(
        in_channels,
        channels,
        stride,
        kernel_sizes=(5, 3, 1) if stride == 1 else (5, 3),
        branches=True,
        attends=stage == 2,
        split_channels=channels // 2 if stage == 2 else None,
        shortcut=stage == 3 and stride == 1 and in_channels == channels,
    )
