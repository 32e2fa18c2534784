"""What is particular to FastViT."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image
from typedvision.families.fastvit.config import FastVitConfig

SMALL = FastVitConfig(
    layers=(1, 1, 1, 1),
    embed_dims=(8, 16, 32, 32),
    token_mixers=("repmixer", "repmixer", "repmixer", "attention"),
    mlp_ratios=(2, 2, 2, 2),
    se_downsamples=(False, False, True, False),
    pos_embs=(None, None, None, 7),
    num_classes=5,
)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"pos_embs": (None, None, 7)}, "one value for each stage"),
        ({"pos_embs": (None, None, None, 4)}, "odd"),
        ({"repmixer_kernel_size": 4}, "odd"),
        ({"down_patch_size": 1}, "at least 3"),
        ({"embed_dims": (8, 12, 24, 32)}, "multiple of 8"),
        ({"embed_dims": (8, 16, 32, 64), "cls_ratio": 1.5}, "whole"),
        ({"mlp_ratios": (0.01, 2, 2, 2)}, "no hidden channel"),
        ({"token_mixers": ("attention", "repmixer", "repmixer", "repmixer")}, "multiple of 32"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object], names: str) -> None:
    assert names in conflict(SMALL, options)


@pytest.mark.parametrize(
    "options",
    [{}, {"lkc_use_act": True, "repmixer_kernel_size": 5}, {"layer_scale_init_value": None}],
)
def test_the_inference_form_is_equal(options: dict[str, object]) -> None:
    model = tv.create_model(SMALL, seed=0, dtype=torch.float64, **options)
    fill(model)
    x = image((3, 64, 96))
    with torch.inference_mode():
        assert torch.allclose(tv.fuse(model)(x), model.eval()(x), rtol=1e-9)


def test_a_stage_that_keeps_its_channels_subsamples_if_it_is_told_to() -> None:
    strides = [level.stride for level in SMALL.features()]
    assert strides == [4, 8, 16, 32]
    kept = SMALL.replace(downsamples=(False, True, True, False)).features()
    assert [level.stride for level in kept] == [4, 8, 16, 16]
