"""ConvMixer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    KernelSize,
    ModelConfig,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.convmixer.model import ConvMixer


class ConvMixerConfig(ModelConfig, Builds["ConvMixer"]):
    """Patches, then convolutions of one resolution (https://arxiv.org/abs/2201.09792)."""

    dim: Channels
    """Channels of every map (`h` in section 2)."""
    depth: Depth
    """Number of blocks."""
    kernel_size: KernelSize = 9
    """Height and width of the depthwise convolutions."""
    patch_size: KernelSize = 7
    """Height and width of a patch, in pixels."""
    act_layer: Activation = "gelu"
    """Activation."""
    global_pool: ConvPool = "avg"
    """How the last map becomes a vector; `""` for the map itself."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """Every block."""
        return tuple(
            FeatureSpec(self.dim, self.patch_size, f"blocks.{index}") for index in range(self.depth)
        )
