"""Conditional convolutions (https://arxiv.org/abs/1904.04971): a kernel for each image."""

from __future__ import annotations

import math

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import PadType
from typedvision.layers.conv import pad_same
from typedvision.layers.init import Initializers, normal

torch.fx.wrap("pad_same")


class CondConv2d(nn.Module):
    """A convolution whose kernel is a sum of E kernels, weighted for each image (equation 1).

    Args:
        experts: number of kernels E.
        in_channels: C.
        out_channels: D.
        kernel_size: side of a kernel, odd.
        stride: input positions for each output position, s.
        dilation: distance of a kernel's elements.
        groups: groups of the convolution.
        pad_type: symmetric, or TensorFlow's `same`.
    """

    def __init__(
        self,
        experts: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        pad_type: PadType = "",
    ) -> None:
        super().__init__()
        self.shape: tuple[int, ...] = (
            out_channels, in_channels // groups, kernel_size, kernel_size
        )  # fmt: skip
        self.stride = stride
        self.dilation = dilation
        self.groups = groups
        self.same: bool = pad_type == "same"
        self.padding: int = 0 if self.same else dilation * (kernel_size - 1) // 2
        self.weight: nn.Parameter = nn.Parameter(torch.empty(experts, math.prod(self.shape)))

    def initializers(self) -> Initializers:
        """Each kernel by its fan-out."""
        fan_out = math.prod(self.shape) // self.shape[1] // self.groups
        return {"weight": normal(math.sqrt(2.0 / fan_out))}

    def forward(self, x: Tensor, routing: Tensor) -> Tensor:
        """(N, C, H, W) and weights (N, E) to (N, D, H / s, W / s)."""
        if self.same:
            x = pad_same(x, self.shape[-1], self.stride, self.dilation)
        y = F.conv2d(
            x.flatten(0, 1)[None],  # images as groups of channels
            (routing @ self.weight).reshape(-1, *self.shape[1:]),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups * x.shape[0],
        )
        return y.reshape(x.shape[0], self.shape[0], y.shape[2], y.shape[3])
