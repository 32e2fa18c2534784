"""What is particular to CSPNeXt."""

from __future__ import annotations

import pytest

from tests.conflicts import conflict
from typedvision.families.cspnext.config import CspNextConfig


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"widen_factor": 0.01}, "widen_factor"),
        ({"channels": (128, 256, 512, 1), "expand_ratio": 1.0}, "channels"),
        ({"expand_ratio": 0.001}, "expand_ratio"),
        ({"global_pool": ""}, "global_pool"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(CspNextConfig(), options)


def test_factors_scale_blocks_and_channels() -> None:
    plan = CspNextConfig(deepen_factor=0.167, widen_factor=0.375).plan()
    assert plan.stem_channels == (12, 12, 24)
    assert [stage.channels for stage in plan.stages] == [48, 96, 192, 384]
    assert [len(stage.drop_path_rates) for stage in plan.stages] == [1, 1, 1, 1]
