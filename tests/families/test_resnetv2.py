"""What is particular to ResNet V2."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import typedvision as tv
from tests.conflicts import conflict
from tests.layers.fresh import fresh, randn
from typedvision.families.resnetv2.config import ResNetV2Config
from typedvision.families.resnetv2.model import (
    Bottleneck,
    FilterResponseNormTlu2d,
    PreActBasic,
    PreActBottleneck,
    ResNetV2,
)
from typedvision.layers.conv import StdConv2d
from typedvision.layers.pool import MaxPool2dSame

SMALL = ResNetV2Config(
    layers=(1, 2, 1, 1), channels=(32, 64, 128, 128), bottle_ratio=1.0, num_classes=5
)
PLAIN = SMALL.replace(norm_layer="batchnorm2d", conv_layer="conv2d")

CONFLICTS = [
    ({"basic": True, "preact": False}, "preact"),
    ({"conv_layer": "conv2d", "conv_eps": 1e-5}, "conv_eps"),
    ({"channels": (40, 64, 128, 128)}, "norm_layer"),
]


def resnetv2(cfg: ResNetV2Config) -> ResNetV2:
    model = tv.create_model(cfg, seed=0, dtype=torch.float64)
    assert isinstance(model, ResNetV2)
    return model.eval()


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, PreActBottleneck),
        ({"basic": True}, PreActBasic),
        ({"preact": False}, Bottleneck),
    ],
)
def test_blocks_are_the_identity_at_first_if_asked(
    options: dict[str, object], kind: type[nn.Module]
) -> None:
    model = resnetv2(PLAIN.replace(zero_init_last=True, **options))
    block = model.stages[1][0][1]
    assert isinstance(block, kind)
    x = torch.rand(1, 64, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(block(x), x)
    other = resnetv2(PLAIN.replace(**options)).stages[1][0][1]
    assert not torch.equal(other(x), x)


def test_the_shortcut_sees_what_is_normalised_first_where_the_shape_changes() -> None:
    block = resnetv2(PLAIN.replace(zero_init_last=True)).stages[1][0][0]
    assert isinstance(block, PreActBottleneck)
    assert block.downsample is not None
    x = torch.randn(1, 32, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(block(x), block.downsample(block.act1(block.norm1(x))))


def test_the_first_level_is_what_the_stem_gives_before_its_pooling() -> None:
    assert SMALL.features()[0].name == "stem.conv"
    assert SMALL.replace(stem_type="deep").features()[0].name == "stem.conv3"
    assert SMALL.replace(preact=False).features()[0].name == "stem.act"
    assert PLAIN.replace(preact=False, stem_type="tiered").features()[0].name == "stem.act3"


def test_channels_follow_the_width_and_are_multiples_of_eight() -> None:
    plan = PLAIN.replace(width_factor=1.3, bottle_ratio=0.3, stem_type="tiered").plan()
    assert plan.stem == (30, 40, 80)
    assert [stage.channels for stage in plan.stages] == [40, 80, 168, 168]
    assert [stage.blocks[0].width for stage in plan.stages] == [16, 24, 48, 48]


@pytest.mark.parametrize(("stem_type", "corner"), [("", -1.0), ("fixed", 0.0), ("same", -1.0)])
def test_the_stems_pooling_pads_as_its_type_says(stem_type: str, corner: float) -> None:
    stem = resnetv2(PLAIN.replace(stem_type=stem_type)).stem
    pools = nn.Sequential(*(m for name, m in stem.named_children() if name in ("pad", "pool")))
    pooled = pools(-torch.ones(1, 1, 6, 6))
    assert pooled.shape == (1, 1, 3, 3)
    assert pooled[0, 0, 0, 0] == corner


def test_same_pooling_pads_below_and_right() -> None:
    x = torch.arange(36.0).reshape(1, 1, 6, 6)
    assert MaxPool2dSame()(x)[0, 0].tolist() == [[14, 16, 17], [26, 28, 29], [32, 34, 35]]


def test_standardised_weights_have_mean_0_and_variance_1() -> None:
    conv = fresh(StdConv2d(3, 4, 3, stride=1, dilation=1, eps=1e-12))
    x = randn(1, 3, 8, 8)
    weight = conv.weight.flatten(1)
    weight = (weight - weight.mean(1, keepdim=True)) / weight.std(1, correction=0, keepdim=True)
    wanted = F.conv2d(x, weight.reshape(conv.weight.shape), padding=1)
    torch.testing.assert_close(conv(x), wanted)
    with torch.no_grad():
        conv.weight.mul_(7.0).add_(3.0)
    torch.testing.assert_close(conv(x), wanted)


def test_constant_weights_are_standardised_in_half_precision_too() -> None:
    conv = StdConv2d(4, 4, 1, stride=1, dilation=1, eps=1e-8).half()
    nn.init.ones_(conv.weight)
    assert torch.equal(conv(torch.ones(1, 4, 2, 2).half()), torch.zeros(1, 4, 2, 2).half())


def test_a_branch_that_ends_in_a_normalisation_is_not_cut() -> None:
    model = resnetv2(PLAIN.replace(norm_layer="frntlu", preact=False))
    block = model.stages[0][0][0]
    assert isinstance(block, Bottleneck)
    assert block.norm1.tau is not None
    assert block.norm3.tau is None


def test_a_filter_response_is_divided_by_its_root_mean_square_and_cut() -> None:
    norm = fresh(FilterResponseNormTlu2d(2, eps=0.0))
    x = randn(1, 2, 5, 5)
    scaled = x / x.square().mean((2, 3), keepdim=True).sqrt()
    torch.testing.assert_close(norm(x), scaled.relu())
    assert norm.tau is not None
    nn.init.constant_(norm.tau, -0.5)
    torch.testing.assert_close(norm(x), scaled.clamp(min=-0.5))


def test_without_pooling_there_are_logits_for_each_position() -> None:
    model = resnetv2(PLAIN.replace(global_pool=""))
    x = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    assert model(x).shape == (2, 5, 2, 3)
    model.reset_classifier(7, "avg")
    assert model(x).shape == (2, 7)
