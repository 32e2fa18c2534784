"""What is particular to MobileViT."""

from __future__ import annotations

import pytest
import torch

from tests.conflicts import conflict
from typedvision.families.mobilevit.config import MobileViTConfig
from typedvision.families.mobilevit.model import LinearSelfAttention, from_patches, to_patches

SMALL = MobileViTConfig(channels=(8, 8, 16, 16, 24), transformer_dims=(8, 16, 24), num_classes=5)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"num_heads": 3}, "num_heads"),
        ({"block": "mobilevit2", "num_heads": 2}, "num_heads"),
        ({"global_pool": ""}, "global_pool"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_patches_are_the_map_again() -> None:
    x = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    patches = to_patches(x, 2)
    assert patches.shape == (2, 3, 4, 6)
    assert patches[0, 0, :, 1].tolist() == x[0, 0, :2, 2:4].flatten().tolist()
    assert torch.equal(from_patches(patches, 2, columns=3), x)


def test_a_separable_attention_sees_all_positions_that_patches_have_in_common() -> None:
    attention = LinearSelfAttention(4)
    x = torch.randn(1, 4, 2, 5, requires_grad=True)
    attention(x)[0, 0, 0, 0].backward()
    assert x.grad is not None
    assert (x.grad[0, :, 0].abs().sum(0) > 0).all()
    assert (x.grad[0, :, 1] == 0).all()
