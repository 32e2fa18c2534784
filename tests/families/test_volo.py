"""What is particular to outlook attention."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.volo.model import OutlookAttention, random_box

SMALL = {
    "img_size": 64,
    "layers": (1, 1),
    "embed_dims": (16, 32),
    "num_heads": (2, 4),
    "stem_hidden_dim": 8,
    "num_classes": 3,
}


def test_what_each_window_leaves_as_it_is_adds_up() -> None:
    cfg = tv.configure("volo_d1_224", **SMALL)
    attention = OutlookAttention(cfg, cfg.plan().stages[0])
    for layer in (attention.v, attention.proj):
        torch.nn.init.eye_(layer.weight)
    torch.nn.init.zeros_(attention.proj.bias)
    torch.nn.init.zeros_(attention.attn.weight)
    alike = 100.0 * torch.eye(9).flatten().repeat(2)  # each position looks at itself
    attention.attn.bias = torch.nn.Parameter(alike)
    windows = (
        torch.tensor([1.0, 2.0, 1.0, 1.0])[:, None, None]
        * torch.tensor([1.0, 2.0, 1.0, 1.0])[:, None]
    )  # how many windows hold each position
    x = torch.randn(1, 4, 4, 16)
    torch.testing.assert_close(attention(x), x * windows)


def test_patches_add_the_half_of_their_best_logits() -> None:
    model = tv.create_model("volo_d1_224", **SMALL).eval()
    tokens = model.forward_features(torch.randn(1, 3, 64, 64))
    alone = model.head(tokens[:, 0])
    best = model.aux_head(tokens[:, 1:]).amax(1)
    torch.testing.assert_close(model.forward_head(tokens), alone + best / 2)


def test_a_mixed_image_has_a_box_of_another() -> None:
    model = tv.create_model("volo_d1_224", use_mix_token=True, **SMALL).eval()
    one, other = torch.randn(2, 3, 64, 64)
    whole = model.forward_features(torch.stack((one, other)))
    mixed = model._mixed(torch.stack((one, one)), (1, 2, 4, 3))
    torch.testing.assert_close(mixed.logits[0], model.head(whole[0, 0]))
    mixed = model._mixed(torch.stack((one, other)), (0, 0, 4, 4))
    torch.testing.assert_close(mixed.logits, model.head(whole[:, 0]).flip(0))
    torch.testing.assert_close(mixed.patch_logits, model.aux_head(whole[:, 1:]))
    mixed = model._mixed(torch.stack((one, other)), (0, 0, 2, 4))
    assert mixed.patch_logits.shape == (2, 16, 3)


def test_boxes_are_drawn_inside_of_the_map() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([random_box(3, 5) for _ in range(200)])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= torch.tensor([3, 5])).all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    torch.manual_seed(0)
    assert random_box(3, 5) == tuple(boxes[0].tolist())


def test_only_a_model_that_mixes_mixes() -> None:
    x = torch.randn(2, 3, 64, 64)
    torch.manual_seed(0)
    model = tv.create_model("volo_d1_224", use_mix_token=True, **SMALL)
    assert model.forward_mixed(x).logits.shape == (2, 3)
    model = tv.create_model("volo_d1_224", **SMALL)
    with pytest.raises(tv.UsageError, match="use_mix_token=True"):
        model.forward_mixed(x)


def test_all_patches_may_share_one_position() -> None:
    model = tv.create_model("volo_d1_224", pooling_scale=8, **SMALL)
    assert model.pos_embed.shape == (1, 1, 1, 32)
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 3)


def test_stages_agree() -> None:
    cfg = tv.configure("volo_d1_224", **SMALL)
    assert "as many features" in conflict(
        cfg, {"layers": (1, 1, 1), "embed_dims": (16, 32, 64), "num_heads": (2, 2, 2)}
    )
    assert "must be even" in conflict(cfg, {"patch_size": 7})
    assert "at least 16" in conflict(cfg, {"img_size": 12})
    assert "first stage" in conflict(cfg, {"downsamples": (False,)})
    assert "no stage follows" in conflict(cfg, {"downsamples": (True, True)})
    assert "last of 2 stages" in conflict(cfg, {"outlook_attention": (True, False, True)})
    assert "8 x 8 positions for 4 x 4" in conflict(cfg, {"pooling_scale": 1})
    assert "'pooling_scale' = 2" in conflict(cfg, {"pooling_scale": 8, "use_mix_token": True})
    assert "class token" in conflict(cfg, {"global_pool": "avg", "use_mix_token": True})
    assert "needs 'use_aux_head'" in conflict(cfg, {"use_aux_head": False, "use_mix_token": True})


def test_lengths_that_differ_are_told_by_name() -> None:
    with pytest.raises(tv.ConfigError, match="'embed_dims' must have one value for each stage"):
        tv.configure("volo_d1_224", layers=(4, 8, 2))
    with pytest.raises(tv.ConfigError, match="'patch_size' must be even"):
        tv.configure("volo_d1_224", patch_size=1)
