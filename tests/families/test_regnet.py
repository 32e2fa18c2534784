"""What is particular to RegNet."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.regnet.config import RegNetConfig
from typedvision.families.regnet.model import Bottleneck, PreBottleneck, RegNet

SMALL = RegNetConfig(depth=8, w0=16, wa=16.0, wm=2.0, group_size=8, num_classes=5)

CONFLICTS = [
    ({"w0": 20}, "w0"),
    ({"w0": 1, "wa": 3.0, "group_min_ratio": 0.9}, "w0"),
    ({"depth": 3}, "depth"),
    ({"depth": 64}, "depth"),
    ({"preact": True, "linear_out": True}, "linear_out"),
    ({"bottle_ratio": 0.01}, "bottle_ratio"),
    ({"bottle_ratio": 3.3}, "bottle_ratio"),
    ({"se_ratio": 0.01}, "se_ratio"),
    ({"norm_layer": "groupnorm"}, "norm_group_size"),
    ({"norm_group_size": 8}, "norm_group_size"),
    ({"global_pool": ""}, "global_pool"),
]


def regnet(cfg: RegNetConfig) -> RegNet:
    model = tv.create_model(cfg, seed=0, dtype=torch.float64)
    assert isinstance(model, RegNet)
    return model.eval()


def blocks(cfg: RegNetConfig) -> list[tuple[int, int, int]]:
    """Blocks, width and groups of each stage."""
    return [
        (len(stage.blocks), stage.channels, stage.blocks[0].groups) for stage in cfg.plan().stages
    ]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_the_widths_are_those_of_the_paper() -> None:
    """Table 8 of the paper, RegNetX-200MF: depths 1, 1, 4, 7 and widths 24, 56, 152, 368."""
    small = tv.configure("regnetx_002")
    assert isinstance(small, RegNetConfig)
    assert blocks(small) == [(1, 24, 3), (1, 56, 7), (4, 152, 19), (7, 368, 46)]


def test_half_a_group_is_rounded_to_even_or_up() -> None:
    to_even, up = tv.configure("regnetx_004"), tv.configure("regnetx_004_tv")
    assert isinstance(to_even, RegNetConfig)
    assert isinstance(up, RegNetConfig)
    assert blocks(to_even)[-1] == (12, 384, 24)  # of 392, 24.5 groups of 16
    assert blocks(up)[-1] == (12, 400, 25)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9, 1.0])
def test_nine_tenths_of_a_width_are_kept_at_any_ratio(ratio: float) -> None:
    cfg = SMALL.replace(depth=7, wa=13.2, wm=1.87, group_size=24, group_min_ratio=ratio)
    assert [stage.channels for stage in cfg.plan().stages] == [16, 48, 72, 96]


def test_the_width_follows_from_the_rounded_output() -> None:
    cfg = SMALL.replace(
        depth=15, wa=11.89, wm=2.59, group_size=1, bottle_ratio=3.3, downsample="avg"
    )
    assert [(stage.blocks[0].width, stage.channels) for stage in cfg.plan().stages] == [
        (50, 15),
        (132, 40),
        (340, 103),
        (924, 280),
    ]


def test_a_change_of_dilation_alone_has_a_shortcut_with_weights() -> None:
    """Four stages of 56, 64, 72 and 80 channels, all rounded to two groups of 32."""
    cfg = SMALL.replace(depth=4, w0=56, wa=8.0, wm=1.125, group_size=32, output_stride=16)
    last = cfg.plan().stages[-1].blocks[0]
    assert (last.in_channels, last.out_channels, last.stride) == (64, 64, 1)
    assert last.shortcut == "conv1x1"
    assert cfg.replace(downsample=None).plan().stages[-1].blocks[0].shortcut is None


def test_an_inverted_bottleneck_is_wide_inside() -> None:
    block = SMALL.replace(bottle_ratio=4.0).plan().stages[0].blocks[0]
    assert (block.width, block.groups, block.out_channels) == (64, 8, 16)


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [(32, [4, 8, 16, 32], [1, 1]), (16, [4, 8, 16, 16], [1, 2]), (8, [4, 8, 8, 8], [2, 4])],
)
def test_later_stages_dilate_instead(
    output_stride: int, strides: list[int], dilations: list[int]
) -> None:
    stages = SMALL.replace(output_stride=output_stride).plan().stages
    assert [stage.reduction for stage in stages] == strides
    assert [stage.blocks[-1].dilation for stage in stages[2:]] == dilations


def test_a_block_without_a_shortcut_is_its_branch_alone() -> None:
    model = regnet(SMALL.replace(downsample=None))
    first = model.s1[0]
    assert isinstance(first, Bottleneck)
    x = torch.rand(1, 32, 8, 8, dtype=torch.float64)
    branch = first.conv3(first.se(first.conv2(first.conv1(x))))
    torch.testing.assert_close(first(x), branch.relu())
    assert isinstance(model.s4[-1].downsample, nn.Identity)


def test_blocks_are_the_identity_at_first() -> None:
    model = regnet(SMALL)
    x = torch.rand(1, 128, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(model.s4[-1](x), x)
    other = regnet(SMALL.replace(zero_init_last=False))
    assert not torch.equal(other.s4[-1](x), x)


def test_the_shortcut_sees_what_is_normalised_first() -> None:
    model = regnet(SMALL.replace(preact=True))
    last = model.s4[-1]
    assert isinstance(last, PreBottleneck)
    nn.init.zeros_(last.conv3.weight)
    x = torch.randn(1, 128, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(last(x), last.act1(last.norm1(x)))
    assert isinstance(model.stem, nn.Conv2d)


def test_the_last_map_goes_through_a_convolution_or_a_nonlinearity() -> None:
    assert isinstance(regnet(SMALL).final_conv, nn.Identity)
    assert isinstance(regnet(SMALL.replace(linear_out=True)).final_conv, nn.ReLU)
    wide = regnet(SMALL.replace(num_features=48))
    assert wide.forward_features(torch.rand(1, 3, 64, 64, dtype=torch.float64)).shape[1] == 48
    assert wide.num_features == wide.head_hidden_size == 48
