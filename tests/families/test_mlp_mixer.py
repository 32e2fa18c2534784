"""What is particular to MLP-Mixer, ResMLP and gMLP."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.errors import UsageError
from typedvision.families.mlp_mixer.config import MlpMixerConfig

SMALL = MlpMixerConfig(img_size=32, patch_size=8, num_blocks=2, embed_dim=16, num_classes=3)

CONFLICTS = [
    ({"mlp_layer": "gated"}, "mlp_layer"),
    ({"block_layer": "spatial_gating", "mlp_ratio": 4.0}, "mlp_layer"),
    ({"block_layer": "res"}, "mlp_ratio"),
    ({"init_values": 0.1}, "init_values"),
    ({"img_size": 30}, "img_size"),
    ({"mlp_layer": "glu", "mlp_ratio": (0.19, 4.0)}, "mlp_ratio"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_images_of_another_size_are_refused_with_what_to_do() -> None:
    model = tv.create_model(SMALL, seed=0)
    with pytest.raises(UsageError, match=r"32 x 32 pixels.*another img_size"):
        model(torch.zeros(1, 3, 40, 40))


def test_gates_are_open_at_first() -> None:
    cfg = SMALL.replace(block_layer="spatial_gating", mlp_layer="gated", mlp_ratio=6.0)
    state = tv.create_model(cfg, seed=0).state_dict()
    assert (state["blocks.0.mlp_channels.gate.proj.bias"] == 1).all()
    assert state["blocks.0.mlp_channels.gate.proj.weight"].abs().max() < 1e-5
