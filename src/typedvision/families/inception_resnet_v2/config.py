"""Inception-ResNet-v2 as data: what can vary."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import Builds
from typedvision.config.features import FeatureSpec
from typedvision.config.inception import InceptionConfig

if TYPE_CHECKING:
    from typedvision.families.inception_resnet_v2.model import InceptionResnetV2


class InceptionResnetV2Config(InceptionConfig, Builds["InceptionResnetV2"]):
    """Inception-ResNet-v2 (https://arxiv.org/abs/1602.07261, section 3.2)."""

    normalized_channels: ClassVar[tuple[int, ...]] = (80, 48)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution."""
        return (
            FeatureSpec(64, 2, "conv2d_2b", margin=5),
            FeatureSpec(192, 4, "conv2d_4a", margin=15),
            FeatureSpec(320, 8, "repeat", margin=19),
            FeatureSpec(1088, 16, "repeat_1", margin=27),
            FeatureSpec(1536, 32, "conv2d_7b", margin=43),
        )
