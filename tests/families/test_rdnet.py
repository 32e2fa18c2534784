"""What is particular to RDNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.rdnet.config import RDNetConfig

SMALL = RDNetConfig(
    growth_rates=(8, 16, 16),
    num_blocks_list=(2, 1, 2),
    block_type=("Block", "BlockESE", "Block"),
    is_downsample_block=(None, True, False),
    num_init_features=16,
    num_classes=3,
)

CONFLICTS = [
    ({"num_blocks_list": (1,)}, "num_blocks_list"),
    ({"is_downsample_block": (True, True, False)}, "is_downsample_block"),
    ({"stem_type": "overlap", "patch_size": 2}, "patch_size"),
    ({"transition_compression_ratio": 0.1}, "transition_compression_ratio"),
    ({"bottleneck_width_ratio": 0.1}, "bottleneck_width_ratio"),
    ({"global_pool": "catavgmax"}, "global_pool"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_blocks_add_channels_and_transitions_take_half() -> None:
    stages = SMALL.plan().stages
    assert [stage.widths for stage in stages] == [(16, 24), (16,), (16, 32)]
    assert [stage.out_channels for stage in stages] == [32, 32, 48]


def test_levels_are_the_last_maps_of_their_resolution() -> None:
    assert [level.name for level in SMALL.features()] == ["dense_stages.0", "dense_stages.2"]
    model = tv.create_model(SMALL, seed=0)
    shapes = [level.shape for level in model.forward_intermediates(torch.zeros(1, 3, 32, 32))[1]]
    assert shapes == [(1, 32, 8, 8), (1, 48, 4, 4)]
