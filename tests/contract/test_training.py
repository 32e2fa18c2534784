"""What training asks of every family: frozen layers, and groups of parameters."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch

import typedvision as tv
from tests.contract.conftest import of_each_base
from tests.contract.facts import CASE, Case
from tests.contract.models import backbone_of, filled, images, shared
from typedvision.architecture.image_model import ImageModel
from typedvision.config.base import ModelConfig

RATES = [case for case in CASE if "rates" in case]


def frozen(cfg: ModelConfig) -> tuple[ImageModel, set[str]]:
    """A model with its first level frozen, and the keys of the tensors that this freezes."""
    model = filled(cfg)
    model.freeze(1)
    return model, set(backbone_of(cfg, 0).model.state_dict())


@of_each_base
def test_frozen_layers_stay_as_they_are(small: ModelConfig) -> None:
    model, keys = frozen(small)
    x = images(small)
    still, *_ = model.eval().forward_intermediates(x, intermediates_only=True)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.train()
    moving, *_ = model.forward_intermediates(x, [0], stop_early=True, intermediates_only=True)
    assert torch.equal(still, moving)
    model(x).square().mean().backward()
    torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1).step()
    after = model.state_dict()
    assert {key for key in keys if not torch.equal(before[key], after[key])} == set()
    for key, parameter in model.named_parameters():
        assert parameter.requires_grad is (key not in keys), key
        assert (parameter.grad is None) is (key in keys), key
        assert torch.equal(before[key], after[key]) is (key in keys), key


@of_each_base
def test_unfreezing_undoes_it(small: ModelConfig) -> None:
    model, _ = frozen(small)
    model.train().unfreeze()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(module.training for module in model.modules())


@of_each_base
def test_freezing_again_replaces_what_was_frozen(small: ModelConfig) -> None:
    model, keys = frozen(small)
    model.freeze(len(small.features()))
    assert not all(p.requires_grad for key, p in model.named_parameters() if key not in keys)
    model.freeze(small.features()[0].name)
    assert {key for key, p in model.named_parameters() if not p.requires_grad} <= keys
    model.freeze(0)
    assert all(parameter.requires_grad for parameter in model.parameters())


@of_each_base
def test_what_cannot_be_frozen_is_told(small: ModelConfig) -> None:
    model, keys = frozen(small)
    with pytest.raises(tv.ConfigError, match="feature levels"):
        model.freeze(len(small.features()) + 1)
    with pytest.raises(tv.UnknownNameError, match="no module 'nowhere'"):
        model.freeze("nowhere")
    assert {key for key, p in model.named_parameters() if not p.requires_grad} <= keys


@of_each_base
def test_a_backbone_is_frozen_too(small: ModelConfig) -> None:
    backbone = backbone_of(small, -1)
    backbone.freeze(1)
    backbone.train()
    _, keys = frozen(small)
    still = {key for key, p in backbone.model.named_parameters() if not p.requires_grad}
    assert still
    assert still <= keys
    backbone.unfreeze()
    assert all(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize("case", RATES, ids=lambda case: case["case"])
def test_rates_are_the_peers(case: Case) -> None:
    model = tv.create_model(case["case"], device="meta", **case["options"])
    keys = {id(parameter): key for key, parameter in model.named_parameters()}
    groups = tv.parameter_groups(model, lr=1.0, weight_decay=1.0, layer_decay=0.5)
    found = {keys[id(p)]: [g["lr"], g["weight_decay"]] for g in groups for p in g["params"]}
    wanted = case["rates"]
    assert found.keys() == wanted.keys()
    for key, rates in found.items():
        assert rates == pytest.approx(wanted[key], rel=1e-6), key


@of_each_base
def test_groups_hold_what_is_trained_once(small: ModelConfig) -> None:
    model, keys = frozen(small)
    backbone = backbone_of(small, -1)
    for one, coarse in itertools.product((model, backbone), (False, True)):
        groups = tv.parameter_groups(one, lr=1e-3, weight_decay=0.1, layer_decay=0.5, coarse=coarse)
        held = Counter(id(parameter) for group in groups for parameter in group["params"])
        assert set(held) == {id(p) for p in one.parameters() if p.requires_grad}
        assert set(held.values()) == {1}
        rates = [group["lr"] for group in groups]
        assert rates == sorted(rates)
        assert rates[-1] == 1e-3
        torch.optim.AdamW(groups).step()
    assert keys


@of_each_base
def test_without_a_layer_decay_there_are_two_groups(small: ModelConfig) -> None:
    model = shared(small)
    groups = tv.parameter_groups(model, lr=0.1, weight_decay=0.2)
    assert sorted((group["lr"], group["weight_decay"]) for group in groups) == [
        (0.1, 0.0),
        (0.1, 0.2),
    ]
