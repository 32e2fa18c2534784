"""What is particular to a transformer in a transformer."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict

SMALL = {"embed_dim": 16, "inner_dim": 8, "depth": 1, "num_heads_outer": 2, "img_size": 48}


@pytest.mark.parametrize(("legacy", "neighbours"), [(False, 1), (True, 4)])
def test_only_legacy_parts_see_over_the_edge_of_their_patch(legacy: bool, neighbours: int) -> None:
    model = tv.create_model("tnt_s_patch16_224", **SMALL, legacy=legacy).eval()
    images = torch.zeros(1, 3, 48, 48, requires_grad=True)
    parts = model.pixel_embed(images, model.pixel_pos)
    parts[4].square().sum().backward()
    seen = images.grad.abs().sum(1).unfold(1, 16, 16).unfold(2, 16, 16).sum((0, 3, 4)) > 0
    assert int(seen.sum()) == neighbours


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"num_heads_inner": 5}, "must divide 'inner_dim'"),
        ({"num_heads_outer": 7}, "must divide 'embed_dim'"),
        ({"legacy": True, "first_stride": 3}, "must divide 'patch_size'"),
        ({"img_size": 8}, "not one patch fits"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], why: str) -> None:
    assert why in conflict(tv.configure("tnt_s_patch16_224"), options)
