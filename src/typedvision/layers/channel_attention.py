"""Attention over the channels of a feature map: what passes is decided from the whole map.

Every module takes (N, C, H, W) to the same shape.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import Activation, ChannelAttention
from typedvision.config.rounding import round_channels
from typedvision.layers.activation import activation
from typedvision.layers.fuse import Pairs
from typedvision.layers.norm import LayerNorm2d


def channel_attention(
    name: ChannelAttention,
    channels: int,
    rd_ratio: float | None = None,
    act: Activation = "relu",
) -> nn.Module:
    """An attention by name.

    Args:
        name: which one.
        channels: number of channels of the map.
        rd_ratio: channels inside, as a share of `channels`; None for the paper's. `ese`, `eca` and
            `ceca` have none inside.
        act: the activation inside.
    """
    match name:
        case "se":
            return SqueezeExcite(channels, reduced_channels(channels, rd_ratio or 1 / 16), act)
        case "ese":
            return EffectiveSqueezeExcite(channels)
        case "eca":
            return EfficientChannelAttention(channels)
        case "ceca":
            return EfficientChannelAttention(channels, circular=True)
        case "ecam":
            reduced = reduced_channels(channels, rd_ratio or 1 / 8, round_limit=0.9)
            return EfficientChannelMlp(channels, reduced, act)
        case "gc" | "gca":
            reduced = reduced_channels(channels, rd_ratio or 1 / 8, divisor=1)
            return GlobalContext(channels, reduced, scale=name == "gc", act=act)
        case "cbam" | "lcbam":
            reduced = reduced_channels(channels, rd_ratio or 1 / 16, divisor=1)
            return BlockAttention(channels, reduced, light=name == "lcbam", act=act)


def reduced_channels(
    channels: int, ratio: float, divisor: int = 8, round_limit: float = 0.0
) -> int:
    """`channels * ratio`, rounded to a multiple of `divisor`: at least that, and never to less than
    `round_limit` of it."""
    return round_channels(channels * ratio, divisor, round_limit)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507, section 3).

    Args:
        channels: C.
        reduced: channels inside.
        act: the activation between both layers.
        norm: whether a batch normalisation stands before the activation.
        bias: whether both layers have a bias.
    """

    folds: ClassVar[Pairs] = (("fc1", "bn"),)

    def __init__(
        self,
        channels: int,
        reduced: int,
        act: Activation = "relu",
        *,
        norm: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.fc1: nn.Conv2d = nn.Conv2d(channels, reduced, 1, bias=bias)
        self.bn: nn.Module = nn.BatchNorm2d(reduced) if norm else nn.Identity()
        self.act: nn.Module = activation(act)
        self.fc2: nn.Conv2d = nn.Conv2d(reduced, channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Gate each channel by two layers on the channels' means."""
        squeezed = x.mean((2, 3), keepdim=True)
        return x * self.fc2(self.act(self.bn(self.fc1(squeezed)))).sigmoid()


class MobileSqueezeExcite(nn.Module):
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507, section 3), under the names that it
    has in the checkpoints of mobile networks.

    Args:
        channels: C.
        reduced: channels inside.
        act: the activation between both layers.
        gate: what the second layer's output goes through before it scales the map.
    """

    def __init__(
        self, channels: int, reduced: int, act: Activation, gate: Activation = "sigmoid"
    ) -> None:
        super().__init__()
        self.conv_reduce: nn.Conv2d = nn.Conv2d(channels, reduced, 1)
        self.act1: nn.Module = activation(act)
        self.conv_expand: nn.Conv2d = nn.Conv2d(reduced, channels, 1)
        self.gate: nn.Module = activation(gate)

    def forward(self, x: Tensor) -> Tensor:
        """Gate each channel by two layers on the channels' means."""
        squeezed = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.conv_expand(self.act1(self.conv_reduce(squeezed))))


class EffectiveSqueezeExcite(nn.Module):
    """Squeeze-and-excitation by one layer (https://arxiv.org/abs/1911.06667, section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc: nn.Conv2d = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Gate each channel by one layer on the channels' means."""
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class EfficientChannelAttention(nn.Module):
    """ECA (https://arxiv.org/abs/1910.03151): a 1-D convolution along the channels' means.

    Args:
        channels: decides the kernel's size, by equation 12.
        circular: the first and the last channel are neighbours.
        bias: whether the convolution has a bias.
    """

    def __init__(self, channels: int, circular: bool = False, bias: bool = False) -> None:
        super().__init__()
        size = _eca_kernel(channels)
        self.reach: int = size // 2 if circular else 0
        self.conv: nn.Conv1d = nn.Conv1d(
            1, 1, size, padding=0 if circular else size // 2, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """Gate each channel by its neighbours' means."""
        means = x.mean((2, 3))[:, None]
        if self.reach:
            means = F.pad(means, (self.reach, self.reach), mode="circular")
        return x * self.conv(means).sigmoid()[:, 0, :, None, None]


class EfficientChannelMlp(nn.Module):
    """ECA with a hidden layer between two 1-D convolutions."""

    def __init__(self, channels: int, reduced: int, act: Activation = "relu") -> None:
        super().__init__()
        size = _eca_kernel(channels)
        self.conv: nn.Conv1d = nn.Conv1d(1, reduced, 1)
        self.act: nn.Module = activation(act)
        self.conv2: nn.Conv1d = nn.Conv1d(reduced, 1, size, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Gate each channel by its neighbours' means."""
        means = x.mean((2, 3))[:, None]
        return x * self.conv2(self.act(self.conv(means))).sigmoid()[:, 0, :, None, None]


class GlobalContext(nn.Module):
    """Global context (https://arxiv.org/abs/1904.11492, figure 4d): attentive pooling, then two
    layers whose result scales the map, or is added to it."""

    def __init__(self, channels: int, reduced: int, scale: bool, act: Activation = "relu") -> None:
        super().__init__()
        self.conv_attn: nn.Conv2d = nn.Conv2d(channels, 1, 1)
        self.mlp_scale: _ContextMlp | None = _ContextMlp(channels, reduced, act) if scale else None
        self.mlp_add: _ContextMlp | None = None if scale else _ContextMlp(channels, reduced, act)

    def forward(self, x: Tensor) -> Tensor:
        """Scale by, or add, what the attended mean of the map says."""
        weights = self.conv_attn(x).flatten(2).softmax(-1)  # (N, 1, HW)
        context = (x.flatten(2) @ weights.transpose(1, 2))[..., None]  # (N, C, 1, 1)
        if self.mlp_scale is not None:
            x = x * self.mlp_scale(context).sigmoid()
        if self.mlp_add is not None:
            x = x + self.mlp_add(context)
        return x


class _ContextMlp(nn.Module):
    def __init__(self, channels: int, reduced: int, act: Activation) -> None:
        super().__init__()
        self.fc1: nn.Conv2d = nn.Conv2d(channels, reduced, 1)
        self.norm: LayerNorm2d = LayerNorm2d(reduced, eps=1e-6)
        self.act: nn.Module = activation(act)
        self.fc2: nn.Conv2d = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 1, 1) to the same shape."""
        return self.fc2(self.act(self.norm(self.fc1(x))))


class BlockAttention(nn.Module):
    """CBAM (https://arxiv.org/abs/1807.06521): channels first, then positions.

    Args:
        channels: number of channels of the map.
        reduced: channels inside of the channel attention.
        light: pool by the average of mean and maximum, instead of by each of them.
    """

    def __init__(self, channels: int, reduced: int, light: bool, act: Activation = "relu") -> None:
        super().__init__()
        self.channel: _ChannelGate = _ChannelGate(channels, reduced, light, act)
        self.spatial: _SpatialGate = _SpatialGate(light)

    def forward(self, x: Tensor) -> Tensor:
        """Gate channels, then positions."""
        return self.spatial(self.channel(x))


class _ChannelGate(nn.Module):
    def __init__(self, channels: int, reduced: int, light: bool, act: Activation) -> None:
        super().__init__()
        self.light = light
        self.fc1: nn.Conv2d = nn.Conv2d(channels, reduced, 1, bias=False)
        self.act: nn.Module = activation(act)
        self.fc2: nn.Conv2d = nn.Conv2d(reduced, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        if self.light:
            return x * self._layers(0.5 * mean + 0.5 * largest).sigmoid()
        return x * (self._layers(mean) + self._layers(largest)).sigmoid()

    def _layers(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class _SpatialGate(nn.Module):
    def __init__(self, light: bool) -> None:
        super().__init__()
        self.light = light
        self.conv: _ConvNorm = _ConvNorm(1 if light else 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        mean, largest = x.mean(1, keepdim=True), x.amax(1, keepdim=True)
        pooled = 0.5 * mean + 0.5 * largest if self.light else torch.cat((mean, largest), dim=1)
        return x * self.conv(pooled).sigmoid()


class _ConvNorm(nn.Module):
    folds: ClassVar[Pairs] = (("conv", "bn"),)

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(in_channels, 1, 7, padding=3, bias=False)
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 1, H, W)."""
        return self.bn(self.conv(x))


def _eca_kernel(channels: int) -> int:
    """The nearest odd number to (log2 C + 1) / 2, rounding up from even; at least 3."""
    nearest = int(abs(math.log2(channels) + 1) / 2)
    return max(nearest if nearest % 2 else nearest + 1, 3)
