"""What is particular to TinyViT."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"depths": (1, 1)}, "one value for each stage"),
        ({"embed_dims": (1, 128, 160, 320)}, "half of them"),
        ({"local_conv_size": 4}, "odd"),
        ({"num_heads": (2, 3, 5, 10)}, "must divide"),
        ({"mlp_ratio": 0.01}, "no hidden feature"),
        ({"mbconv_expand_ratio": 0.01}, "no hidden feature"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], reason: str) -> None:
    assert reason in conflict(tv.configure("tiny_vit_5m_224"), options)
