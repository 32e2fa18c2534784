"""Pebble as data: what can vary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, Channels, Depth, KernelSize, ModelConfig
from typedvision.config.features import FeatureSpec

if TYPE_CHECKING:
    from acme_vision.pebble.model import Pebble


class PebbleConfig(ModelConfig, Builds["Pebble"]):
    """Patches, then blocks that alternately mix space and channels."""

    width: Channels = 64
    """Channels of every block."""
    depth: Depth = 4
    """Number of blocks."""
    kernel_size: KernelSize = 7
    """Kernel of the convolution over space."""
    mixing: Literal["depthwise", "full"] = "depthwise"
    """Whether a block's convolution keeps the channels apart, or mixes them too."""

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map after each block."""
        return tuple(FeatureSpec(self.width, 8, f"blocks.{index}") for index in range(self.depth))
