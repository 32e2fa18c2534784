"""Inception-v4 as data: what can vary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typedvision.config.base import Builds
from typedvision.config.features import FeatureSpec
from typedvision.config.inception import InceptionConfig

if TYPE_CHECKING:
    from typedvision.families.inception_v4.model import InceptionV4


class InceptionV4Config(InceptionConfig, Builds["InceptionV4"]):
    """Inception-v4 (https://arxiv.org/abs/1602.07261, section 3.1)."""

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem's last convolution and its first reduction, and the last block of each width."""
        return (
            FeatureSpec(64, 2, "features.2", margin=5),
            FeatureSpec(160, 4, "features.3", margin=7),
            FeatureSpec(384, 8, "features.9", margin=19),
            FeatureSpec(1024, 16, "features.17", margin=27),
            FeatureSpec(1536, 32, "features.21", margin=43),
        )
