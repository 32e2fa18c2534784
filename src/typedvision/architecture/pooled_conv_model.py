"""`PooledConvModel`, the abstract base of models with a hidden layer behind the pooling."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import ConvPool
from typedvision.layers.conv import conv2d
from typedvision.layers.head import linear_classifier
from typedvision.layers.pool import GlobalPool, pooled_features


class PooledConvModel(ImageModel, ABC):
    """A model that ends in a pooling, a pointwise convolution with an activation, and a linear
    classifier.

    Shapes: N images, D channels of an H x W map, E features of the hidden layer, K classes.
    """

    conv_head: nn.Conv2d | nn.Identity
    """The pointwise convolution, D to E; nothing for no hidden layer, where E is D."""
    classifier: nn.Linear | nn.Identity
    """E to K."""

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to a map where nothing is pooled."""
        pools, x = self.global_pool.kind != "", self.global_pool(x)
        x = self._hidden(x[:, :, None, None] if pools else x)
        x = self.head_drop(x.flatten(1) if pools else x)
        return x if pre_logits else self.classifier(x)

    @abstractmethod
    def _hidden(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to (N, E, H, W): `conv_head`, and what follows it."""

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        conv, pooled = self.conv_head, pooled_features(global_pool, self.num_features)
        if not isinstance(conv, nn.Conv2d):
            self.head_hidden_size: int = pooled
        elif conv.in_channels != pooled:  # made for another width
            self.conv_head = conv2d(pooled, conv.out_channels, 1, bias=conv.bias is not None)
        self.classifier = linear_classifier(self.head_hidden_size, num_classes)
