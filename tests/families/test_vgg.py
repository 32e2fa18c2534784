"""What is particular to VGG."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.vgg.config import VGGConfig
from typedvision.families.vgg.model import VGG

SMALL = VGGConfig(cfg=(8, "M", 16, 16, "M"), mlp_ratio=1 / 64, num_classes=5)

CONFLICTS = [
    ({"cfg": ("M", 8, "M")}, "cfg"),
    ({"cfg": (8, "M") * 8}, "cfg"),
    ({"norm_layer": "groupnorm"}, "norm_layer"),
    ({"norm_layer": "simplenorm2d", "cfg": (16, "M", 1, "M")}, "norm_layer"),
    ({"global_pool": ""}, "global_pool"),
]


def vgg(cfg: VGGConfig) -> VGG:
    model = tv.create_model(cfg, seed=0)
    assert isinstance(model, VGG)
    return model.eval()


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize(
    ("cfg", "levels"),
    [
        ((8, 16), [(16, 1, "features.3")]),
        ((8, "M", 16), [(8, 1, "features.1"), (16, 2, "features.4")]),
        ((8, 16, "M"), [(16, 1, "features.3"), (16, 2, "features.4")]),
        ((8, "M", "M"), [(8, 1, "features.1"), (8, 2, "features.2"), (8, 4, "features.3")]),
    ],
)
def test_a_level_ends_before_each_pooling_and_at_the_end(
    cfg: tuple[int | str, ...], levels: list[tuple[int, int, str]]
) -> None:
    model = vgg(SMALL.replace(cfg=cfg))
    assert [(level.channels, level.stride, level.name) for level in model.feature_info] == levels
    maps = model.forward_intermediates(torch.randn(1, 3, 16, 16), intermediates_only=True)
    assert [(x.shape[1], 16 // x.shape[2]) for x in maps] == [level[:2] for level in levels]


def test_a_normalisation_follows_each_convolution() -> None:
    plain, normalised = vgg(SMALL), vgg(SMALL.replace(norm_layer="batchnorm2d"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    for conv, norm in ((0, 1), (4, 5), (7, 8)):
        assert isinstance(normalised.features[conv], nn.Conv2d)
        assert isinstance(normalised.features[norm], nn.BatchNorm2d)


@torch.inference_mode()
def test_a_small_map_is_stretched_to_the_kernel() -> None:
    model, x = vgg(SMALL), torch.randn(2, 16, 1, 8)
    assert model.pre_logits(x).shape == (2, 4096, 1, 2)
    torch.testing.assert_close(model.pre_logits(x), model.pre_logits(x.expand(2, 16, 7, 8)))


@torch.inference_mode()
def test_a_large_map_is_pooled_after_the_fully_connected_layers() -> None:
    model, x = vgg(SMALL.replace(num_classes=0, global_pool="")), torch.randn(1, 3, 36, 32)
    assert model(x).shape == (1, 4096, 3, 2)
    pooled = vgg(SMALL.replace(num_classes=0, global_pool="catavgmax"))
    pooled.load_state_dict(model.state_dict())
    assert pooled.head_hidden_size == 8192
    torch.testing.assert_close(pooled(x)[:, :4096], model(x).mean((2, 3)))


def test_checkpointing_recomputes_each_stage() -> None:
    model, calls = vgg(SMALL).train(), Counter[int]()
    for index, layer in enumerate(model.features):
        layer.register_forward_pre_hook(lambda *_, index=index: calls.update([index]))
    gradients = []
    for enable in (False, True):
        calls.clear()
        model.set_grad_checkpointing(enable)
        model(torch.randn(2, 3, 32, 32, generator=torch.manual_seed(0))).sum().backward()
        assert set(calls.values()) == {2 if enable else 1}
        gradients.append(model.features[0].weight.grad.clone())
        model.zero_grad()
    torch.testing.assert_close(*gradients)
