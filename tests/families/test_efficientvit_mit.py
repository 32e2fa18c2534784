"""What is particular to EfficientViT of MIT."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.efficientvit_mit.config import AttentionPlan, EfficientVitConfig
from typedvision.families.efficientvit_mit.model import LinearAttention


def test_half_precision_does_not_overflow_in_the_sum_over_positions() -> None:
    cfg = EfficientVitConfig(head_dim=4)
    stage = cfg.plan()[1][2]
    assert isinstance(stage[1], AttentionPlan)
    attention = LinearAttention(cfg, stage[1]).eval().half()
    for parameter in attention.parameters():
        torch.nn.init.constant_(parameter, 0.25)
    x = torch.full((1, 64, 16, 16), 2.0, dtype=torch.float16)
    assert attention(x).isfinite().all()


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("efficientvit_l1", {"expand_ratio": 3}, "means nothing"),
        ("efficientvit_b0", {"head_dim": 100}, "at most the 'widths'"),
        ("efficientvit_b0", {"expand_ratio": 0.01}, "no hidden channel"),
    ],
)
def test_what_cannot_go_together(name: str, options: dict[str, object], reason: str) -> None:
    assert reason in conflict(tv.configure(name), options)
