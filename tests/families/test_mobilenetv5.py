"""What is particular to MobileNetV5."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.config.mobile.rows import Blocks
from typedvision.families.mobilenetv5.config import MobileNetV5Config

SMALL = MobileNetV5Config(
    block_args=(
        Blocks(block="conv", stride=2, out_chs=8),
        Blocks(block="conv", stride=2, out_chs=16),
    ),
    num_features=24,
    num_classes=3,
)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"global_pool": ""}, "global_pool"),
        ({"msfa_indices": (3,)}, "msfa_indices"),
        ({"layer_scale_init_value": 0.1}, "layer_scale_init_value"),
        ({"use_msfa": False, "msfa_indices": (-1,)}, "msfa_indices"),
        ({"use_msfa": False, "msfa_output_resolution": 4}, "msfa_output_resolution"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize("side", [64, 72, 128])
def test_the_fused_map_has_one_size(side: int) -> None:
    model = tv.create_model(SMALL.replace(msfa_output_resolution=(4, 8)), seed=0).eval()
    assert model.forward_features(torch.zeros(1, 3, side, side)).shape == (1, 24, 4, 8)


def test_without_the_fusion_a_convolution_follows_the_pooling() -> None:
    model = tv.create_model(SMALL.replace(use_msfa=False), seed=0).eval()
    features = model.forward_features(torch.zeros(1, 3, 64, 64))
    assert features.shape == (1, model.num_features, 8, 8)
    assert model.forward_head(features, pre_logits=True).shape == (1, 24)
    model.reset_classifier(5, "catavgmax")
    assert model.conv_head.weight.shape == (24, 32, 1, 1)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
