"""What is particular to PP-HGNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.hgnet.config import HGNetConfig, HGStage

STAGE = HGStage(mid_chs=8, out_chs=16, blocks=2, layers=2)
SMALL = HGNetConfig(
    stem_type="v2", stem_chs=(8, 8), stages=(STAGE,) * 4, head_hidden_size=32, num_classes=5
)

CONFLICTS = [
    ({"stem_chs": (8, 8, 8)}, "stem_chs"),
    ({"stem_chs": (1, 8)}, "stem_chs"),
    ({"stages": (STAGE, STAGE, STAGE, STAGE.replace(out_chs=1))}, "stages"),
    ({"global_pool": ""}, "global_pool"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_a_kernel_is_odd() -> None:
    with pytest.raises(tv.ConfigError, match="'kernel_size' must be odd"):
        STAGE.replace(kernel_size=2)


@pytest.mark.parametrize(("stem_type", "stem"), [("v1", 0), ("v2", 5)])
def test_the_first_stem_learns_no_factor(stem_type: str, stem: int) -> None:
    model = tv.create_model(SMALL.replace(stem_type=stem_type, use_lab=True), device="meta")
    factors = [key for key, _ in model.named_parameters() if key.endswith("lab.scale")]
    assert sum(key.startswith("stem.") for key in factors) == stem
    assert len(factors) > stem


def test_the_branched_stem_takes_odd_sizes() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    assert model.forward_features(torch.randn(1, 3, 65, 97)).shape == (1, 16, 3, 4)
