"""What is particular to DLA."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.dla.config import DLAConfig

SMALL = DLAConfig(levels=(1, 1, 1, 2, 3, 1), channels=(8, 8, 8, 16, 16, 32), num_classes=5)

CONFLICTS = [
    ({"block": "basic", "cardinality": 2}, "cardinality"),
    ({"block": "basic", "base_width": 32}, "base_width"),
    ({"base_width": 4}, "base_width"),
    ({"cardinality": 3, "base_width": 28}, "cardinality"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_a_root_sees_the_trees_before_it_and_the_input() -> None:
    model = tv.create_model(SMALL, device="meta")
    seen = {
        key.removesuffix(".root.conv.weight"): weight.shape[1]
        for key, weight in model.named_parameters()
        if key.startswith("level4") and key.endswith("root.conv.weight")
    }
    assert seen == {
        "level4.tree1.tree1": 32,
        "level4.tree1.tree2": 48,
        "level4.tree2.tree1": 32,
        "level4.tree2.tree2": 32 + 16 + 16 + 16,
    }
