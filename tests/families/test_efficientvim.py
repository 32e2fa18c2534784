"""What is particular to EfficientViM."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.efficientvim.config import EfficientViMConfig
from typedvision.families.efficientvim.model import EfficientViM

SMALL = EfficientViMConfig(
    embed_dim=(16, 24), depths=(1, 1), state_dim=(9, 4), num_classes=5, distilled=True
)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"depths": (1,)}, "'depths'"),
        ({"state_dim": (9, 4, 4)}, "'state_dim'"),
        ({"embed_dim": (7, 24)}, "'embed_dim'"),
        ({"ssd_expand": 0.01}, "'ssd_expand'"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object], names: str) -> None:
    assert names in conflict(SMALL, options)


def test_each_classifier_sees_a_part_of_the_features() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    assert model.forward_features(torch.zeros(2, 3, 64, 96)).shape == (2, 16 + 24 + 24)


def test_both_classifiers_are_learned_on_their_own() -> None:
    model, x = tv.create_model(SMALL, seed=0).eval(), torch.ones(1, 3, 32, 32)
    assert isinstance(model, EfficientViM)
    torch.testing.assert_close(sum(model.forward_distilled(x)) / 2, model(x))
    model.set_distilled_training()
    assert isinstance(model.train()(torch.ones(2, 3, 64, 64)), tuple)
    with pytest.raises(tv.UsageError, match="distilled=True"):
        tv.create_model(SMALL.replace(distilled=False), seed=0).set_distilled_training()
