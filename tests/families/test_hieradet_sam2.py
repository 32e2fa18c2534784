"""What is particular to SAM 2's image encoder."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.hieradet_sam2.config import HieraDetConfig

SMALL = HieraDetConfig(
    embed_dim=8,
    stages=(1, 2, 1),
    q_pool=2,
    global_att_blocks=(2,),
    window_spec=(4, 4, 2),
    global_pos_size=(3, 3),
    num_classes=3,
)

CONFLICTS = [
    ({"window_spec": (4, 4)}, "window_spec"),
    ({"window_spec": (5, 4, 2)}, "window_spec"),
    ({"q_pool": 3}, "q_pool"),
    ({"patch_stride": (8, 4)}, "patch_stride"),
    ({"patch_padding": (4, 3)}, "patch_padding"),
    ({"dim_mul": 1.0}, "dim_mul"),
    ({"num_heads": 3}, "num_heads"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_a_stage_starts_with_the_window_of_the_one_before() -> None:
    blocks = SMALL.replace(window_spec=(8, 4, 2)).plan()
    assert [block.window for block in blocks] == [8, 8, None, 4]
    assert [block.stride for block in blocks] == [None, (2, 2), None, (2, 2)]


def test_images_need_not_be_whole_windows() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    shapes = [
        level.shape[2:] for level in model.forward_intermediates(torch.zeros(1, 3, 70, 90))[1]
    ]
    assert shapes == [(18, 23), (9, 11), (4, 5)]
