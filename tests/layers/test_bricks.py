"""Small layers against their formulas, written out."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from tests.layers.fresh import fresh, randn
from typedvision.config.names import ActivationName, ConvPoolName
from typedvision.layers.activation import activation
from typedvision.layers.blur import BlurPool2d
from typedvision.layers.drop import DropBlock2d, DropPath
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import GlobalResponseNormMlp, Mlp
from typedvision.layers.norm import GlobalResponseNorm, LayerNorm2d, RMSNorm2d, SimpleNorm2d
from typedvision.layers.pool import AvgPool2dSame, GlobalPool, pooled_features

X = randn(2, 4, 6, 8)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


FORMULAS = {
    "celu": lambda x: x.clamp(min=0) + (x.exp() - 1).clamp(max=0),
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + torch.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2,
    "hard_mish": lambda x: x / 2 * (x + 2).clamp(0, 2),
    "hard_sigmoid": lambda x: (x / 6 + 0.5).clamp(0, 1),
    "hard_swish": lambda x: x * (x / 6 + 0.5).clamp(0, 1),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "mish": lambda x: x * (1 + x.exp()).log().tanh(),
    "prelu": lambda x: torch.where(x > 0, x, 0.25 * x),
    "quick_gelu": lambda x: x / (1 + (-1.702 * x).exp()),
    "relu": lambda x: x.clamp(min=0),
    "relu6": lambda x: x.clamp(0, 6),
    "selu": lambda x: (
        1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * (x.exp() - 1))
    ),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "silu": lambda x: x / (1 + (-x).exp()),
    "swish": lambda x: x / (1 + (-x).exp()),
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
}


def test_every_activation_has_a_formula() -> None:
    assert FORMULAS.keys() == set(get_args(ActivationName))


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_is_its_formula(name: ActivationName) -> None:
    x = torch.linspace(-8, 8, 101, dtype=torch.float64)
    close(fresh(activation(name))(x.clone()), FORMULAS[name](x))


def test_layer_norm_is_over_channels() -> None:
    layer = fresh(LayerNorm2d(4, eps=1e-6))
    center = X - X.mean(1, keepdim=True)
    close(layer(X), center / (center.square().mean(1, keepdim=True) + 1e-6).sqrt())


def test_rms_norm_is_over_channels() -> None:
    layer = fresh(RMSNorm2d(4, eps=1e-6))
    close(layer(X), X / (X.square().mean(1, keepdim=True) + 1e-6).sqrt())


def test_simple_norm_is_over_channels() -> None:
    layer = fresh(SimpleNorm2d(4, eps=1e-6))
    center = X - X.mean(1, keepdim=True)
    close(layer(X), X / (center.square().sum(1, keepdim=True) / 3 + 1e-6).sqrt())


@pytest.mark.parametrize("channels_last", [False, True])
def test_global_response_norm_is_over_the_map(channels_last: bool) -> None:
    layer = fresh(GlobalResponseNorm(4, channels_last=channels_last))
    x = X.permute(0, 2, 3, 1) if channels_last else X
    close(layer(x), x)
    nn.init.constant_(layer.weight, 2.0)
    nn.init.constant_(layer.bias, 3.0)
    energy = X.square().sum((2, 3), keepdim=True).sqrt()
    wanted = X + 2 * X * energy / (energy.mean(1, keepdim=True) + 1e-6) + 3
    close(layer(x), wanted.permute(0, 2, 3, 1) if channels_last else wanted)


@pytest.mark.parametrize("kind", [Mlp, GlobalResponseNormMlp])
def test_an_mlp_of_convolutions_computes_what_one_of_linear_layers_does(
    kind: type[Mlp | GlobalResponseNormMlp],
) -> None:
    linear, conv = (fresh(kind(4, 8, nn.GELU(), use_conv=conv)) for conv in (False, True))
    for one, other in zip(conv.parameters(), linear.parameters(), strict=True):
        one.data = randn(*one.shape)
        other.data = one.data.view(other.shape)
    close(conv(X), linear(X.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_layer_scale_multiplies_each_feature() -> None:
    layer = fresh(LayerScale(8, 1e-5))
    close(layer(X), X * torch.tensor(1e-5).double())


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("constant", [False, True])
def test_blur_is_a_binomial_average(stride: int, constant: bool) -> None:
    layer = fresh(BlurPool2d(4, stride, constant=constant))
    padded = nn.functional.pad(X, (1, 1, 1, 1), mode="constant" if constant else "reflect")
    weights = {-1: 0.25, 0: 0.5, 1: 0.25}
    blurred = sum(
        weights[dy] * weights[dx] * padded[:, :, 1 + dy : 7 + dy, 1 + dx : 9 + dx]
        for dy in weights
        for dx in weights
    )
    close(layer(X), blurred[:, :, ::stride, ::stride])


@pytest.mark.parametrize("kind", get_args(ConvPoolName))
def test_a_map_is_pooled(kind: ConvPoolName) -> None:
    flat = X.flatten(2)
    wanted = {
        "": X,
        "avg": flat.mean(-1),
        "max": flat.max(-1).values,
        "avgmax": (flat.mean(-1) + flat.max(-1).values) / 2,
        "catavgmax": torch.cat([flat.mean(-1), flat.max(-1).values], dim=1),
    }["avg" if kind == "fast" else kind.removeprefix("fast")]
    close(GlobalPool(kind)(X), wanted)
    assert wanted.shape[1] == pooled_features(kind, 4)


def test_average_pooling_keeps_the_size() -> None:
    padded = nn.functional.pad(X, (0, 1, 0, 1))
    wanted = sum(padded[:, :, dy : 6 + dy, dx : 8 + dx] for dy in (0, 1) for dx in (0, 1)) / 4
    close(AvgPool2dSame(2)(X), wanted)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_paths_are_dropped_by_image(rate: float) -> None:
    torch.manual_seed(0)
    layer, x = DropPath(rate), torch.ones(20_000, 2, 3)
    assert torch.equal(layer.eval()(x), x)
    out = layer.train()(x)
    kept = out[:, 0, 0] != 0
    assert torch.equal(out, out[:, :1, :1].expand_as(out))
    assert kept.float().mean().item() == pytest.approx(1 - rate, abs=0.02)
    if rate < 1:
        assert out[kept].unique().item() == pytest.approx(1 / (1 - rate))


@pytest.mark.parametrize(
    ("rate", "block", "scale", "size"), [(0.1, 3, 1.0, 9), (0.1, 5, 0.25, 14), (0.05, 7, 1.0, 20)]
)
def test_blocks_are_dropped_as_often_as_they_start(
    rate: float, block: int, scale: float, size: int
) -> None:
    torch.manual_seed(0)
    layer, x = DropBlock2d(rate, block, scale), torch.ones(4_000, 2, size, size)
    assert torch.equal(layer.eval()(x), x)
    out = layer.train()(x)
    dropped = out == 0
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    # A position stays where none of the blocks that reach it starts.
    gamma = scale * rate * size**2 / (block**2 * (size - block + 1) ** 2)
    reach = [min(i + block // 2, size - 1) - max(i - block // 2, 0) + 1 for i in range(size)]
    stays = torch.tensor([[(1 - gamma) ** (a * b) for a in reach] for b in reach])
    share = (~dropped[:, 0]).float().mean(0)
    torch.testing.assert_close(share, stays, rtol=0, atol=0.04)
    assert share.mean().item() == pytest.approx(stays.mean().item(), abs=0.01)
    assert out.mean().item() == pytest.approx(1.0, abs=1e-5)
    assert out[~dropped].unique().numel() == 1


def test_a_dropped_block_is_square() -> None:
    torch.manual_seed(0)
    out = DropBlock2d(0.001, 3).train()(torch.ones(5_000, 1, 9, 9))
    counts = (out == 0).sum((1, 2, 3))
    assert counts.max() > 0
    assert (counts == 9).sum() > 20
