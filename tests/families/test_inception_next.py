"""What is particular to InceptionNeXt."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.inception_next.config import InceptionNeXtConfig
from typedvision.families.inception_next.model import InceptionConv2d

SMALL = InceptionNeXtConfig(depths=(1, 1, 1, 1), dims=(8, 16, 16, 32), num_classes=3)

CONFLICTS = [
    ({"square_kernel_size": 2}, "square_kernel_size"),
    ({"band_kernel_size": 10}, "band_kernel_size"),
    ({"branch_ratio": 0.1}, "branch_ratio"),
    ({"mlp_ratios": 0.1}, "mlp_ratios"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_most_channels_stay() -> None:
    model = tv.create_model(SMALL, seed=0)
    mixer = next(module for module in model.modules() if isinstance(module, InceptionConv2d))
    x = torch.randn(1, 8, 6, 6)
    assert torch.equal(mixer(x)[:, :5], x[:, :5])
    assert not torch.equal(mixer(x)[:, 5:], x[:, 5:])
