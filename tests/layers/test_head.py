"""The head against its formula, written out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.layers.fresh import fresh, randn
from typedvision.layers.head import ClassifierHead
from typedvision.layers.norm import LayerNorm2d

X = randn(2, 4, 6, 8)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_what_is_pooled_is_normalised_and_goes_through_the_hidden_layer() -> None:
    head = fresh(ClassifierHead(4, 3, "avg", norm=LayerNorm2d(4), hidden_size=5))
    hidden = head.pre_logits[0](F.layer_norm(X.mean((2, 3)), (4,), eps=1e-5))
    close(head(X, pre_logits=True), F.gelu(hidden))
    close(head(X), head.fc(F.gelu(hidden)))
    assert head.features == 5


def test_without_pooling_each_position_has_logits() -> None:
    head = fresh(ClassifierHead(4, 3, ""))
    assert head(X).shape == (2, 3, 6, 8)
    close(head(X).mean((2, 3)), head.fc(X.mean((2, 3))))


def test_the_classifier_follows_the_pooling() -> None:
    head = ClassifierHead(4, 3, "avg")
    assert head(X.float()).shape == (2, 3)
    head.reset(5, "catavgmax")
    assert (head.features, head(X.float()).shape) == (8, (2, 5))
    head.reset(0, "avg")
    close(head(X), X.mean((2, 3)))


def test_dropout_stands_before_the_classifier() -> None:
    head = fresh(ClassifierHead(4, 3, "avg", drop_rate=1.0)).train()
    close(head(X), head.fc.bias.expand(2, 3))
