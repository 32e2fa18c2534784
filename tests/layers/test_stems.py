"""Stems of hybrids."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.config.stems import BiTStem, ConvStem, MBConvStem, ResNetStem, Stem

SMALL = tv.configure(
    "vit_tiny_patch16_224", embed_dim=16, num_heads=2, depth=1, num_classes=3, img_size=64
)


@pytest.mark.parametrize(
    ("stem", "grid"),
    [
        (BiTStem(width=32), (16, 16)),
        (BiTStem(width=32, layers=(1, 1)), (8, 8)),
        (ResNetStem(width=4, layers=(1, 2, 1)), (4, 4)),
        (ConvStem(width=4, strides=(4, 2)), (8, 8)),
        (MBConvStem(width=4, layers=(1,)), (8, 8)),
    ],
)
def test_patches_are_positions_of_the_stems_map(stem: Stem, grid: tuple[int, int]) -> None:
    cfg = SMALL.replace(stem=stem, patch_size=1, in_chans=2)
    model = tv.create_model(cfg, seed=0).eval()
    assert model.grid == grid
    assert model.patch_embed(torch.randn(1, 2, 64, 64)).shape == (1, *grid, 16)
    assert model(torch.randn(1, 2, 64, 64)).shape == (1, 3)
    assert tv.create_model(model.spec, seed=0).spec == model.spec


def test_a_hybrid_takes_other_sizes() -> None:
    cfg = SMALL.replace(stem=ResNetStem(width=4, layers=(1,)), patch_size=2)
    model = tv.create_model(cfg, seed=0).eval()
    model.set_input_size(96, patch_size=1)
    assert model.grid == (24, 24)
    assert model(torch.randn(1, 3, 96, 96)).shape == (1, 3)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"stem": ConvStem(width=4, strides=(2, 2))}, "'patch_size' must be 1"),
        ({"stem": ResNetStem(), "img_size": 100}, "times 32"),
        ({"stem": BiTStem(), "patch_size": 1, "embed_norm_layer": "rmsnorm"}, "not padded"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], why: str) -> None:
    assert why in conflict(SMALL, options)
