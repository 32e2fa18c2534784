"""What is particular to DaViT."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.davit.config import DaViTConfig

SMALL = DaViTConfig(depths=(1, 1), embed_dims=(8, 16), num_heads=(2, 4), num_classes=3)

CONFLICTS = [
    ({"num_heads": (2,)}, "num_heads"),
    ({"num_heads": (3, 4)}, "num_heads"),
    ({"mlp_ratio": 0.01}, "mlp_ratio"),
    ({"named_blocks": True, "attn_types": ("spatial", "spatial")}, "attn_types"),
    ({"global_pool": "catavgmax"}, "global_pool"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_names_of_blocks_change_keys_only() -> None:
    plain = tv.create_model(SMALL, seed=0).eval()
    named = tv.create_model(SMALL.replace(named_blocks=True), seed=1).eval()
    renamed = {
        key.replace("blocks.0.0.", "blocks.0.spatial_block.").replace(
            "blocks.0.1.", "blocks.0.channel_block."
        ): value
        for key, value in plain.state_dict().items()
    }
    named.load_state_dict(renamed)
    x = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(plain(x), named(x))
