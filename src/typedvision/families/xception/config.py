"""Xception as data: what can vary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typedvision.config.base import Builds, ModelConfig, unpooled_classifier
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.xception.model import Xception


class XceptionConfig(ModelConfig, Builds["Xception"]):
    """Xception (https://arxiv.org/abs/1610.02357)."""

    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution; of one that a block halves, the output of its first
        ReLU."""
        return (
            FeatureSpec(64, 2, "act2", margin=5),
            FeatureSpec(128, 4, "block2.rep.0", margin=3),
            FeatureSpec(256, 8, "block3.rep.0"),
            FeatureSpec(728, 16, "block12.rep.0"),
            FeatureSpec(2048, 32, "act4"),
        )
