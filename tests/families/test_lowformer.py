"""What is particular to LowFormer."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.lowformer.config import LowFormerConfig

SMALL = LowFormerConfig(
    width_list=(8, 8, 16, 16, 24),
    depth_list=(1, 1, 2, 1, 1),
    head_widths=(32, 40),
    num_classes=5,
)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"attn_mlp": False, "attn_mlp_ratio": 2}, "'attn_mlp_ratio'"),
        ({"expand_groups": 3}, "'expand_groups'"),
        ({"expand_ratio": 0.01}, "'expand_ratio'"),
        ({"global_pool": "catavgmax"}, "'avgmax'"),
        ({"norm_layer": "groupnorm"}, "'norm_layer'"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object], names: str) -> None:
    assert names in conflict(SMALL, options)


def test_wide_blocks_beside_attention_are_not_fused() -> None:
    plan = SMALL.replace(width_list=(8, 256, 256, 252, 256)).plan()
    assert [conv.fused for stage in plan.stages for conv in stage.convs] == [True, True, False]


def test_attention_keeps_an_odd_size() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    block = model.stages[2][1]
    assert block(torch.rand(1, 16, 5, 7)).shape == (1, 16, 5, 7)


def test_logits_of_each_position() -> None:
    model = tv.create_model(SMALL, seed=0, global_pool="").eval()
    assert model(torch.rand(2, 3, 64, 96)).shape == (2, 5, 2, 3)
