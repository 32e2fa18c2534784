"""What is particular to CrossViT."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.crossvit.config import CrossVitConfig
from typedvision.families.crossvit.model import CrossVit, scaled

SMALL = CrossVitConfig(
    img_size=60,
    img_scale=(1.0, 0.8),
    patch_size=(12, 16),
    embed_dim=(16, 24),
    depth=((1, 2, 0), (1, 1, 2)),
    num_heads=(2, 3),
    num_classes=3,
)

CONFLICTS = [
    ({"img_scale": (1.0,)}, "img_scale"),
    ({"mlp_ratio": (3.0,)}, "mlp_ratio"),
    ({"depth": ((1, 2), (1, 1))}, "depth"),
    ({"depth": ((0, 2, 0),)}, "depth"),
    ({"num_heads": (3, 3)}, "num_heads"),
    ({"mlp_ratio": (0.01, 1.0)}, "mlp_ratio"),
    ({"img_size": 15}, "img_size"),
    ({"multi_conv": True, "patch_size": (12, 8)}, "multi_conv"),
    ({"multi_conv": True, "img_scale": (1.0, 0.9)}, "img_scale"),
    ({"crop_scale": True, "img_scale": (1.0, 1.2)}, "crop_scale"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_features_are_the_tokens_of_each_branch() -> None:
    model = tv.create_model(SMALL, device="meta")
    assert isinstance(model, CrossVit)
    features = model.forward_features(torch.empty(2, 3, 60, 60, device="meta"))
    assert [tuple(branch.shape) for branch in features] == [(2, 26, 16), (2, 10, 24)]


def test_levels_are_those_of_one_branch_after_the_other() -> None:
    assert [level.name for level in SMALL.features()] == [
        "blocks.0.blocks.0",
        "blocks.1.blocks.0",
        "blocks.0.blocks.1",
        "blocks.1.blocks.1",
    ]
    backbone = tv.create_backbone(SMALL, out_indices=(1, 2), device="meta")
    assert {path.split(".")[0] for path in backbone.left_out} == {"norm", "head", "head_drop"}
    backbone = tv.create_backbone(SMALL, out_indices=(0,), device="meta")
    assert "blocks.1" in backbone.left_out


def test_an_image_is_resized_or_cut() -> None:
    x = torch.arange(36.0).reshape(1, 1, 6, 6)
    assert torch.equal(scaled(x, (4, 2), True), x[:, :, 1:5, 2:4])
    assert scaled(x, (3, 8), False).shape == (1, 1, 3, 8)
    assert scaled(x, (6, 6), False) is x
