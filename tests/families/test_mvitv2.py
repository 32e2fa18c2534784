"""What is particular to MViTv2."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.mvitv2.config import MViTv2Config
from typedvision.layers.axis_bias import axis_bias

SMALL = MViTv2Config(img_size=64, depths=(1, 1), embed_dim=(8, 16), num_heads=(1, 2), num_classes=3)

CONFLICTS = [
    ({"global_pool": "token"}, "global_pool"),
    ({"kernel_qkv": (2, 3)}, "kernel_qkv"),
    ({"stride_kv": ((2, 2), (1, 1))}, "stride_kv"),
    ({"stride_kv_adaptive": None}, "stride_kv"),
    ({"stride_kv_adaptive": (4, 2)}, "rel_pos_type"),
    ({"num_heads": (1,)}, "num_heads"),
    ({"num_heads": (1, 3)}, "num_heads"),
    ({"mlp_ratio": 0.01}, "mlp_ratio"),
    ({"patch_kernel": (127, 127)}, "patch_kernel"),
    ({"stride_q": ((1, 1), (3, 3)), "img_size": 48}, "stride_q"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_each_stage_has_fewer_keys_than_queries_until_both_are_as_many() -> None:
    stages = MViTv2Config().plan().stages
    assert [stage[-1].queries[0] for stage in stages] == [56, 28, 14, 7]
    assert [stage[-1].keys[0] for stage in stages] == [14, 14, 14, 7]


def test_a_distance_is_counted_in_positions_of_the_finer_map() -> None:
    table = torch.arange(7.0)[:, None]
    bias = axis_bias(torch.ones(1, 1, 4, 1), table, torch.zeros(1, 1), (4, 1), (2, 1))
    assert bias[0, 0].tolist() == [[2.0, 0.0], [3.0, 1.0], [4.0, 2.0], [5.0, 3.0]]


def test_images_need_not_be_square() -> None:
    model = tv.create_model(SMALL.replace(img_size=(32, 64)), seed=0).eval()
    assert model(torch.zeros(1, 3, 32, 64)).shape == (1, 3)
    assert [x.shape[2:] for x in model.forward_intermediates(torch.zeros(1, 3, 32, 64))[1]] == [
        (8, 16),
        (4, 8),
    ]
