"""Normalisations with the activations that follow them, by name."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from typedvision.config.names import Activation, ConvNormAct
from typedvision.layers.activation import activation
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import Initializers, ones, zeros
from typedvision.layers.norm import LayerNorm2d, RMSNorm2d


def norm_act(
    name: ConvNormAct | Literal["evonorms0a"],
    channels: int,
    act: Activation | None,
    *,
    eps: float | None = None,
    momentum: float = 0.1,
    group_size: int | None = None,
) -> tuple[nn.Module, nn.Module]:
    """A normalisation of feature maps (N, `channels`, H, W), and the activation that follows it.

    Two modules, as tools that fuse, convert or quantise know them.

    Args:
        name: which normalisation.
        channels: number of channels.
        act: the activation; None for none. `evonorms0` has its own inside: the identity follows;
            without one, it scales and shifts alone, and `evonorms0a` divides, too.
        eps: added to the variance; None for the usual value of the layer.
        momentum: weight of a new batch in the running statistics of a batch normalisation.
        group_size: channels of a group of `groupnorm` or `evonorms0`; None for 32 groups.
    """
    groups = channels // group_size if group_size else 32
    if name == "evonorms0" or name == "evonorms0a":
        nonlinear, always = act is not None, name == "evonorms0a"
        eps = eps or (1e-3 if always else 1e-5)
        norm = EvoNorm2dS0(channels, groups, eps, nonlinear, divides=nonlinear or always)
        return norm, nn.Identity()
    follows = nn.Identity() if act is None else activation(act)
    match name:
        case "batchnorm2d":
            return nn.BatchNorm2d(channels, eps or 1e-5, momentum), follows
        case "groupnorm":
            return nn.GroupNorm(groups, channels, eps or 1e-5), follows
        case "groupnorm1":
            return nn.GroupNorm(1, channels, eps or 1e-5), follows
        case "layernorm2d":
            return LayerNorm2d(channels, eps or 1e-5), follows
        case "rmsnorm2d":
            return RMSNorm2d(channels, eps or 1e-6), follows


class Conv2dNormAct(nn.Module):
    """A convolution without a bias, a normalisation and an activation.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        act: the activation; None for none.
        norm_layer: the normalisation.
        norm_group_size: channels of its groups, where it has groups; None for 32 groups.
        eps: added to the variance; None for the usual value of the normalisation.
        stride: input positions for each output position, s.
        dilation: distance of the kernel's elements.
        groups: groups of the convolution.
        drop: what drops parts of the normalised map before the activation; None for nothing.
    """

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    bn: nn.Module
    act: nn.Module

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        act: Activation | None,
        *,
        norm_layer: ConvNormAct | Literal["evonorms0a"] = "batchnorm2d",
        norm_group_size: int | None = None,
        eps: float | None = None,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        drop: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups
        )
        self.bn, self.act = norm_act(
            norm_layer, out_channels, act, eps=eps, group_size=norm_group_size
        )
        self.drop: nn.Module | None = drop

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        x = self.bn(self.conv(x))
        return self.act(x if self.drop is None else self.drop(x))


class SeparableConv2dNormAct(nn.Module):
    """A depthwise convolution, a 1x1 one, a normalisation and an activation.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the depthwise kernel.
        act: the activation; None for none.
        norm_layer: the normalisation.
        stride: input positions for each output position, s.
    """

    folds: ClassVar[Pairs] = (("conv_pw", "bn"),)

    bn: nn.Module
    act: nn.Module

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        act: Activation | None,
        *,
        norm_layer: ConvNormAct | Literal["evonorms0a"] = "batchnorm2d",
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.conv_dw: nn.Conv2d = conv2d(
            in_channels, in_channels, kernel_size, stride=stride, groups=in_channels
        )
        self.conv_pw: nn.Conv2d = conv2d(in_channels, out_channels, 1)
        self.bn, self.act = norm_act(norm_layer, out_channels, act)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.bn(self.conv_pw(self.conv_dw(x))))


class EvoNorm2dS0(nn.Module):
    """EvoNorm-S0 (https://arxiv.org/abs/2004.02967, table 2): x * sigmoid(v x) / group_std(x).

    Args:
        channels: number of channels.
        groups: number of groups whose deviation divides.
        eps: added to the variance.
        nonlinear: whether there is a sigmoid.
        divides: whether there is the division.
    """

    def __init__(
        self, channels: int, groups: int, eps: float, nonlinear: bool, divides: bool
    ) -> None:
        super().__init__()
        self.divides = divides
        self.groups = groups
        self.eps = eps
        self.weight: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.v: nn.Parameter | None = nn.Parameter(torch.empty(channels)) if nonlinear else None

    def initializers(self) -> Initializers:
        """Ones, and no shift: swish over the deviation."""
        return {"weight": ones, "bias": zeros, "v": ones}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = x
        if self.v is not None:
            y = y * torch.sigmoid(x * self.v[:, None, None])
        if self.divides:
            y = y / self._deviation(x)
        return y * self.weight[:, None, None] + self.bias[:, None, None]

    def _deviation(self, x: Tensor) -> Tensor:
        grouped = x.reshape(x.shape[0], self.groups, -1, x.shape[2], x.shape[3])
        variance = grouped.var((2, 3, 4), correction=0, keepdim=True)
        return (variance + self.eps).sqrt().expand_as(grouped).reshape(x.shape)
