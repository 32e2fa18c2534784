"""What is particular to Visformer."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.visformer.config import VisformerConfig

SMALL = VisformerConfig(
    img_size=64, init_channels=8, embed_dim=32, num_heads=2, depth=(1, 1, 1), num_classes=3
)

CONFLICTS = [
    ({"global_pool": ""}, "global_pool"),
    ({"norm_layer": "groupnorm"}, "norm_layer"),
    ({"embed_norm": "groupnorm"}, "embed_norm"),
    ({"vit_stem": True}, "vit_stem"),
    ({"spatial_conv": "000", "mlp_ratio": 0.01, "embed_dim": 32}, "mlp_ratio"),
    ({"group": 64, "spatial_conv": "100"}, "group"),
    ({"num_heads": 32, "attn_stage": "100"}, "num_heads"),
    ({"img_size": 24}, "img_size"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_blocks_are_divided_among_the_stages() -> None:
    plan = VisformerConfig(depth=11).plan()
    assert [len(stage.blocks) for stage in plan] == [3, 5, 3]


@pytest.mark.parametrize(
    ("options", "strides"),
    [
        ({}, (8, 16, 32)),
        ({"init_channels": None}, (8, 16, 32)),
        ({"vit_stem": True, "depth": (0, 2, 0)}, (16, 16, 16)),
    ],
)
def test_resolutions_follow_from_the_stem(
    options: dict[str, object], strides: tuple[int, ...]
) -> None:
    backbone = tv.create_backbone(SMALL.replace(**options), device="meta")
    assert tuple(level.stride for level in backbone.levels) == strides
