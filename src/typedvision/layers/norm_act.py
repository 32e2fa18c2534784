"""Normalisations that end in a non-linearity, by name.

The non-linearity is the module's `act`. Every module takes (N, C, H, W) to the same shape.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.config.names import Activation, ConvNormAct
from typedvision.layers.activation import activation
from typedvision.layers.conv import conv2d
from typedvision.layers.init import Inits, ones, zeros
from typedvision.layers.norm import LayerNorm2d, RMSNorm2d


def norm_act(
    name: ConvNormAct,
    channels: int,
    act: Activation | None,
    *,
    eps: float | None = None,
    momentum: float = 0.1,
    group_size: int | None = None,
) -> nn.Module:
    """A normalisation of feature maps (N, `channels`, H, W), then a non-linearity.

    Args:
        name: which normalisation.
        channels: number of channels.
        act: the non-linearity; None for none. `evonorms0` has its own.
        eps: added to the variance; None for the usual value of the layer.
        momentum: weight of a new batch in the running statistics of a batch normalisation.
        group_size: channels of a group of `groupnorm` or `evonorms0`; None for 32 groups.
    """
    groups = channels // group_size if group_size else 32
    match name:
        case "batchnorm2d":
            return BatchNormAct2d(channels, act, eps or 1e-5, momentum)
        case "evonorms0":
            return EvoNorm2dS0(channels, groups, eps or 1e-5, nonlinear=act is not None)
        case "groupnorm":
            return GroupNormAct(channels, groups, act, eps or 1e-5)
        case "groupnorm1":
            return GroupNormAct(channels, 1, act, eps or 1e-5)
        case "layernorm2d":
            return LayerNormAct2d(channels, act, eps or 1e-5)
        case "rmsnorm2d":
            return RMSNormAct2d(channels, act, eps or 1e-6)


class Conv2dNormAct(nn.Module):
    """A convolution without a bias, a normalisation and a non-linearity.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        act: the non-linearity; None for none.
        norm_layer: the normalisation.
        norm_group_size: channels of its groups, where it has groups; None for 32 groups.
        stride: input positions for each output position, s.
        dilation: distance of the kernel's elements.
        groups: groups of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        act: Activation | None,
        *,
        norm_layer: ConvNormAct = "batchnorm2d",
        norm_group_size: int | None = None,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups
        )
        self.bn: nn.Module = norm_act(norm_layer, out_channels, act, group_size=norm_group_size)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.bn(self.conv(x))


class BatchNormAct2d(nn.BatchNorm2d):
    """Batch normalisation, then a non-linearity."""

    def __init__(self, channels: int, act: Activation | None, eps: float, momentum: float) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        self.act: nn.Module = _act(act)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel over the batch and positions."""
        return self.act(super().forward(input))


class GroupNormAct(nn.GroupNorm):
    """Group normalisation, then a non-linearity."""

    def __init__(self, channels: int, groups: int, act: Activation | None, eps: float) -> None:
        super().__init__(groups, channels, eps=eps)
        self.act: nn.Module = _act(act)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each group of channels over itself and positions."""
        return self.act(super().forward(input))


class LayerNormAct2d(LayerNorm2d):
    """Layer normalisation over channels, then a non-linearity."""

    def __init__(self, channels: int, act: Activation | None, eps: float) -> None:
        super().__init__(channels, eps=eps)
        self.act: nn.Module = _act(act)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each position over its channels."""
        return self.act(super().forward(input))


class RMSNormAct2d(RMSNorm2d):
    """Division by the root mean square of the channels, then a non-linearity."""

    def __init__(self, channels: int, act: Activation | None, eps: float) -> None:
        super().__init__(channels, eps=eps)
        self.act: nn.Module = _act(act)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each position by the root mean square of its channels."""
        return self.act(super().forward(x))


class EvoNorm2dS0(nn.Module):
    """EvoNorm-S0 (https://arxiv.org/abs/2004.02967, table 2): x * sigmoid(v x) / group_std(x).

    Args:
        channels: number of channels.
        groups: number of groups whose deviation divides.
        eps: added to the variance.
        nonlinear: False leaves the scale and the shift alone.
    """

    def __init__(self, channels: int, groups: int, eps: float, nonlinear: bool) -> None:
        super().__init__()
        self.groups = groups
        self.eps = eps
        self.weight: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.v: nn.Parameter | None = nn.Parameter(torch.empty(channels)) if nonlinear else None

    def inits(self) -> Inits:
        """Swish over the deviation."""
        return {"weight": ones, "bias": zeros, "v": ones}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if self.v is not None:
            gate = torch.sigmoid(x * self.v[:, None, None])
            x = x * gate / self._deviation(x)
        return x * self.weight[:, None, None] + self.bias[:, None, None]

    def _deviation(self, x: Tensor) -> Tensor:
        grouped = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        variance = grouped.var((2, 3, 4), correction=0, keepdim=True)
        return (variance + self.eps).sqrt().expand_as(grouped).reshape(x.shape)


def _act(name: Activation | None) -> nn.Module:
    return nn.Identity() if name is None else activation(name)
