"""What is particular to MetaFormers."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.metaformer.config import MetaFormerConfig
from typedvision.families.metaformer.model import StarReLU
from typedvision.layers.pool import PoolMixer

SMALL = MetaFormerConfig(depths=(1, 1, 2, 1), dims=(32, 64, 64, 96), num_classes=3)

CONFLICTS = [
    ({"global_pool": ""}, "global_pool"),
    ({"token_mixers": ("pooling", "attention")}, "token_mixers"),
    ({"dims": (8, 64, 64, 96), "token_mixers": "attention"}, "dims"),
    ({"norm_layers": "groupnorm1", "token_mixers": "attention"}, "norm_layers"),
    ({"norm_layers": ("layernorm",)}, "norm_layers"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_a_stage_of_as_many_channels_does_not_subsample() -> None:
    assert [level.stride for level in SMALL.features()] == [4, 8, 8, 16]
    model = tv.create_model(SMALL, seed=0)
    sizes = [level.shape[-1] for level in model.forward_intermediates(torch.zeros(1, 3, 64, 64))[1]]
    assert sizes == [16, 8, 8, 4]


def test_pooling_leaves_what_is_even_at_zero() -> None:
    assert torch.equal(PoolMixer(3)(torch.ones(1, 2, 5, 5)), torch.zeros(1, 2, 5, 5))


def test_star_relu_scales_and_shifts_a_square() -> None:
    act = StarReLU()
    act.load_state_dict({"scale": torch.tensor([2.0]), "bias": torch.tensor([1.0])})
    assert act(torch.tensor([-3.0, 3.0])).tolist() == [1.0, 19.0]
