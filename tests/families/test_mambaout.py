"""What is particular to MambaOut."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.mambaout.config import MambaOutConfig

SMALL = MambaOutConfig(depths=(1, 2), dims=(8, 16), num_classes=3)

CONFLICTS = [
    ({"dims": (8,)}, "dims"),
    ({"dims": (1, 8)}, "dims"),
    ({"kernel_size": 4}, "kernel_size"),
    ({"conv_ratio": 3.0}, "conv_ratio"),
    ({"conv_ratio": 0.1}, "conv_ratio"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_layer_scale_is_small_at_first_whatever_its_number() -> None:
    state = tv.create_model(SMALL.replace(ls_init_value=0.5), seed=0).state_dict()
    assert (state["stages.0.blocks.0.ls.gamma"] == 1e-5).all()
