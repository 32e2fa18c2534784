"""What is particular to SelecSLS."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.selecsls.config import SelecSlsConfig

SMALL = SelecSlsConfig(
    mid_chs=(8, 8, 8),
    out_chs=(16, 16, 16),
    depths=(2, 3, 2),
    head_chs=(8, 8, 8, 8),
    num_classes=5,
)


def test_a_whole_map_is_not_classified() -> None:
    assert "'global_pool'" in conflict(SMALL, {"global_pool": ""})


def test_every_block_but_the_first_sees_the_first_one_of_its_stage() -> None:
    model = tv.create_model(SMALL, device="meta")
    seen = [model.get_parameter(f"features.{n}.conv6.0.weight").shape[1] for n in range(7)]
    assert seen == [16, 24, 16, 24, 24, 16, 24]


def test_a_stage_has_two_blocks() -> None:
    with pytest.raises(tv.ConfigError) as caught:
        SMALL.replace(depths=(2, 1, 2))
    (problem,) = caught.value.problems
    assert problem.path == ("depths", 1)
