"""`HeadModel`, the abstract base of convolutional networks that end in a `ClassifierHead`."""

from __future__ import annotations

from abc import ABC

from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import Activation, ConvPool
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

    def _add_head(
        self,
        num_classes: int,
        global_pool: ConvPool,
        *,
        norm: nn.Module | None = None,
        hidden_size: int | None = None,
        hidden_act: Activation = "gelu",
    ) -> None:
        """Put the head in place; what it is made of is explained at `ClassifierHead`."""
        self.head = ClassifierHead(
            self.num_features,
            num_classes,
            global_pool,
            drop_rate=self.drop_rate,
            norm=norm,
            hidden_size=hidden_size,
            hidden_act=hidden_act,
        )
        self.head_hidden_size: int = self.head.features

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head.reset(num_classes, global_pool)
        self.head_hidden_size = self.head.features
