"""What is particular to EfficientFormerV2."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.errors import UsageError
from typedvision.families.efficientformer_v2.config import EfficientFormerV2Config

SMALL = EfficientFormerV2Config(
    img_size=64, depths=(1, 1, 1, 2), embed_dims=(4, 8, 12, 16), num_vit=1, num_classes=3
)


def test_logits_are_the_mean_of_both_classifiers() -> None:
    model = tv.create_model(SMALL).eval()
    x = torch.randn(1, 3, 64, 64)
    first, second = model.forward_distilled(x)
    torch.testing.assert_close(model(x), (first + second) / 2)
    model.set_distilled_training()
    assert len(model.train()(torch.randn(2, 3, 64, 64))) == 2
    with pytest.raises(UsageError, match="one classifier"):
        tv.create_model(SMALL, distillation=False).set_distilled_training()


def test_the_last_blocks_of_stages_at_low_resolution_attend() -> None:
    stages = SMALL.replace(num_vit=5).plan()
    assert [[block.attends for block in stage.blocks] for stage in stages] == [
        [False],
        [False],
        [True],
        [True, True],
    ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"depths": (1, 1)}, "one value for each stage"),
        ({"mlp_ratios": (4, 4)}, "one value for each stage"),
        ({"mlp_ratios": (4, 4, 4, (4, 4, 4))}, "each block of a stage"),
        ({"mlp_ratios": 0.01}, "no hidden channel"),
        ({"embed_dims": (1, 8, 12, 16)}, "half of them"),
        ({"downsamples": (False, True, False, True)}, "stay as they are"),
        ({"norm_layer": "groupnorm"}, "32 groups"),
        ({"img_size": 100}, "both must be even"),
        ({"img_size": 32}, "more than one position"),
        ({"global_pool": ""}, "num_classes"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], reason: str) -> None:
    assert reason in conflict(SMALL, options)
