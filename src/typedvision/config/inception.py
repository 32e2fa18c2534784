"""The config that the Inception networks share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from typedvision.config.base import Eps, ModelConfig, norm_conflicts, unpooled_classifier
from typedvision.config.names import Activation, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict


class InceptionConfig(ModelConfig):
    """A network of blocks whose branches see the same map, and are joined."""

    normalized_channels: ClassVar[tuple[int, ...]] = ()
    """Channels of some normalisation, where 32 groups do not divide them."""

    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    norm_eps: Eps = 1e-3
    """Added to the variance by each normalisation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from norm_conflicts(self.norm_layer, self.normalized_channels)
        yield from unpooled_classifier(self, self.global_pool)
