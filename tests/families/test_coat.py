"""What is particular to CoaT."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.coat.config import CoatConfig
from typedvision.families.coat.model import CoaT

SMALL = CoatConfig(
    img_size=64,
    embed_dims=(8, 16, 16, 16),
    serial_depths=(1, 1, 1, 1),
    parallel_depth=1,
    num_classes=3,
)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"num_heads": 3, "crpe_window": ((3, 3),)}, "num_heads"),
        ({"mlp_ratios": (0.01, 4.0, 4.0, 4.0)}, "mlp_ratios"),
        ({"mlp_ratios": (4.0, 4.0, 4.0, 2.0)}, "mlp_ratios"),
        ({"embed_dims": (8, 16, 16, 32)}, "embed_dims"),
        ({"crpe_window": ((2, 8),)}, "crpe_window"),
        ({"crpe_window": ((3, 4),)}, "crpe_window"),
        ({"img_size": 72}, "img_size"),
        ({"img_size": 16, "parallel_depth": 0}, "img_size"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_features_are_the_tokens_of_three_maps() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    assert isinstance(model, CoaT)
    assert model.forward_features(torch.zeros(1, 3, 64, 64)).shape == (1, 65 + 17 + 5, 16)


def test_blocks_share_what_tells_positions() -> None:
    model = tv.create_model(SMALL.replace(parallel_depth=2), device="meta")
    keys = {key for key, _ in model.named_parameters()}
    assert "cpe2.proj.weight" in keys
    assert not any(".crpe." in key or ".cpe." in key for key in keys)
    assert "parallel_blocks.1.factoratt_crpe2.crpe.conv_list.0.weight" in model.state_dict()
