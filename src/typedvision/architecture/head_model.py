"""`HeadModel`, the abstract base of convolutional networks that end in a `ClassifierHead`."""

from __future__ import annotations

from abc import ABC

from torch import Tensor

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import ConvPool
from typedvision.layers.head import ClassifierHead


class HeadModel(ImageModel, ABC):
    """A model whose `head` pools the last map and classifies it.

    Shapes: N images, D channels of an H x W map, K classes.
    """

    head: ClassifierHead
    """Pooling and classifier."""

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head.reset(num_classes, global_pool)
        self.head_hidden_size: int = self.head.features
