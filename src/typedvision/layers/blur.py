"""Low-pass filters before a feature map is subsampled (https://arxiv.org/abs/1904.11486)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import AntiAlias
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import Initializers, values
from typedvision.layers.norm_act import Conv2dNormAct


def anti_alias(kind: AntiAlias, channels: int, stride: int) -> nn.Module:
    """A low-pass filter that keeps every `stride`-th position of a map of `channels` channels."""
    if kind == "avg":
        return nn.AvgPool2d(stride)
    return BlurPool2d(channels, stride, constant=kind == "blurpc")


class BlurPool2d(nn.Module):
    """Blurs by a 3x3 binomial filter and keeps every `stride`-th position.

    Args:
        channels: number of channels of the map.
        stride: input positions for each output position.
        constant: pad with zeros instead of reflecting the map.
    """

    filt: Tensor

    def __init__(self, channels: int, stride: int, *, constant: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride
        self.mode = "constant" if constant else "reflect"
        self.register_buffer("filt", torch.empty(channels, 1, 3, 3), persistent=False)

    def initializers(self) -> Initializers:
        """The binomial filter, one for each channel."""
        return {"filt": values(lambda: _binomial().expand(self.channels, 1, 3, 3))}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / stride, W / stride)."""
        x = F.pad(x, (1, 1, 1, 1), mode=self.mode)
        return F.conv2d(x, self.filt, stride=self.stride, groups=self.channels)

    def extra_repr(self) -> str:
        """The stride."""
        return f"{self.channels}, stride={self.stride}"


class FilteredConv(nn.Module):
    """The layers of a convolution, and a low-pass filter that subsamples after them.

    Args:
        conv: convolution, normalisation and activation.
        aa: the filter.
    """

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    def __init__(self, conv: Conv2dNormAct, aa: nn.Module) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv.conv
        self.bn: nn.Module = conv.bn
        self.act: nn.Module = conv.act
        self.drop: nn.Module | None = conv.drop
        self.aa = aa

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        x = self.bn(self.conv(x))
        return self.aa(self.act(x if self.drop is None else self.drop(x)))


def _binomial() -> Tensor:
    row = torch.tensor([0.25, 0.5, 0.25])
    return row[:, None] * row
