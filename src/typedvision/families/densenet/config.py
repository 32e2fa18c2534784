"""DenseNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.densenet.model import DenseNet


class DenseNetConfig(ModelConfig, Builds["DenseNet"]):
    """A densely connected network (https://arxiv.org/abs/1608.06993): each layer of a block sees
    the maps of all layers before it."""

    growth_rate: Channels
    """Channels that each layer adds (the paper's k)."""
    block_config: Annotated[tuple[Depth, ...], Field(min_length=1, max_length=6)]
    """Number of layers of each dense block. Six blocks bring 224 pixels to one position."""
    bn_size: Annotated[int, Field(ge=1, le=64)] = 4
    """Channels between the two convolutions of a layer, for each channel that it adds."""
    stem_type: Literal["", "deep", "deep_tiered"] = ""
    """One 7x7 convolution, three 3x3 ones, or three of growing width."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    aa_layer: Literal["blur", "blurpc"] | None = None
    """Low-pass filter where the stem subsamples (https://arxiv.org/abs/1904.11486); `blurpc` pads
    with a constant."""
    aa_stem_only: bool = True
    """Transitions average as they subsample, and leave the filter to the stem."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability at the end of each layer."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.stem_type == "deep_tiered" and self.growth_rate < 4:
            yield Conflict(
                "'growth_rate' must be at least 4 where 'stem_type' is 'deep_tiered'; "
                f"got {self.growth_rate}",
                "growth_rate",
            )
        if self.aa_layer is None and not self.aa_stem_only:
            yield Conflict(
                "'aa_stem_only' means nothing without a filter: leave it out, or set 'aa_layer'",
                "aa_stem_only",
            )
        yield from norm_conflicts(self.norm_layer, self._normalized())
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, and the dense blocks; the last one normalised."""
        plan = self.plan()
        *inner, last = plan.blocks
        return (
            FeatureSpec(plan.stem[-1], 2, f"features.act{len(plan.stem) - 1}"),
            *(
                FeatureSpec(block.out_channels, block.reduction, f"features.denseblock{number}")
                for number, block in enumerate(inner, start=1)
            ),
            FeatureSpec(last.out_channels, last.reduction, "features.act5"),
        )

    @planned
    def plan(self) -> DenseNetPlan:
        """Every block with its numbers."""
        stem = self._stem()
        channels, reduction, blocks = stem[-1], 4, []
        for depth in self.block_config:
            out_channels = channels + depth * self.growth_rate
            layers = tuple(range(channels, out_channels, self.growth_rate))
            width = self.bn_size * self.growth_rate
            blocks.append(BlockPlan(layers, width, out_channels, reduction))
            channels, reduction = out_channels // 2, 2 * reduction  # section 3, compression
        return DenseNetPlan(stem, tuple(blocks))

    def _normalized(self) -> Iterator[int]:
        """The number of channels of each map that is normalised."""
        plan = self.plan()
        yield from plan.stem
        for block in plan.blocks:
            yield from (*block.layers, block.width, block.out_channels)

    def _stem(self) -> tuple[int, ...]:
        growth = self.growth_rate
        match self.stem_type:
            case "":
                return (2 * growth,)
            case "deep":
                return growth, growth, 2 * growth
            case "deep_tiered":
                return 3 * (growth // 4), 6 * (growth // 4), 2 * growth


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One dense block."""

    layers: tuple[int, ...]
    """Input channels of each layer."""
    width: int
    """Channels between the two convolutions of a layer."""
    out_channels: int
    reduction: int
    """Input pixels for each position of its output."""


@dataclass(frozen=True, slots=True)
class DenseNetPlan:
    """The whole network, with every number decided."""

    stem: tuple[int, ...]
    """Output channels of each convolution of the stem."""
    blocks: tuple[BlockPlan, ...]
