"""What is particular to outlook attention."""

from __future__ import annotations

import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.volo.model import OutlookAttention

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
