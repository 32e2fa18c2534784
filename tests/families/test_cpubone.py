"""What is particular to CPUBone."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.cpubone.config import CPUBoneConfig

SMALL = CPUBoneConfig(
    width_list=(8, 8, 16, 16, 24),
    depth_list=(0, 1, 1, 1, 1),
    head_widths=(32, 40),
    num_classes=5,
    fused_conv=True,
    small_kernels=True,
)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"expand_groups": 3}, "'expand_groups'"),
        ({"local_mbconv_norm": "all"}, "'local_mbconv_norm'"),
        ({"norm_layer": "groupnorm"}, "'norm_layer'"),
        ({"width_list": (8, 8, 16, 16, 1)}, "'width_list'"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object], names: str) -> None:
    assert names in conflict(SMALL, options)


def test_small_kernels_stand_in_blocks_with_attention_alone() -> None:
    stages = SMALL.plan().stages
    assert [stage.down.kernel_size for stage in stages] == [3, 3, 3, 3]
    assert [conv.kernel_size for stage in stages for conv in stage.convs] == [2, 2]


@pytest.mark.parametrize("attn_upsample", ["transpose", "nearest"])
def test_attention_keeps_an_odd_size(attn_upsample: str) -> None:
    cfg = SMALL.replace(attn_upsample=attn_upsample, global_pool="")
    model = tv.create_model(cfg, seed=0).eval()
    assert model(torch.zeros(1, 3, 72, 100)).shape == (1, 5, 3, 4)
