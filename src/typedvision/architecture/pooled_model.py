"""`PooledModel`, the abstract base of models that pool a map and classify it by a linear layer."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import ConvPool
from typedvision.layers.head import linear_classifier
from typedvision.layers.pool import GlobalPool, pooled_features


class PooledModel(ImageModel, ABC):
    """A model that ends in a pooling, dropout and a linear classifier, which are its own children.

    Shapes: N images, D channels of an H x W map, K classes.
    """

    classifier_name: ClassVar[str]
    """Name of the classifier."""

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.head_drop(self.global_pool(x))
        return x if pre_logits else self.get_submodule(self.classifier_name)(x)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        classifier = linear_classifier(self.head_hidden_size, num_classes)
        self.add_module(self.classifier_name, classifier)
