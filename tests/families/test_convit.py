"""What is particular to gated positional attention."""

from __future__ import annotations

import torch

import typedvision as tv
from tests.conflicts import conflict

SMALL = {
    "img_size": 80,
    "embed_dim": 4,
    "depth": 3,
    "num_heads": 9,
    "local_up_to_layer": 2,
    "num_classes": 3,
}


def test_each_head_looks_at_another_neighbour_at_first() -> None:
    model = tv.create_model("convit_small", **SMALL, locality_strength=50.0, seed=0).eval()
    attention = model.blocks[0].attn
    _, distances, _ = model._embed(torch.randn(1, 3, 80, 80))
    middle = attention.pos_proj(distances)[12]  # of 5 x 5 patches
    assert sorted(middle.argmax(dim=0).tolist()) == [6, 7, 8, 11, 12, 13, 16, 17, 18]


def test_the_class_token_comes_in_behind_the_local_blocks() -> None:
    model = tv.create_model("convit_small", **SMALL).eval()
    x = torch.randn(1, 3, 80, 80)
    assert [level.shape[1] for level in model._levels(x)] == [25, 25, 26]
    maps = model.forward_intermediates(x, intermediates_only=True)
    assert {tuple(map.shape) for map in maps} == {(1, 36, 5, 5)}
    assert model.late_parameters("blocks.1") == ("cls_token",)
    assert model.late_parameters("blocks.2") == ()


def test_a_block_is_left_for_the_class_token() -> None:
    assert "comes in" in conflict(tv.configure("convit_small", **SMALL), {"local_up_to_layer": 3})
