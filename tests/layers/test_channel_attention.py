"""Each attention against its formula, written out."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from tests.layers.fresh import fresh, randn
from typedvision.config.names import ChannelAttention
from typedvision.layers.channel_attention import channel_attention, reduced_channels

CHANNELS = 32
X = randn(2, CHANNELS, 5, 6)
MEAN = X.mean((2, 3))
MAX = X.amax((2, 3))


def dense(layer: nn.Module, x: Tensor) -> Tensor:
    """A 1x1 convolution as the matrix that it is, (N, C) to (N, D)."""
    bias = 0.0 if layer.bias is None else layer.bias
    return x @ layer.weight.flatten(1).T + bias


def gated(gate: Tensor) -> Tensor:
    return X * gate[:, :, None, None]


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", get_args(ChannelAttention))
def test_every_attention_keeps_the_shape_and_trains(name: ChannelAttention) -> None:
    layer = fresh(channel_attention(name, CHANNELS)).train()
    out = layer(X)
    assert out.shape == X.shape
    out.square().mean().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_se() -> None:
    layer = fresh(channel_attention("se", CHANNELS, rd_ratio=0.25))
    hidden = dense(layer.fc1, MEAN)
    assert hidden.shape == (2, 8)
    close(layer(X), gated(dense(layer.fc2, hidden.relu()).sigmoid()))


def test_ese() -> None:
    layer = fresh(channel_attention("ese", CHANNELS))
    close(layer(X), gated((dense(layer.fc, MEAN) / 6 + 0.5).clamp(0, 1)))


@pytest.mark.parametrize(("name", "circular"), [("eca", False), ("ceca", True)])
def test_eca(name: ChannelAttention, circular: bool) -> None:
    layer = fresh(channel_attention(name, CHANNELS))
    (kernel,) = layer.conv.weight[0]
    assert kernel.numel() == 3
    before, after = (MEAN.roll(shift, dims=1) for shift in (1, -1))
    if not circular:
        before[:, 0], after[:, -1] = 0.0, 0.0
    close(layer(X), gated((kernel[0] * before + kernel[1] * MEAN + kernel[2] * after).sigmoid()))


@pytest.mark.parametrize(
    ("channels", "size"), [(1, 3), (16, 3), (64, 3), (256, 5), (512, 5), (1024, 5), (4096, 7)]
)
def test_the_reach_of_eca_grows_with_the_channels(channels: int, size: int) -> None:
    layer = channel_attention("eca", channels)
    assert layer.conv.weight.shape == (1, 1, size)
    nearest = (math.log2(channels) + 1) / 2
    assert abs(size - nearest) <= 1 or size == 3


def test_ecam() -> None:
    layer = fresh(channel_attention("ecam", CHANNELS))
    hidden = MEAN[:, None] * layer.conv.weight[:, 0, 0, None] + layer.conv.bias[:, None]
    hidden = torch.nn.functional.pad(hidden.relu(), (1, 1))
    kernel = layer.conv2.weight[0]
    taps = [kernel[:, tap, None] * hidden[..., tap : tap + CHANNELS] for tap in range(3)]
    close(layer(X), gated((sum(taps).sum(1) + layer.conv2.bias).sigmoid()))


@pytest.mark.parametrize("name", ["gc", "gca"])
def test_gc(name: ChannelAttention) -> None:
    layer = fresh(channel_attention(name, CHANNELS))
    scores = (X * layer.conv_attn.weight[0]).sum(1) + layer.conv_attn.bias
    weights = scores.flatten(1).softmax(-1)
    context = (X.flatten(2) * weights[:, None]).sum(-1)
    mlp = layer.mlp_scale if name == "gc" else layer.mlp_add
    hidden = dense(mlp.fc1, context)
    assert hidden.shape == (2, 4)
    center = hidden - hidden.mean(1, keepdim=True)
    hidden = center / (center.square().mean(1, keepdim=True) + 1e-6).sqrt()
    out = dense(mlp.fc2, hidden.relu())
    close(layer(X), gated(out.sigmoid()) if name == "gc" else X + out[:, :, None, None])


@pytest.mark.parametrize(("name", "light"), [("cbam", False), ("lcbam", True)])
def test_cbam(name: ChannelAttention, light: bool) -> None:
    layer = fresh(channel_attention(name, CHANNELS))
    gate = layer.channel

    def layers(x: Tensor) -> Tensor:
        return dense(gate.fc2, dense(gate.fc1, x).relu())

    pooled = [(MEAN + MAX) / 2] if light else [MEAN, MAX]
    y = gated(sum(layers(one) for one in pooled).sigmoid())
    maps = [y.mean(1, keepdim=True), y.amax(1, keepdim=True)]
    map_ = sum(maps) / 2 if light else torch.cat(maps, dim=1)
    conv = torch.nn.functional.conv2d(map_, layer.spatial.conv.conv.weight, padding=3)
    close(layer(X), y * (conv / math.sqrt(1.0 + 1e-5)).sigmoid())


@pytest.mark.parametrize(
    ("channels", "ratio", "divisor", "limit", "wanted"),
    [
        (256, 1 / 16, 8, 0.0, 16),
        (64, 1 / 16, 8, 0.0, 8),
        (192, 1 / 16, 8, 0.0, 16),  # 12 is rounded up
        (72, 0.25, 8, 0.0, 16),  # 18 is rounded down
        (72, 0.25, 8, 0.9, 24),  # and up where that would lose too much
        (72, 0.25, 1, 0.0, 18),
        (1, 0.01, 1, 0.0, 1),
    ],
)
def test_channels_are_reduced_to_a_multiple(
    channels: int, ratio: float, divisor: int, limit: float, wanted: int
) -> None:
    assert reduced_channels(channels, ratio, divisor, limit) == wanted
