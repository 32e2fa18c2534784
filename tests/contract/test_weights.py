"""What a model is initialised with: the peer's spread, from one seed, whatever happened before."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import typedvision as tv
from tests.contract.conftest import image_size, of_each_base
from tests.contract.facts import CASE, COMPUTED, Case
from tests.contract.filling import randn
from tests.contract.models import fresh
from tools.golden import draws
from typedvision.architecture.image_model import ImageModel
from typedvision.config.base import ModelConfig

SIGMAS = 5.0  # of what chance does to a mean or a deviation: one false alarm in a million


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and every buffer, those outside of the state dict too."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        assert torch.equal(tensor, other[key]), key


@of_each_base
def test_a_seed_decides_every_weight(small: ModelConfig) -> None:
    first = fresh(small)
    torch.manual_seed(99)
    torch.randn(5)
    other = tensors(tv.create_model(small, seed=4))
    assert_same(tensors(tv.create_model(small, seed=0)), tensors(first))
    drawn = [key for key, tensor in tensors(first).items() if not torch.equal(tensor, other[key])]
    assert any(key.endswith("weight") for key in drawn)


@of_each_base
def test_without_a_seed_pytorch_decides(small: ModelConfig) -> None:
    torch.manual_seed(0)
    assert_same(tensors(tv.create_model(small)), tensors(fresh(small)))


@of_each_base
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_precision_only_rounds_the_weights(small: ModelConfig, dtype: torch.dtype) -> None:
    rounded = fresh(small).to(dtype)
    assert_same(tensors(tv.create_model(small, seed=0, dtype=dtype)), tensors(rounded))


@of_each_base
def test_a_tensors_weights_are_its_own(small: ModelConfig) -> None:
    few, many = fresh(small), tv.create_model(small, seed=0, num_classes=9)
    others = tensors(many)
    for key, tensor in tensors(few).items():
        if tensor.shape == others[key].shape:
            assert torch.equal(tensor, others[key]), key


@of_each_base
def test_global_randomness_is_left_alone(small: ModelConfig) -> None:
    before = torch.get_rng_state(), random.getstate()
    tv.create_model(small).reset_classifier(3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


@of_each_base
def test_weights_are_finite_and_of_the_default_precision(small: ModelConfig) -> None:
    model = fresh(small)
    assert model.training
    for key, tensor in tensors(model).items():
        assert tensor.isfinite().all(), key
    for key, parameter in model.named_parameters():
        assert parameter.dtype == torch.get_default_dtype(), key
        assert parameter.requires_grad, key
        assert parameter.is_leaf, key


Spread = dict[str, tuple[float, float]]
POOLINGS = [
    (family, kind)
    for family in COMPUTED
    for kind in [kind for kind in family.capabilities.global_pool if kind][-1:]  # one will do
]
WITH_SPREAD = [case for case in CASE if "spread" in case]


def drawn(model: ImageModel, keys: Iterable[str], seeds: int) -> dict[str, Moments]:
    """The moments of initial tensors, each drawn as often as the peer's were."""
    found: dict[str, list[Tensor]] = {key: [] for key in keys}
    for seed in range(seeds):
        model.init_weights(seed)
        state = model.state_dict()
        for key, kept in found.items():
            kept.append(state[key].flatten().clone())
    return {key: Moments.of(torch.cat(kept)) for key, kept in found.items()}


@dataclass(frozen=True)
class Moments:
    """What is compared of the numbers of a tensor."""

    count: int
    mean: float
    std: float
    furthest: float
    """From the mean."""

    @classmethod
    def of(cls, drawn: Tensor) -> Moments:
        mean = drawn.mean()
        around = drawn - mean
        std = around.square().mean().sqrt()  # five times as fast as `torch.std_mean`
        return cls(drawn.numel(), mean.item(), std.item(), around.abs().max().item())

    def differ(self, mean: float, std: float) -> bool:
        """Whether they are further from these than chance takes them."""
        if std < 1e-9:  # not drawn at all
            return self.furthest + abs(self.mean - mean) > 1e-8 + 1e-5 * abs(mean)
        chance = SIGMAS / math.sqrt(self.count)
        return abs(self.std / std - 1.0) > chance or abs(self.mean - mean) > 1.5 * chance * std


def unlike(found: Mapping[str, Moments], wanted: Spread) -> list[str]:
    """The tensors whose mean or deviation is not the peer's."""
    return [key for key, moments in found.items() if moments.differ(*wanted[key])]


@pytest.mark.parametrize("case", WITH_SPREAD, ids=lambda case: case["case"])
def test_the_initial_spread_is_the_peers(case: Case) -> None:
    spread, seeds = case["spread"], draws(2 * case["params"])
    model = tv.create_model(case["case"], **case["options"])
    floats = {key for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
    assert spread.keys() == floats
    found = drawn(model, spread, seeds)
    assert unlike(found, spread) == []

    # Another spread is seen, in each tensor that has enough numbers.
    random_ones = {
        key
        for key, tensor in model.state_dict().items()
        if tensor.numel() * seeds > 10_000 and spread[key][1] > 1e-9
    }
    assert random_ones
    wider = {key: (mean, 1.1 * std) for key, (mean, std) in spread.items()}
    assert random_ones <= set(unlike(found, wider))
    shifted = {key: (mean + 0.15 * std, std) for key, (mean, std) in spread.items()}
    assert random_ones <= set(unlike(found, shifted))
    constant = {key: (mean, 0.0) for key, (mean, std) in spread.items()}
    assert random_ones <= set(unlike(found, constant))


@of_each_base
def test_a_new_classifier_is_where_the_model_is(small: ModelConfig) -> None:
    model = fresh(small).double().eval()
    model.reset_classifier(4)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert not any(module.training for module in model.modules())
    bare = tv.create_model(small, device="meta")
    bare.reset_classifier(4)
    assert all(parameter.is_meta for parameter in bare.parameters())


@of_each_base
def test_a_classifier_is_taken_away_and_put_back(small: ModelConfig) -> None:
    model = fresh(small)
    model.reset_classifier(0)
    assert model.spec == tv.create_model(small, num_classes=0, device="meta").spec
    assert list(model.get_classifier().parameters()) == []
    model.reset_classifier(small.num_classes, seed=0)
    assert_same(tensors(model), tensors(fresh(small)))


@pytest.mark.parametrize(
    ("family", "kind"), POOLINGS, ids=[f"{family.key}-{kind}" for family, kind in POOLINGS]
)
def test_a_pooling_is_changed_with_the_classifier(small: ModelConfig, kind: str) -> None:
    x = randn((2, small.in_chans, *image_size(small)), 1).float()
    model = fresh(small)
    wanted = tv.create_model(tv.specify(small, global_pool=kind, num_classes=3), seed=0).eval()
    model.reset_classifier(3, kind, seed=0)
    assert model.spec == wanted.spec
    logits = wanted(x)
    assert logits.shape == (2, 3)
    torch.testing.assert_close(model.eval()(x), logits)


@of_each_base
def test_a_refused_classifier_changes_nothing(small: ModelConfig) -> None:
    model = fresh(small)
    before, spec, printed = tensors(model), model.spec, repr(model)
    for num_classes, global_pool in ((-1, None), (10**9, None), (True, None), (3, "nonsense")):
        with pytest.raises(tv.ConfigError):
            model.reset_classifier(num_classes, global_pool)
    assert model.spec is spec
    assert model.num_classes == small.num_classes
    assert repr(model) == printed
    assert {key: id(tensor) for key, tensor in tensors(model).items()} == {
        key: id(tensor) for key, tensor in before.items()
    }
