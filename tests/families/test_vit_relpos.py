"""What is particular to attention by distance."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict

SMALL = {"embed_dim": 16, "depth": 1, "num_heads": 2, "num_classes": 3, "img_size": 48}


@pytest.mark.parametrize("rel_pos_type", ["mlp", "mlp_swin", "bias"])
def test_the_bias_depends_on_the_distance_only(rel_pos_type: str) -> None:
    model = tv.create_model("vit_srelpos_small_patch16_224", **SMALL, rel_pos_dim=None)
    model = tv.create_model(model.spec.config.replace(rel_pos_type=rel_pos_type))
    model.eval()
    bias = model.shared_rel_pos(model.relative_position_index)[0, 0].reshape(3, 3, 3, 3)
    torch.testing.assert_close(bias[0, 0, 1, 1], bias[1, 1, 2, 2])
    assert bias[0, 0, 1, 1] != bias[1, 1, 0, 0]


def test_a_bias_without_bounds_knows_nothing_of_the_window() -> None:
    model = tv.create_model("vit_srelpos_small_patch16_224", **SMALL).eval()
    small = model.shared_rel_pos(model.relative_position_index)
    model.set_input_size((48, 80))
    large = model.shared_rel_pos(model.relative_position_index)
    torch.testing.assert_close(large[0, :, 0, 1], small[0, :, 0, 1])
    assert model(torch.randn(1, 3, 48, 80)).shape == (1, 3)


def test_a_class_token_has_no_bias() -> None:
    model = tv.create_model("vit_srelpos_small_patch16_224", **SMALL, class_token=True).eval()
    bias = model.shared_rel_pos(model.relative_position_index)
    assert bias.shape == (1, 2, 10, 10)
    assert not bias[:, :, 0].any()
    assert not bias[:, :, :, 0].any()


def test_a_learned_bias_has_no_mlp() -> None:
    cfg = tv.configure("vit_srelpos_small_patch16_224")
    assert "has no MLP" in conflict(cfg, {"rel_pos_type": "bias"})
