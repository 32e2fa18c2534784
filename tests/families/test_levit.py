"""What is particular to LeViT."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.errors import UsageError
from typedvision.layers.distance_bias import distance_index

SMALL = {
    "img_size": 64,
    "embed_dim": (16, 24, 32),
    "key_dim": 4,
    "depth": (1, 1, 1),
    "num_heads": (2, 3, 4),
    "num_classes": 3,
}


def test_a_bias_depends_on_how_far_apart_two_positions_are() -> None:
    assert distance_index((2, 2)).tolist() == [
        [0, 1, 2, 3],
        [1, 0, 3, 2],
        [2, 3, 0, 1],
        [3, 2, 1, 0],
    ]
    assert distance_index((3, 2), 2).tolist() == [[0, 1, 2, 3, 4, 5], [4, 5, 2, 3, 0, 1]]


def test_logits_are_the_mean_of_both_classifiers() -> None:
    model = tv.create_model("levit_128s", **SMALL).eval()
    x = torch.randn(1, 3, 64, 64)
    first, second = model.forward_distilled(x)
    torch.testing.assert_close(model(x), (first + second) / 2)
    model.set_distilled_training()
    assert len(model.train()(torch.randn(2, 3, 64, 64))) == 2
    with pytest.raises(UsageError, match="one classifier"):
        tv.create_model("levit_256d", **SMALL).set_distilled_training()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"img_size": 72}, "a multiple of 16"),
        ({"embed_dim": (4, 24, 32)}, "at least 8"),
        ({"num_heads": (2, 3)}, "one value for each stage"),
        ({"key_dim": 20}, "at most"),
        ({"attn_ratio": 0.1}, "no feature"),
        ({"mlp_ratio": 0.01}, "no hidden feature"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], reason: str) -> None:
    assert reason in conflict(tv.configure("levit_256d", **SMALL), options)
