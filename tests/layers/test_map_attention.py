"""Attention over branches and over positions, each against its formula, written out."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import typedvision as tv
from tests.layers.fresh import fresh, randn
from typedvision.config.names import MapAttention
from typedvision.layers.map_attention import map_attention

CHANNELS = 16
SIZES = {"bat": (14, 21), "halo": (16, 24)}
"""Height and width of a map, where an attention does not take any."""


def layer_and_map(name: MapAttention) -> tuple[nn.Module, Tensor]:
    layer = fresh(map_attention(name, CHANNELS))
    with torch.no_grad():
        for index, parameter in enumerate(layer.parameters()):  # zeros would hide mistakes
            parameter.add_(randn(*parameter.shape, seed=index) * 0.1)
    return layer, randn(2, CHANNELS, *SIZES.get(name, (6, 7)), seed=99)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def norm(layer: nn.Module, x: Tensor) -> Tensor:
    """A fresh batch normalisation, whose statistics are 0 and 1."""
    shape = (-1, 1, 1)
    return x / math.sqrt(1 + 1e-5) * layer.weight.view(shape) + layer.bias.view(shape)


def conv_norm_relu(layer: nn.Module, x: Tensor) -> Tensor:
    return norm(layer.bn, F.conv2d(x, layer.conv.weight)).relu()


def dense(layer: nn.Module, x: Tensor) -> Tensor:
    """A 1x1 convolution as the matrix that it is, of (N, C, ...)."""
    y = torch.tensordot(layer.weight.flatten(1), x, dims=([1], [1])).transpose(0, 1)
    return y if layer.bias is None else y + layer.bias.view(-1, *[1] * (x.ndim - 2))


@pytest.mark.parametrize("name", get_args(MapAttention))
def test_every_attention_keeps_the_shape_and_trains(name: MapAttention) -> None:
    layer, x = layer_and_map(name)
    out = layer.train()(x)
    assert out.shape == x.shape
    out.square().mean().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_sk() -> None:
    layer, x = layer_and_map("sk")
    branches = []
    for dilation, path, half in zip((1, 2), layer.paths, (x[:, :8], x[:, 8:]), strict=True):
        y = F.conv2d(half, path.conv.weight, padding=dilation, dilation=dilation)
        branches.append(norm(path.bn, y).relu())
    first, second = branches
    hidden = dense(layer.attn.fc_reduce, (first + second).mean((2, 3), keepdim=True))
    assert hidden.shape[1] == 8
    scores = dense(layer.attn.fc_select, norm(layer.attn.bn, hidden).relu())
    share = (scores[:, :CHANNELS] - scores[:, CHANNELS:]).sigmoid()
    close(layer(x), share * first + (1 - share) * second)


def test_splat() -> None:
    layer, x = layer_and_map("splat")
    weight = layer.conv.weight
    first, second = (
        F.conv2d(x[:, part], weight[split], padding=1).relu()
        for part, split in (
            (slice(0, 8), slice(0, CHANNELS)),
            (slice(8, 16), slice(CHANNELS, 2 * CHANNELS)),
        )
    )
    hidden = dense(layer.fc1, (first + second).mean((2, 3), keepdim=True)).relu()
    assert hidden.shape[1] == 32
    scores = dense(layer.fc2, hidden)
    share = (scores[:, :CHANNELS] - scores[:, CHANNELS:]).sigmoid()
    close(layer(x), share * first + (1 - share) * second)


def test_nl() -> None:
    layer, x = layer_and_map("nl")
    q, k, v = (dense(part, x.flatten(2)) for part in (layer.t, layer.p, layer.g))
    weights = (q.transpose(1, 2) @ k / math.sqrt(CHANNELS)).softmax(-1)
    y = dense(layer.z, v @ weights.transpose(1, 2)).reshape(x.shape)
    close(layer(x), x + norm(layer.norm, y))


def test_a_fresh_nl_is_the_identity() -> None:
    x = randn(1, CHANNELS, 4, 5)
    close(fresh(map_attention("nl", CHANNELS))(x), x)


def test_bat_mixes_bands_of_rows_and_of_columns() -> None:
    layer, x = layer_and_map("bat")
    inner = conv_norm_relu(layer.conv1, x)
    pooled = conv_norm_relu(layer.ba.conv1, inner)
    rows = pooled.unflatten(2, (7, -1)).amax((3, 4))[..., None]
    columns = pooled.unflatten(3, (7, -1)).amax((2, 4))[:, :, None]
    p, q = (
        (conv(maxima).sigmoid()).reshape(2, 2, 7, 7)
        for conv, maxima in ((layer.ba.conv_p, rows), (layer.ba.conv_q, columns))
    )
    height, width = x.shape[2:]
    mixed = torch.empty_like(inner)
    for image in range(2):
        for channel in range(inner.shape[1]):
            group = channel * 2 // inner.shape[1]
            left = p[image, group] / p[image, group].sum(1, keepdim=True)
            right = q[image, group] / q[image, group].sum(0, keepdim=True)
            left = torch.kron(left, torch.eye(height // 7, dtype=left.dtype))
            right = torch.kron(right, torch.eye(width // 7, dtype=left.dtype))
            mixed[image, channel] = left @ inner[image, channel] @ right
    y = conv_norm_relu(layer.conv2, conv_norm_relu(layer.ba.conv2, mixed))
    close(layer(x), x + y)


def test_lambda() -> None:
    layer, x = layer_and_map("lambda")
    q, k, v = dense(layer.qkv, x).split((64, 16, 4), dim=1)
    q, v = norm(layer.norm_q, q), norm(layer.norm_v, v)
    content = torch.einsum("ndt,nvt->ndv", k.flatten(2).softmax(-1), v.flatten(2))
    weight, bias = layer.conv_lambda.weight[:, 0, :, :, 0], layer.conv_lambda.bias
    position = F.conv2d(v.flatten(0, 1)[:, None], weight[:, None], bias, padding=4)
    position = position.reshape(2, 4, 16, *x.shape[2:])  # (N, V, d, H, W)
    lambdas = content.transpose(1, 2)[..., None, None] + position
    heads = [(head[:, None] * lambdas).sum(2) for head in q.split(16, dim=1)]
    close(layer(x), torch.cat(heads, dim=1))


def test_halo() -> None:
    layer, x = layer_and_map("halo")
    y = layer(x)
    q, kv = dense(layer.q, x), F.pad(dense(layer.kv, x), (3, 3, 3, 3))
    table = layer.pos_embed
    for row, column in ((0, 0), (5, 12), (8, 7), (15, 23)):
        top, left = row // 8 * 8, column // 8 * 8
        window = kv[:, :, top : top + 14, left : left + 14].unflatten(1, (8, 4))
        k, v = window.split(2, dim=2)  # two features to each of eight heads
        query = q[:, :, row, column].unflatten(1, (8, 2))
        rows = torch.stack([table.height_rel[13 + key - row % 8] for key in range(14)])
        columns = torch.stack([table.width_rel[13 + key - column % 8] for key in range(14)])
        scores = torch.einsum("nhd,nhdrc->nhrc", query, k) / math.sqrt(2)
        scores = scores + torch.einsum("nhd,rd->nhr", query, rows)[..., None]
        scores = scores + torch.einsum("nhd,cd->nhc", query, columns)[:, :, None]
        weights = scores.flatten(2).softmax(-1)
        wanted = torch.einsum("nht,nhdt->nhd", weights, v.flatten(3)).flatten(1)
        close(y[:, :, row, column], wanted)


@pytest.mark.parametrize(("name", "multiple"), [("bat", 7), ("halo", 8)])
def test_a_map_of_another_size_is_refused(name: MapAttention, multiple: int) -> None:
    with pytest.raises(tv.UsageError, match=f"multiples of {multiple}; got 16 x 15"):
        map_attention(name, CHANNELS)(randn(1, CHANNELS, 16, 15).float())


@pytest.mark.parametrize(
    ("name", "tensor", "std"),
    [
        ("nl", "t.weight", math.sqrt(2 / 8)),
        ("nl", "t.bias", 0.0),
        ("lambda", "conv_lambda.weight", 1 / 4),
        ("lambda", "conv_lambda.bias", 1 / 9 / math.sqrt(3)),
        ("halo", "pos_embed.height_rel", 1 / math.sqrt(8)),
    ],
)
def test_how_an_attention_is_initialised(name: MapAttention, tensor: str, std: float) -> None:
    values = fresh(map_attention(name, 64)).get_parameter(tensor)
    assert values.std().item() == pytest.approx(std, rel=0.5 if values.numel() < 32 else 0.2)


@pytest.mark.parametrize(
    ("name", "module", "ratio", "reduced"),
    [
        ("sk", "attn.fc_reduce", None, 16),  # 9, rounded down to 8, would lose too much
        ("sk", "attn.fc_reduce", 0.25, 40),
        ("splat", "fc1", None, 72),
        ("splat", "fc1", 0.01, 32),
        ("nl", "t", None, 24),
        ("bat", "conv1.conv", None, 40),
    ],
)
def test_the_channels_inside(
    name: MapAttention, module: str, ratio: float | None, reduced: int
) -> None:
    layer = map_attention(name, 144, ratio).get_submodule(module)
    assert isinstance(layer, nn.Conv2d)
    assert layer.out_channels == reduced
