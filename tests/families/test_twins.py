"""What is particular to Twins."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.twins.config import TwinsConfig
from typedvision.families.twins.model import LocalAttention, Twins
from typedvision.layers.reduced_attention import ReducedAttention

SMALL = TwinsConfig(
    img_size=64,
    depths=(3, 1, 2, 1),
    embed_dims=(8, 16, 16, 32),
    num_heads=(1, 2, 2, 4),
    wss=(4, 4, 1, 2),
    num_classes=3,
)

CONFLICTS = [
    ({"global_pool": ""}, "global_pool"),
    ({"num_heads": (1, 2)}, "num_heads"),
    ({"wss": (7,)}, "wss"),
    ({"num_heads": (3, 2, 2, 4)}, "num_heads"),
    ({"mlp_ratios": (0.1, 1.0, 1.0, 1.0)}, "mlp_ratios"),
    ({"img_size": (64, 31)}, "img_size"),
    ({"sr_ratios": (8, 4, 8, 1)}, "sr_ratios"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_every_other_block_attends_in_windows() -> None:
    model = tv.create_model(SMALL, device="meta")
    assert isinstance(model, Twins)
    kinds = [[type(block.attn) for block in stage.children()] for stage in model.blocks]
    window, whole = LocalAttention, ReducedAttention
    assert kinds == [[window, whole, window], [window], [whole, whole], [window]]


def test_what_is_used_up_to_a_level_stands_in_three_lists() -> None:
    model = tv.create_model(SMALL, device="meta")
    assert isinstance(model, Twins)
    until, after = model.divided("blocks.1")
    assert {"patch_embeds.1", "blocks.1", "pos_block.1"} <= set(until)
    assert {"patch_embeds.2", "blocks.2", "pos_block.2", "norm"} <= set(after)
    assert "pos_block.1" in model.divided("blocks.1.0")[1]
