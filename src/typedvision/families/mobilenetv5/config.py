"""MobileNetV5 as data: what can vary beside what any mobile network can."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from typedvision.config.base import Builds, Channels, Rate, Size
from typedvision.config.features import FeatureSpec
from typedvision.config.mobile.base import MobileConfig
from typedvision.config.mobile.plans import Network, UniversalPlan
from typedvision.config.mobile.rows import AttentionBlocks, UniversalBlocks
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels

if TYPE_CHECKING:
    from typedvision.families.mobilenetv5.model import MobileNetV5

Level = Annotated[int, Field(ge=-33, le=32)]
EXPANSION = 2
"""Hidden channels of the fusion for each of its input."""


class MobileNetV5Config(MobileConfig, Builds["MobileNetV5"]):
    """The image encoder of Gemma 3n (https://ai.google.dev/gemma/docs/gemma-3n): a mobile network
    that ends in the fusion of maps of several resolutions."""

    num_features: Channels = 2048
    """Output channels of the fusion, or, where `use_msfa` is false, of the convolution after
    pooling; no multiplier scales them."""
    stem_size: Channels = 16
    """Output channels of the stem, before the channel multiplier."""
    stem_bias: bool = True
    """A bias in the stem's convolution."""
    use_msfa: bool = True
    """Fuse maps of several resolutions before pooling; otherwise the last map alone is pooled, and
    a pointwise convolution, normalised and activated, stands before the classifier
    (https://arxiv.org/abs/1905.02244, section 5.1)."""
    msfa_indices: Annotated[tuple[Level, ...], Field(min_length=1, max_length=33)] = (-2, -1)
    """Which feature levels are fused, 0 for the stem's, or counted from the last one, -1."""
    msfa_output_resolution: Size = 16
    """Height and width of the fused map; one number for a square."""
    se_from_exp: bool = True
    """A block's `se_ratio` counts from its expanded channels, instead of from its input's."""
    layer_scale_init_value: Rate | None = None
    """Initial value of the factors on the branch of `uib`, `mqa` and `mha`; None for no factors."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        if self.layer_scale_init_value is not None and not any(
            isinstance(row, UniversalBlocks | AttentionBlocks) for row in self.rows()
        ):
            yield Conflict(
                "'layer_scale_init_value' means nothing without a 'uib', 'mqa' or 'mha' in "
                "'block_args': leave it out",
                "layer_scale_init_value",
            )
        yield from self._fusion_conflicts()

    def _fusion_conflicts(self) -> Iterator[Conflict]:
        if not self.use_msfa:
            for name in ("msfa_indices", "msfa_output_resolution"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    yield Conflict(
                        f"'{name}' means nothing where 'use_msfa' is false: leave it out", name
                    )
            return
        count = len(self.plan().levels)
        if any(not -count <= level < count for level in self.msfa_indices):
            yield Conflict(
                f"'msfa_indices' must be in [{-count}, {count - 1}], the feature levels; got "
                f"{self.msfa_indices}",
                "msfa_indices",
            )

    def network(self) -> Network:
        """What holds for the numbers of all blocks."""
        return dataclasses.replace(
            super().network(),
            se_from_exp=self.se_from_exp,
            layer_scale=self.layer_scale_init_value,
        )

    def normalized(self) -> Iterator[int]:
        """The number of channels of each normalisation."""
        yield from super().normalized()
        if not self.use_msfa:
            yield self.num_features
            return
        count = len(self.plan().levels)
        if all(-count <= level < count for level in self.msfa_indices):
            yield from self.fusion().normalized()

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution; the stem is one module."""
        return tuple(
            dataclasses.replace(level, name="conv_stem") if level.name == "act1" else level
            for level in super().features()
        )

    def fused(self) -> tuple[int, ...]:
        """The feature levels that are fused, from the finest to the coarsest."""
        count = len(self.plan().levels)
        return tuple(sorted({level % count for level in self.msfa_indices}))

    def fusion(self) -> UniversalPlan:
        """The inverted bottleneck that fuses maps."""
        levels = self.features()
        channels = sum(levels[level].channels for level in self.fused())
        return UniversalPlan(
            in_channels=channels,
            mid_channels=round_channels(channels * EXPANSION),
            out_channels=self.num_features,
            kernel_start=0,
            kernel_mid=0,
            kernel_end=0,
            act_layer=self.act_layer,
        )
