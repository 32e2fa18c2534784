"""What is particular to attention over channels."""

from __future__ import annotations

import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.layers.cross_covariance import CrossCovarianceAttention

SMALL = {"embed_dim": 16, "depth": 1, "num_heads": 2, "num_classes": 3}


def test_attention_compares_channels_and_not_positions() -> None:
    attention = CrossCovarianceAttention(16, num_heads=2)
    torch.nn.init.ones_(attention.temperature)
    x = torch.randn(2, 4, 4, 16)
    mixed = torch.randperm(16)
    permuted = attention(x.flatten(1, 2)[:, mixed].reshape(x.shape))
    torch.testing.assert_close(permuted.flatten(1, 2), attention(x).flatten(1, 2)[:, mixed])


def test_channels_double_up_to_the_features() -> None:
    assert "multiple of 8" in conflict(tv.configure("xcit_nano_12_p16_224"), {"embed_dim": 132})


def test_images_of_any_size_go_in() -> None:
    model = tv.create_model("xcit_nano_12_p16_224", **SMALL)
    assert model.spec.image.size == (224, 224)
    assert model(torch.randn(2, 3, 50, 70)).shape == (2, 3)
    model.set_input_size((64, 96))
    assert model.spec.image.size == (64, 96)
