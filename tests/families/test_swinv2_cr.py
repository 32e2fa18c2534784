"""What is particular to Christoph Reich's Swin Transformers V2."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.swinv2_cr.config import SwinV2CrConfig
from typedvision.families.swinv2_cr.model import SwinTransformerV2Cr

SMALL = SwinV2CrConfig(img_size=64, embed_dim=8, depths=(3, 2), num_heads=(2, 4), num_classes=3)

CONFLICTS = [
    ({"window_ratio": 17}, "window_ratio"),
    ({"window_size": 4, "window_ratio": 4}, "window_ratio"),
    ({"num_heads": (3, 4)}, "num_heads"),
    ({"global_pool": ""}, "global_pool"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_windows_keep_their_share_of_the_map() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    assert isinstance(model, SwinTransformerV2Cr)
    model.set_input_size((96, 64))
    assert [stage.window for stage in model.spec.config.plan().stages] == [(3, 2), (3, 2)]
    assert model.spec.config.window_size is None
    assert model(torch.zeros(1, 3, 96, 64)).shape == (1, 3)


def test_some_blocks_end_with_a_normalisation() -> None:
    assert SMALL.extra_norms(0) == (False, False, False)
    assert SMALL.extra_norms(1) == (False, True)
    assert SMALL.replace(extra_norm_period=2).extra_norms(0) == (False, True, False)
    assert SMALL.replace(extra_norm_stage=True).extra_norms(0) == (False, False, True)
