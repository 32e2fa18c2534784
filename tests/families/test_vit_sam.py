"""What is particular to SAM's image encoder."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict

SMALL = {"embed_dim": 16, "depth": 1, "num_heads": 2, "num_classes": 3, "img_size": 64}
ALONE = {**SMALL, "global_attn_indexes": ()}


def test_a_window_of_the_whole_image_is_the_whole_image() -> None:
    images = torch.randn(1, 3, 64, 64)
    whole = tv.create_model("samvit_base_patch16_224", **ALONE, window_size=0, seed=0).eval()
    window = tv.create_model("samvit_base_patch16_224", **ALONE, window_size=4, seed=0).eval()
    torch.testing.assert_close(window(images), whole(images))


@pytest.mark.parametrize("name", ["samvit_base_patch16", "samvit_base_patch16_224"])
def test_images_of_other_sizes_go_in(name: str) -> None:
    model = tv.create_model(name, **SMALL, global_attn_indexes=(0,)).eval()
    assert model(torch.randn(1, 3, 48, 80)).shape == (1, 3)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"use_rope": True}, "one kind of relative positions"),
        ({"depth": 5}, "must be below 'depth'"),
        ({"ref_feat_shape": (8, 4)}, "means nothing"),
        ({"head_hidden_size": 8, "global_pool": "catavgmax"}, "pool by 'avg'"),
        ({"img_size": 200}, "must be a multiple"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], why: str) -> None:
    assert why in conflict(tv.configure("samvit_base_patch16_224"), options)
