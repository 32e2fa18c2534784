"""What is particular to Inception-v3: its auxiliary classifier."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.inception_v3.config import InceptionV3Config
from typedvision.families.inception_v3.family import InceptionV3Family
from typedvision.families.inception_v3.model import InceptionV3
from typedvision.weights.plan import TensorKind, make_plan


def meta_model(*, aux_logits: bool) -> InceptionV3:
    return tv.create_model(InceptionV3Config(aux_logits=aux_logits), device="meta")


def test_the_auxiliary_classifier_speaks_where_it_was_asked() -> None:
    model = meta_model(aux_logits=True).train()
    images = torch.empty(2, 3, 299, 299, device="meta")
    assert model(images).shape == (2, 1000)
    model.set_aux_training()
    assert [logits.shape for logits in model(images)] == [(2, 1000), (2, 1000)]
    assert model.eval()(images).shape == (2, 1000)


def test_a_model_without_an_auxiliary_classifier_says_so() -> None:
    with pytest.raises(tv.UsageError, match="aux_logits=True"):
        meta_model(aux_logits=False).set_aux_training()


def test_both_classifiers_are_replaced() -> None:
    model = meta_model(aux_logits=True)
    model.reset_classifier(7)
    assert model.AuxLogits is not None
    assert model.AuxLogits.fc.weight.shape[0] == model.fc.weight.shape[0] == 7


def test_a_checkpoint_may_hold_the_auxiliary_classifier() -> None:
    given, wanted = (
        {key: TensorKind(tuple(tensor.shape), True) for key, tensor in state.items()}
        for state in (meta_model(aux_logits=aux).state_dict() for aux in (True, False))
    )
    parts = InceptionV3Family.parts(InceptionV3Config())
    plan = make_plan(wanted, given, parts, (), model="a", source="b")
    assert set(plan.dropped) == set(given) - set(wanted)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"aux_logits": True, "num_classes": 0}, "aux_logits"),
        ({"norm_layer": "groupnorm"}, "norm_layer"),
        ({"global_pool": ""}, "global_pool"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(InceptionV3Config(), options)


def test_images_of_which_nothing_is_left_are_refused() -> None:
    model = meta_model(aux_logits=False).eval()
    assert model(torch.empty(1, 3, 75, 80, device="meta")).shape == (1, 1000)
    with pytest.raises(tv.UsageError, match="at least 75 x 75"):
        model(torch.empty(1, 3, 80, 74, device="meta"))
