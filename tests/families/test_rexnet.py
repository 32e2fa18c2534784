"""What is particular to ReXNet."""

from __future__ import annotations

from itertools import pairwise

import torch

from tests.conflicts import conflict
from typedvision.families.rexnet.config import RexNetConfig
from typedvision.families.rexnet.model import RexBlock


def test_a_map_is_not_classified() -> None:
    assert "'global_pool'" in conflict(RexNetConfig(), {"global_pool": ""})


def test_channels_grow_by_as_many_from_each_block_to_the_next() -> None:
    """Table 6 of the paper: 16, 27, 38, 50, ... 185."""
    channels = [block.out_channels for block in RexNetConfig().plan().blocks]
    assert channels[:6] == [16, 27, 38, 50, 61, 72]
    assert channels[-1] == 185
    assert {b - a for a, b in pairwise(channels)} == {11, 12}


def test_a_narrow_network_keeps_its_first_channels() -> None:
    plan = RexNetConfig(width_mult=0.5).plan()
    assert (plan.stem_channels, plan.blocks[0].out_channels) == (32, 16)


def test_the_input_is_added_to_the_first_channels() -> None:
    plan = next(block for block in RexNetConfig().plan().blocks if block.skip)
    block = RexBlock(RexNetConfig(), plan).eval()
    x = torch.randn(1, plan.in_channels, 4, 4)
    y = block(x)
    block.skip = False
    difference = y - block(x)
    assert torch.allclose(difference[:, : plan.in_channels], x, atol=1e-5)
    assert (difference[:, plan.in_channels :] == 0).all()
