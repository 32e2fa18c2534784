"""What is particular to GCViT."""

from __future__ import annotations

import pytest
from torch import nn

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.gcvit.config import GCViTConfig

TINY = GCViTConfig(
    img_size=32, embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=(2, 4), num_classes=3
)

CONFLICTS: list[tuple[dict[str, object], str]] = [
    ({"num_heads": (1, 2, 4)}, "depths"),
    ({"window_size": (2, 2, 2)}, "depths"),
    ({"window_size": None, "window_ratio": (32,)}, "depths"),
    ({"img_size": 36}, "multiple of 8"),
    ({"window_size": (3, 4)}, "power of two times its windows of 3 x 3"),
    ({"num_heads": (1, 3)}, "one of its divisors"),
    ({"global_pool": ""}, "num_classes"),
]


@pytest.mark.parametrize(("options", "words"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], words: str) -> None:
    assert words in conflict(TINY, options)


def test_queries_are_pooled_to_one_window() -> None:
    assert [stage.poolings for stage in TINY.plan().stages] == [2, 0]
    assert [stage.poolings for stage in GCViTConfig().plan().stages] == [3, 2, 0, 0]


@pytest.mark.parametrize(
    ("weight_init", "deviation"),
    [("", 64**-0.5 / 3**0.5), ("normal", 0.02), ("vit", (1 / 96) ** 0.5)],
)
def test_linear_layers_start_as_the_option_says(weight_init: str, deviation: float) -> None:
    cfg = TINY.replace(embed_dim=64, num_heads=(1, 2), mlp_ratio=2.0, weight_init=weight_init)
    layer = tv.create_model(cfg, seed=0).get_submodule("stages.0.blocks.0.mlp.fc1")
    assert isinstance(layer, nn.Linear)
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.05)
    assert (layer.bias.abs().max().item() < 1e-5) is (weight_init != "")
