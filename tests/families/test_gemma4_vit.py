"""What is particular to the image encoder of Gemma 4."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.gemma4_vit.config import Gemma4VitConfig
from typedvision.families.gemma4_vit.model import Block, Gemma4VitEncoder

CFG = Gemma4VitConfig(
    num_classes=0,
    encoder_only=True,
    global_pool="soft",
    use_clipped_linears=True,
    embed_dim=16,
    depth=1,
    num_heads=2,
    head_dim=8,
    intermediate_size=24,
    position_embedding_size=8,
    img_size=96,
)


def test_bounds_hold_and_are_out_of_reach_in_a_fresh_model() -> None:
    cfg = CFG.replace(use_clipped_linears=False)
    bounded, free = (tv.create_model(each, seed=0).eval() for each in (CFG, cfg))
    x = torch.rand(1, 3, 48, 96)
    assert torch.equal(bounded(x), free(x))
    block = bounded.get_submodule("blocks.0")
    assert isinstance(block, Block)
    layer = block.mlp.up_proj
    layer.output_max.fill_(0.0)
    assert layer(torch.randn(5, 16)).max() == 0.0
    assert not torch.equal(bounded(x), free(x))


def test_tokens_are_shifted_and_scaled_by_the_statistics() -> None:
    model = tv.create_model(CFG.replace(standardize=True), seed=0).eval()
    assert isinstance(model, Gemma4VitEncoder)
    x = torch.rand(1, 3, 48, 96)
    tokens = model(x)
    assert tokens.shape == (1, 2, 16)
    model.std_bias.fill_(3.0)
    model.std_scale.fill_(2.0)
    torch.testing.assert_close(model(x), (tokens - 3.0) * 2.0)


def test_an_image_has_no_more_patches_than_the_table_of_positions() -> None:
    model = tv.create_model(CFG, device="meta")
    with pytest.raises(tv.UsageError, match="8 rows and columns"):
        model(torch.empty(1, 3, 96, 144, device="meta"))
    with pytest.raises(tv.UsageError, match="multiples of 48"):
        model(torch.empty(1, 3, 96, 64, device="meta"))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"num_kv_heads": 4}, "must divide"),
        ({"img_size": 144}, "at most 128"),
        ({"img_size": 80}, "multiple of 48"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], why: str) -> None:
    assert why in conflict(CFG, options)
