"""A classifier that may be the mean of two, and that one layer replaces after training.

Shapes: N images, D features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.layers.conv_norm import NormLinear


class AveragedClassifier(nn.Module):
    """A classifier, or the mean of two; together one linear layer, in the inference form.

    Args:
        features: D.
        num_classes: K; 0 for no classifier.
        drop_rate: dropout probability before the classifiers.
        distillation: whether there are two.
    """

    head: NormLinear | nn.Identity
    head_dist: NormLinear | nn.Identity | None

    def __init__(
        self, features: int, num_classes: int, drop_rate: float, distillation: bool
    ) -> None:
        super().__init__()
        self.head_drop: nn.Dropout = nn.Dropout(drop_rate)
        self.head = _classifier(features, num_classes)
        self.head_dist = _classifier(features, num_classes) if distillation else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N, K)."""
        if self.head_dist is None:
            return self.head(self.head_drop(x))
        first, second = self.both(x)
        return (first + second) / 2

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) to (N, K) of each classifier."""
        x = self.head_drop(x)
        second = self.head if self.head_dist is None else self.head_dist
        return self.head(x), second(x)

    def fused(self) -> nn.Module:
        """One linear layer; the identity where there are no classes."""
        heads = [
            head.fused() for head in (self.head, self.head_dist) if isinstance(head, NormLinear)
        ]
        if not heads:
            return nn.Identity()
        first = heads[0]
        first.weight = nn.Parameter(torch.stack([head.weight for head in heads]).mean(0))
        first.bias = nn.Parameter(torch.stack([head.bias for head in heads]).mean(0))
        return first


def _classifier(features: int, num_classes: int) -> NormLinear | nn.Identity:
    return NormLinear(features, num_classes) if num_classes else nn.Identity()
