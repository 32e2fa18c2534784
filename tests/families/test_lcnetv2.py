"""What is particular to PP-LCNetV2."""

from __future__ import annotations

import pytest

from tests.conflicts import conflict
from typedvision.families.lcnetv2.config import LCNetV2Config

SMALL = LCNetV2Config(scale=0.1, depths=(1, 1, 1, 2), head_hidden_size=40)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"norm_layer": "layernorm2d", "inference_mode": True}, "'inference_mode'"),
        ({"norm_layer": "groupnorm"}, "'norm_layer'"),
        ({"global_pool": "catavgmax"}, "'avgmax'"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object], names: str) -> None:
    assert names in conflict(SMALL, options)


def test_branches_stand_in_the_last_two_stages() -> None:
    stages = SMALL.plan().stages
    assert [len(stage[-1].kernel_sizes) for stage in stages] == [1, 1, 2, 3]
    assert [stage[-1].shortcut for stage in stages] == [False, False, False, True]
