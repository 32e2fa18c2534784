"""What is particular to Nested Transformers."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.nest.config import NestConfig
from typedvision.families.nest.model import Nest

SMALL = NestConfig(
    img_size=32, embed_dims=(8, 16, 16), num_heads=(2, 2, 4), depths=(1, 1, 1), num_classes=3
)

CONFLICTS = [
    ({"global_pool": ""}, "global_pool"),
    ({"num_levels": 2}, "embed_dims"),
    ({"num_heads": 3}, "num_heads"),
    ({"mlp_ratio": 0.01}, "mlp_ratio"),
    ({"img_size": 40}, "choose 32 or 48"),
    ({"img_size": (32, 48)}, "must be a square"),
]


@pytest.mark.parametrize(("options", "message"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], message: str) -> None:
    assert message in conflict(SMALL, options)


def test_blocks_know_nothing_of_each_other_before_they_merge() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    assert isinstance(model, Nest)
    x = torch.zeros(1, 8, 8, 8)
    y = x.clone()
    y[:, :2, :2] = 1.0
    changed = (model.levels[0](x) - model.levels[0](y)).abs().amax(-1)[0] > 0
    assert changed[:2, :2].all()
    assert changed.sum() == 4
