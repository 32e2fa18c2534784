"""What serving asks of every family: it can be counted."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

import typedvision as tv
from tests.contract.conftest import image_size, of_each_base
from typedvision.config.base import ModelConfig


@of_each_base
def test_its_levels_make_the_whole(small: ModelConfig) -> None:
    height, width = image_size(small)
    summary = tv.summarize(small, (height, width))
    bare = tv.create_model(summary.spec, device="meta").eval().requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        bare(torch.empty(1, small.in_chans, height, width, device="meta"))
    assert summary.multiply_adds == counter.get_total_flops() / 2
    assert summary.parameters == sum(parameter.numel() for parameter in bare.parameters())
    features = small.features()
    *before, last = summary.levels
    assert len(before) - len(features) in (0, 1)  # a stem, where the levels come after one
    for level, feature in zip(before[-len(features) :], features, strict=True):
        assert (level.name, level.channels) == (feature.name, feature.channels)
        for size, side in zip(level.size or (), (height, width), strict=True):
            steps = -(-(side - feature.margin) // feature.stride)
            assert size in (steps - 1, steps)  # patches that overlap are one fewer
    assert (last.name, last.size) == ("head", None)
    assert before[0].multiply_adds > 0
    assert before[0].parameters > 0
