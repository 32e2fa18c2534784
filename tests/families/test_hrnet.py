"""What is particular to HRNet."""

from __future__ import annotations

import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.hrnet.config import HRNetConfig

SMALL = HRNetConfig(
    width=4, modules=(1, 1, 1), branch_depth=1, stem_width=8, stage1_width=8, stage1_depth=1
)


def test_a_whole_map_is_not_classified() -> None:
    assert "'global_pool'" in conflict(SMALL, {"global_pool": ""})


def test_no_transition_where_the_first_stage_is_as_wide_as_the_first_branch() -> None:
    model = tv.create_model(SMALL.replace(width=32), device="meta")
    assert not any(key.startswith("transition1.0") for key, _ in model.named_parameters())


def test_the_final_features_see_every_branch() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    x = torch.randn(1, 3, 64, 64)
    features, levels = model.forward_intermediates(x)
    assert isinstance(features, torch.Tensor)
    assert features.equal(model.forward_features(x))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (8, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (1024, 2, 2),
    ]
