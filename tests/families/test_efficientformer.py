"""What is particular to EfficientFormer."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.efficientformer.config import EfficientFormerConfig

SMALL = EfficientFormerConfig(
    img_size=64, depths=(1, 1, 1, 2), embed_dims=(4, 8, 12, 16), num_classes=3
)


def test_logits_are_the_mean_of_both_classifiers() -> None:
    model = tv.create_model(SMALL).eval()
    x = torch.randn(1, 3, 64, 64)
    first, second = model.forward_distilled(x)
    torch.testing.assert_close(model(x), (first + second) / 2)
    model.set_distilled_training()
    assert len(model.train()(torch.randn(2, 3, 64, 64))) == 2


def test_levels_follow_what_subsamples() -> None:
    cfg = SMALL.replace(embed_dims=(4, 8, 8, 16), downsamples=(True, True, False, True))
    assert [level.stride for level in cfg.features()] == [8, 16, 16, 32]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"depths": (1, 1)}, "one value for each stage"),
        ({"embed_dims": (1, 8, 12, 16)}, "half of them"),
        ({"num_vit": 3}, "at most the last"),
        ({"pool_size": 2}, "odd"),
        ({"downsamples": (False, True, False, True)}, "stay as they are"),
        ({"mlp_ratios": 0.01}, "no hidden channel"),
        ({"norm_layer": "groupnorm"}, "32 groups"),
        ({"img_size": 32}, "more than one position"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], reason: str) -> None:
    assert reason in conflict(SMALL, options)
