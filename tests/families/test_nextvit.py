"""What is particular to Next-ViT."""

from __future__ import annotations

import pytest

from tests.conflicts import conflict
from typedvision.families.nextvit.config import NextVitConfig

CONFLICTS = [
    ({"norm_layer": "groupnorm", "stem_chs": (64, 24, 64)}, "norm_layer"),
    ({"mix_block_ratio": 0.99}, "mix_block_ratio"),
    ({"head_dim": 48}, "head_dim"),
    ({"sr_ratios": (8, 4, 15, 1)}, "sr_ratios"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(NextVitConfig(), options)


def test_stages_end_in_a_transformer_block() -> None:
    plan = NextVitConfig(depths=(2, 1, 11, 3)).plan()
    attends = ["".join("TC"[block.attending == 0] for block in stage.blocks) for stage in plan]
    assert attends == ["CC", "T", "CCCCTCCCCT", "CCT"]
    last = plan[1].blocks[-1]
    assert (last.attending, last.convolving) == (192, 64)
