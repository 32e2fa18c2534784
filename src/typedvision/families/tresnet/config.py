"""TResNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from typedvision.config.base import (
    Builds,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.tresnet.model import TResNet

PATCH = 4
"""Side in pixels of the squares whose channels the first convolution sees together."""
EXPANSION = 4
"""Output channels of a bottleneck, for each of its inner ones."""


class TResNetConfig(ModelConfig, Builds["TResNet"]):
    """TResNet (https://arxiv.org/abs/2003.13630): a ResNet made for GPUs."""

    layers: tuple[Depth, Depth, Depth, Depth]
    """Number of blocks of each stage (table 2)."""
    width_factor: Ratio = 1.0
    """Factor of all channels."""
    v2: bool = False
    """Have bottlenecks in the first two stages too, and channels in multiples of 8."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if not self._stem_channels():
            yield Conflict("'width_factor' leaves no channels: choose a larger one", "width_factor")
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(blocks[-1].out_channels, 4 * 2**index, f"body.layer{index + 1}")
            for index, blocks in enumerate(self.plan().stages)
        )

    @planned
    def plan(self) -> TResNetPlan:
        """Every block with its numbers."""
        stem = in_channels = self._stem_channels()
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.layers)))
        stages = []
        for index, depth in enumerate(self.layers):
            width = stem * 2**index
            bottleneck = self.v2 or index >= 2
            blocks = []
            for position, rate in enumerate(islice(rates, depth)):
                block = BlockPlan(
                    in_channels=in_channels,
                    width=width,
                    out_channels=width * EXPANSION if bottleneck else width,
                    bottleneck=bottleneck,
                    stride=2 if index and position == 0 else 1,
                    # Each block of the last stage goes without.
                    reduced=max(width // (2 if bottleneck else 4), 64) if index < 3 else None,
                    drop_path_rate=rate,
                )
                blocks.append(block)
                in_channels = block.out_channels
            stages.append(tuple(blocks))
        return TResNetPlan(stem, tuple(stages))

    def _stem_channels(self) -> int:
        channels = int(64 * self.width_factor)
        return channels // 8 * 8 if self.v2 else channels


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One residual block, with every number decided."""

    in_channels: int
    width: int
    """Channels inside."""
    out_channels: int
    bottleneck: bool
    """Whether 1x1 convolutions stand around its 3x3 one; else it has two 3x3 ones."""
    stride: int
    reduced: int | None
    """Channels inside of the squeeze-and-excitation; None for none."""
    drop_path_rate: float

    @property
    def projects(self) -> bool:
        """Whether the shape changes."""
        return self.stride > 1 or self.in_channels != self.out_channels


@dataclass(frozen=True, slots=True)
class TResNetPlan:
    """The whole network, with every number decided."""

    stem_channels: int
    stages: tuple[tuple[BlockPlan, ...], ...]
