"""MobileNetV3 as data: what can vary beside what any mobile network can."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from typedvision.config.base import Builds, Channels, Rate
from typedvision.config.mobile.base import MobileConfig
from typedvision.config.mobile.plans import Network
from typedvision.config.mobile.rows import AttentionBlocks, UniversalBlocks
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.mobilenetv3.model import MobileNetV3


class MobileNetV3Config(MobileConfig, Builds["MobileNetV3"]):
    """A mobile network that pools before its last convolution: MobileNetV3
    (https://arxiv.org/abs/1905.02244), V4 (https://arxiv.org/abs/2404.10518), FBNetV3
    (https://arxiv.org/abs/2006.02049), PP-LCNet (https://arxiv.org/abs/2109.15099) and HardCoRe-NAS
    (https://arxiv.org/abs/2102.11646)."""

    num_features: Channels = 1280
    """Output channels of the convolution after pooling, which no multiplier scales."""
    stem_size: Channels = 16
    """Output channels of the stem, before the channel multiplier."""
    head_bias: bool = True
    """A bias in the convolution after pooling."""
    head_norm: bool = False
    """A normalisation after that convolution."""
    se_from_exp: bool = True
    """A block's `se_ratio` counts from its expanded channels, instead of from its input's."""
    layer_scale_init_value: Rate | None = None
    """Initial value of the factors on the branch of `uib`, `mqa` and `mha`; None for no factors."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        if self.head_norm and self.head_bias:
            yield Conflict(
                "'head_bias' has no place before a normalisation: set it to False, or "
                "'head_norm' to False",
                "head_bias",
            )
        if self.layer_scale_init_value is not None and not any(
            isinstance(row, UniversalBlocks | AttentionBlocks) for row in self.rows()
        ):
            yield Conflict(
                "'layer_scale_init_value' means nothing without a 'uib', 'mqa' or 'mha' in "
                "'block_args': leave it out",
                "layer_scale_init_value",
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
        if self.head_norm:
            yield self.num_features
