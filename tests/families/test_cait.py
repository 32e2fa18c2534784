"""What is particular to a class token that comes in late."""

from __future__ import annotations

import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.cait.model import TalkingHeadsAttention

SMALL = {
    "img_size": 32,
    "embed_dim": 16,
    "depth": 3,
    "num_heads": 2,
    "num_classes": 3,
    "init_values": 0.5,
}


def test_patches_do_not_see_the_class_token() -> None:
    model = tv.create_model("cait_xxs24_224", **SMALL, seed=0).eval()
    x = torch.randn(1, 3, 32, 32)
    patches, logits = model.forward_features(x)[:, 1:], model(x)
    torch.nn.init.ones_(model.cls_token)
    torch.testing.assert_close(model.forward_features(x)[:, 1:], patches)
    assert not torch.allclose(model(x), logits)


def test_heads_that_talk_to_themselves_attend_as_usual() -> None:
    attention = TalkingHeadsAttention(tv.configure("cait_xxs24_224", **SMALL))
    usual = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    for mixing in (attention.proj_l, attention.proj_w):
        torch.nn.init.eye_(mixing.weight)
        torch.nn.init.zeros_(mixing.bias)
    with torch.no_grad():
        usual.in_proj_weight.copy_(attention.qkv.weight)
        usual.in_proj_bias.copy_(attention.qkv.bias)
    usual.out_proj = attention.proj
    x = torch.randn(2, 4, 16)
    torch.testing.assert_close(attention(x), usual(x, x, x, need_weights=False)[0])


def test_the_token_keeps_a_hidden_feature() -> None:
    cfg = tv.configure("cait_xxs24_224", **SMALL)
    assert "leave the MLP" in conflict(cfg, {"mlp_ratio_token_only": 0.01})
