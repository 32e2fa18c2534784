"""What is particular to StarNet."""

from __future__ import annotations

import torch

import typedvision as tv
from typedvision.families.starnet.config import StarNetConfig

SMALL = StarNetConfig(base_dim=8, depths=(1, 1, 1, 1), num_classes=5)


def test_the_classifier_follows_the_pooling() -> None:
    model = tv.create_model(SMALL, seed=0, global_pool="catavgmax")
    assert model.head_hidden_size == 2 * model.num_features
    model.reset_classifier(3, "avg")
    assert model.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 3)


def test_a_block_multiplies() -> None:
    block = tv.create_model(SMALL, seed=0).eval().stages[0][1]
    x = torch.rand(1, 8, 6, 6)
    before = block(x)
    with torch.no_grad():
        block.f2.conv.weight.mul_(2.0)
        block.f2.conv.bias.mul_(2.0)
        block.g.conv.weight.mul_(0.5)
    assert torch.allclose(block(x), before, atol=1e-5)
