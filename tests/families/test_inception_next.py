"""What is particular to InceptionNeXt."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.inception_next.config import InceptionNeXtConfig

SMALL = InceptionNeXtConfig(depths=(1, 1, 1, 1), dims=(8, 16, 16, 24), num_classes=5)

CONFLICTS = [
    ({"square_kernel_size": 4}, "square_kernel_size"),
    ({"band_kernel_size": 10}, "band_kernel_size"),
    ({"branch_ratio": 0.1}, "branch_ratio"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_the_first_channels_of_a_token_mixer_stay_as_they_are() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    x = torch.randn(1, 8, 6, 6)
    y = model.get_submodule("stages.0.blocks.0.token_mixer")(x)
    assert y[:, :5].equal(x[:, :5])
    assert not y[:, 5:].equal(x[:, 5:])
