"""What is particular to RepViT."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image
from typedvision.errors import UsageError
from typedvision.families.repvit.config import RepVitConfig
from typedvision.families.repvit.model import RepVit

SMALL = RepVitConfig(embed_dim=(8, 16, 24, 32), depth=(1, 2, 1, 1), num_classes=5)


def repvit(**options: object) -> RepVit:
    model = tv.create_model(SMALL.replace(**options), seed=0, dtype=torch.float64)
    assert isinstance(model, RepVit)
    fill(model)
    return model


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"kernel_size": 4}, "kernel_size"),
        ({"mlp_ratio": 0.01}, "mlp_ratio"),
        ({"mlp_ratio": (2.0, 2.0, 2.0, 1.2 / SMALL.embed_dim[-1])}, "mlp_ratio"),
        ({"global_pool": ""}, "global_pool"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize(
    "options", [{}, {"legacy": True}, {"distillation": False}, {"num_classes": 0}]
)
def test_the_inference_form_has_no_normalisation(options: dict[str, object]) -> None:
    model = repvit(**options)
    fused = tv.fuse(model)
    kinds = {type(module) for module in fused.modules()}
    assert not kinds & {torch.nn.BatchNorm1d, torch.nn.BatchNorm2d}
    x = image((3, 64, 64))
    with torch.inference_mode():
        assert torch.allclose(fused(x), model.eval()(x), rtol=1e-9)


def test_the_logits_are_the_mean_of_both_classifiers() -> None:
    model = repvit()
    x = image((3, 64, 64)).repeat(2, 1, 1, 1)
    first, second = model.eval().forward_distilled(x)
    assert torch.allclose(model(x), (first + second) / 2)
    model.set_distilled_training()
    pair: object = model.train()(x)
    assert isinstance(pair, tuple)
    assert [tuple(logits.shape) for logits in pair] == [(2, 5), (2, 5)]


def test_a_model_with_one_classifier_has_no_second_one() -> None:
    for model in (repvit(distillation=False), tv.fuse(repvit())):
        with pytest.raises(UsageError, match="one classifier"):
            model.set_distilled_training()
