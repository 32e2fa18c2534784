"""What is particular to FasterNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.fasternet.config import FasterNetConfig
from typedvision.families.fasternet.model import PartialConv

SMALL = FasterNetConfig(embed_dim=8, depths=(1, 1, 1, 1), num_classes=5)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"n_div": 9}, "'n_div'"),
        ({"mlp_ratio": 0.1}, "'mlp_ratio'"),
        ({"merge_size": 4}, "'merge_size'"),
        ({"norm_layer": "groupnorm"}, "'norm_layer'"),
        ({"global_pool": "catavgmax"}, "'avgmax'"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object], names: str) -> None:
    assert names in conflict(SMALL, options)


def test_a_partial_convolution_leaves_the_other_channels_alone() -> None:
    x = torch.rand(1, 8, 5, 5)
    y = PartialConv(8, 2)(x)
    assert torch.equal(y[:, 2:], x[:, 2:])
    assert not torch.equal(y[:, :2], x[:, :2])


def test_a_level_says_how_far_it_subsamples() -> None:
    levels = SMALL.replace(patch_size=2, merge_size=3).features()
    assert [level.stride for level in levels] == [2, 6, 18, 54]


def test_an_activation_with_weights_has_the_keys_of_checkpoints() -> None:
    keys = tv.create_model(SMALL.replace(act_layer="prelu"), device="meta").state_dict()
    assert [key for key in keys if "act" in key] == ["act.weight"]
