"""What is particular to PVT V2."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.pvt_v2.config import PvtV2Config
from typedvision.layers.reduced_attention import ReducedAttention

SMALL = PvtV2Config(
    depths=(1, 1, 1, 1), embed_dims=(8, 16, 16, 32), num_heads=(1, 2, 2, 4), num_classes=3
)

CONFLICTS = [
    ({"global_pool": ""}, "global_pool"),
    ({"num_heads": (1, 2)}, "num_heads"),
    ({"num_heads": (3, 2, 2, 4)}, "num_heads"),
    ({"mlp_ratios": (0.1, 1.0, 1.0, 1.0)}, "mlp_ratios"),
    ({"sr_ratios": (8, 4, 4, 1)}, "sr_ratios"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize(("linear", "sizes"), [(False, [2, 2, 2, 2]), (True, [7, 7, 7, 7])])
def test_keys_come_from_a_smaller_map(linear: bool, sizes: list[int]) -> None:
    model = tv.create_model(SMALL.replace(linear=linear), seed=0).eval()
    maps = []
    for module in model.modules():
        if isinstance(module, ReducedAttention):
            module.kv.register_forward_pre_hook(lambda _, args: maps.append(args[0].shape[1]))
    model(torch.zeros(1, 3, 64, 64))
    assert maps == [size * size for size in sizes]
