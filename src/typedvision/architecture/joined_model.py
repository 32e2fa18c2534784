"""`JoinedModel`, the abstract base of models whose last features are made of several levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from typedvision.architecture.image_model import ImageModel


class JoinedModel(ImageModel, ABC):
    """A model whose `_joined` makes the last features of the outputs of all levels.

    Shapes: N images, C channels, H x W pixels.
    """

    joins_levels: bool = True

    @abstractmethod
    def _joined(self, levels: Sequence[Tensor]) -> Tensor:
        """The last features, made of the outputs of all levels."""

    def forward_features(self, x: Tensor) -> Tensor:
        """The last features of images (N, C, H, W)."""
        self._check_size(x, self.feature_info[-1])
        return self._joined(list(self._levels(x)))
