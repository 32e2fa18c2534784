"""What the cells of NASNet and PNASNet are made of.

Shapes: N images, C channels in, D channels out, B channels of a branch, H x W positions, s stride.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.config.names import PadType
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.norm_act import Conv2dNormAct
from typedvision.layers.pool import AvgPool2dSame, MaxPool2dSame

EPS = 1e-3
"""Added to the variance by each normalisation."""


def first_conv(in_channels: int, out_channels: int) -> Conv2dNormAct:
    """A convolution without padding, and a normalisation: (N, C, H, W) to (N, D, (H - 1) / 2,
    (W - 1) / 2)."""
    conv = Conv2dNormAct(in_channels, out_channels, 3, None, eps=EPS, stride=2)
    conv.conv.padding = (0, 0)
    return conv


class ActConvBn(nn.Module):
    """A ReLU, a 1x1 convolution and a normalisation."""

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, pad_type: PadType = ""
    ) -> None:
        super().__init__()
        self.act: nn.ReLU = nn.ReLU()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, 1, stride=stride, pad_type=pad_type
        )
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / s, W / s)."""
        return self.bn(self.conv(self.act(x)))


class BranchSeparables(nn.Module):
    """Two separable convolutions, each after a ReLU and before a normalisation; the first one
    subsamples."""

    folds: ClassVar[Pairs] = (
        ("separable_1.pointwise_conv2d", "bn_sep_1"),
        ("separable_2.pointwise_conv2d", "bn_sep_2"),
    )

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        pad_type: PadType = "",
    ) -> None:
        super().__init__()
        self.act_1: nn.ReLU = nn.ReLU()
        self.separable_1: SeparableConv2d = SeparableConv2d(
            in_channels, out_channels, kernel_size, stride, pad_type
        )
        self.bn_sep_1: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)
        self.act_2: nn.ReLU = nn.ReLU()
        self.separable_2: SeparableConv2d = SeparableConv2d(out_channels, out_channels, kernel_size)
        self.bn_sep_2: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / s, W / s)."""
        x = self.bn_sep_1(self.separable_1(self.act_1(x)))
        return self.bn_sep_2(self.separable_2(self.act_2(x)))


class SeparableConv2d(nn.Module):
    """A depthwise convolution and a 1x1 one."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        pad_type: PadType = "",
    ) -> None:
        super().__init__()
        self.depthwise_conv2d: nn.Conv2d = conv2d(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            groups=in_channels,
            pad_type=pad_type,
        )
        self.pointwise_conv2d: nn.Conv2d = conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / s, W / s)."""
        return self.pointwise_conv2d(self.depthwise_conv2d(x))


class FactorizedReduction(nn.Module):
    """Halves a map by two 1x1 convolutions, of which the second sees the positions that the first
    one leaves out."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.act: nn.ReLU = nn.ReLU()
        self.path_1: nn.Sequential
        self.path_2: nn.Sequential
        self.path_1, self.path_2 = halving_paths(in_channels, out_channels // 2)
        self.final_path_bn: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / 2, W / 2)."""
        x = self.act(x)
        return self.final_path_bn(torch.cat((self.path_1(x), self.path_2(x)), dim=1))


def halving_paths(in_channels: int, out_channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Two 1x1 convolutions that halve a map; the second one sees the positions that the first one
    leaves out, which lie one further in height and in width."""
    paths = nn.Sequential(), nn.Sequential(OrderedDict(pad=nn.ZeroPad2d((-1, 1, -1, 1))))
    for path in paths:
        path.add_module("avgpool", nn.AvgPool2d(1, 2))
        path.add_module("conv", conv2d(in_channels, out_channels, 1))
    return paths


def max_pool(stride: int, pad_type: PadType) -> nn.Module:
    """The largest of 3 x 3 positions."""
    is_same = stride == 2 and pad_type == "same"
    return MaxPool2dSame() if is_same else nn.MaxPool2d(3, stride, padding=1)


def average_pool(stride: int, pad_type: PadType = "") -> nn.Module:
    """The average of 3 x 3 positions; symmetric padding does not count."""
    if stride == 2 and pad_type == "same":
        return AvgPool2dSame(3, stride)
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
