"""What is particular to FocalNet."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.focalnet.config import FocalNetConfig

SMALL = FocalNetConfig(
    embed_dim=8, depths=(1, 2), focal_levels=(2, 3), focal_windows=(3, 5), num_classes=3
)

CONFLICTS = [
    ({"global_pool": ""}, "global_pool"),
    ({"global_pool": "catavgmax", "head_hidden_size": 4}, "global_pool"),
    ({"focal_levels": (2,)}, "focal_levels"),
    ({"focal_windows": (3, 4)}, "focal_windows"),
    ({"focal_windows": (3, 5, 7)}, "focal_windows"),
    ({"mlp_ratio": 0.1}, "mlp_ratio"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_kernels_grow_by_two() -> None:
    assert [stage.kernels for stage in SMALL.plan()] == [(3, 5), (5, 7, 9)]


def test_a_hidden_layer_takes_the_last_normalisation_along() -> None:
    keys = tv.create_model(SMALL.replace(head_hidden_size=4), device="meta").state_dict()
    assert "head.norm.weight" in keys
    assert "norm.weight" not in keys
