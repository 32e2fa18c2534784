"""What is particular to a Vision Transformer with pooling."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.errors import UsageError

SMALL = {"img_size": 64, "base_dims": (8, 8, 8), "depth": (1, 1, 1), "num_classes": 3}


def test_pooling_leaves_a_quarter_of_the_patches_and_more_features() -> None:
    model = tv.create_model("pit_xs_224", **SMALL).eval()
    maps = model.forward_intermediates(torch.randn(1, 3, 64, 64), intermediates_only=True)
    assert [map.shape[1:] for map in maps] == [(16, 7, 7), (32, 4, 4), (64, 2, 2)]


def test_logits_are_the_mean_of_both_classifiers() -> None:
    model = tv.create_model("pit_xs_distilled_224", **SMALL)
    x = torch.randn(1, 3, 64, 64)
    first, second = model.forward_distilled(x)
    torch.testing.assert_close(model(x), (first + second) / 2)
    model.set_distilled_training()
    assert len(model(x)) == 2
    assert model.eval()(x).shape == (1, 3)


def test_without_a_distillation_token_there_are_no_two_logits() -> None:
    model = tv.create_model("pit_xs_224", **SMALL)
    with pytest.raises(UsageError, match="one classifier"):
        model.forward_distilled(torch.randn(1, 3, 64, 64))


def test_stages_agree() -> None:
    cfg = tv.configure("pit_xs_224", **SMALL)
    assert "one value for each stage" in conflict(cfg, {"heads": (2, 4)})
    assert "a multiple" in conflict(cfg, {"heads": (2, 3, 4)})
    assert "each token" in conflict(cfg, {"global_pool": "", "distilled": True})
