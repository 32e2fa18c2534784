"""SelecSLS as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    ModelConfig,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.selecsls.model import SelecSls

STEM = 32
"""Output channels of the stem."""

Width = Annotated[int, Field(ge=2, le=65_536)]
StageDepth = Annotated[int, Field(ge=2, le=1_024)]


class SelecSlsConfig(ModelConfig, Builds["SelecSls"]):
    """A network of selective short- and long-range skip connections
    (https://arxiv.org/abs/1907.00837, section 4)."""

    mid_chs: tuple[Width, Width, Width]
    """Channels inside of the blocks, by stage."""
    out_chs: tuple[Channels, Channels, Channels]
    """Output channels of each stage."""
    depths: tuple[StageDepth, StageDepth, StageDepth]
    """Number of blocks of each stage; the first one subsamples."""
    head_chs: tuple[Channels, Channels, Channels, Channels]
    """Output channels of each convolution after the stages, of which the first and the third
    subsample."""
    head_kernel_size: Annotated[Literal[1, 3], Whole] = 1
    """Kernel of the last convolution."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, the three stages, and the two halves of the convolutions after them."""
        ends = (number for number, block in enumerate(self.plan()) if block.last)
        stages = zip(self.out_chs, (4, 8, 16), ends, strict=True)
        return (
            FeatureSpec(STEM, 2, "stem.2"),
            *(FeatureSpec(channels, stride, f"features.{end}") for channels, stride, end in stages),
            FeatureSpec(self.head_chs[1], 32, "head.1"),
            FeatureSpec(self.head_chs[3], 64, "head.3"),
        )

    @planned
    def plan(self) -> tuple[BlockPlan, ...]:
        """Every block with its numbers."""
        in_channels, plans = STEM, []
        for depth, width, stage_channels in zip(
            self.depths, self.mid_chs, self.out_chs, strict=True
        ):
            for number in range(depth):
                last = number == depth - 1
                out_channels = stage_channels if last else width
                plans.append(BlockPlan(in_channels, width, out_channels, number == 0, last))
                in_channels = out_channels
        return tuple(plans)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    width: int
    """Channels inside, and of the long-range skip connection."""
    out_channels: int
    first: bool
    """Whether it is the first of its stage, which subsamples."""
    last: bool
    """Whether it is the last of its stage."""
