"""What is particular to DPN."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.dpn.config import DPNConfig

SMALL = DPNConfig(
    k_sec=(1, 2, 1, 1),
    inc_sec=(4, 4, 4, 4),
    k_r=8,
    groups=4,
    small=True,
    num_init_features=8,
    num_classes=5,
)

CONFLICTS = [({"groups": 3}, "groups"), ({"norm_layer": "groupnorm"}, "norm_layer")]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize("b", [True, False])
def test_a_block_keeps_the_dense_path_and_makes_it_longer(b: bool) -> None:
    model = tv.create_model(SMALL.replace(b=b), seed=0).eval()
    x = torch.randn(1, 128 + 12, 4, 4)
    y = model.get_submodule("features.conv3_2")(x)
    assert y.shape == (1, 128 + 16, 4, 4)
    assert y[:, 128:140].equal(x[:, 128:])
    assert not y[:, :128].equal(x[:, :128])
