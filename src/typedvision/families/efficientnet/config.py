"""EfficientNet as data: what can vary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typedvision.config.base import Builds
from typedvision.config.mobile.base import MobileConfig

if TYPE_CHECKING:
    from typedvision.families.efficientnet.model import EfficientNet


class EfficientNetConfig(MobileConfig, Builds["EfficientNet"]):
    """A network of inverted residuals: EfficientNet (https://arxiv.org/abs/1905.11946), V2
    (https://arxiv.org/abs/2104.00298), MobileNetV2 (https://arxiv.org/abs/1801.04381), MnasNet
    (https://arxiv.org/abs/1807.11626) and their relatives."""

    def normalized(self) -> Iterator[int]:
        """The number of channels of each normalisation."""
        yield from super().normalized()
        if self.num_features:
            yield self.num_features
