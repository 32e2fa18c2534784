"""Convolutions and their paddings by name."""

from __future__ import annotations

from typing import Literal

import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import PadType


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    pad_type: PadType = "",
) -> nn.Conv2d:
    """A convolution with a square kernel.

    `same` gives ceil(size / stride) positions, as TensorFlow does: where that takes more padding
    on the right than on the left, or more for some inputs than for others, it is added at run time.
    """
    reach = dilation * (kernel_size - 1)
    at_run_time = pad_type == "same" and (stride > 1 or reach % 2 == 1)
    layer = Conv2dSame if at_run_time else nn.Conv2d
    # Symmetric by the stride too, so that an even kernel halves an even size.
    padding = 0 if at_run_time or pad_type == "valid" else (stride - 1 + reach) // 2
    if kernel_size == 1 and stride > 1 and padding == 0 and in_channels < 8:
        layer = NarrowConv2d
    return layer(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias,
    )


class Conv2dSame(nn.Conv2d):
    """A convolution with TensorFlow's `same` padding, (N, C, H, W) to (N, D, H / s, W / s)."""

    def forward(self, input: Tensor) -> Tensor:
        """Pad by what the input's size takes, then convolve."""
        padded = pad_same(input, self.kernel_size[0], self.stride[0], self.dilation[0])
        return super().forward(padded)


class NarrowConv2d(nn.Conv2d):
    """A 1x1 convolution with a stride, of an input of a few channels such as an image,
    (N, C, H, W) to (N, D, H / s, W / s).

    The stride is taken first. Of a channels-last input of fewer than 8 channels, the gradient of
    such a kernel with a stride would write past its memory: oneDNN 3.12, in PyTorch 2.13 on a CPU.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Take every s-th row and column, then convolve."""
        rows, columns = self.stride
        taken = input[..., ::rows, ::columns]
        return F.conv2d(taken, self.weight, self.bias, groups=self.groups)


class StdConv2d(nn.Conv2d):
    """A convolution whose weights have mean 0 and variance 1 for each output channel
    (https://arxiv.org/abs/1903.10520, equation 6).

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel, an odd number.
        stride: input positions for each output position, s.
        dilation: distance of the kernel's elements.
        pad_type: symmetric padding, or TensorFlow's `same`.
        eps: added to the variance.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        pad_type: Literal["", "same"] = "",
        eps: float = 1e-6,
    ) -> None:
        at_run_time = pad_type == "same" and stride > 1
        padding = 0 if at_run_time else dilation * (kernel_size // 2)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False
        )
        self.pads_at_run_time: bool = at_run_time
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        if self.pads_at_run_time:
            input = pad_same(input, self.kernel_size[0], self.stride[0], self.dilation[0])
        # Which computes in float32 inside: in half precision 1e-8 would be 0.
        weight = F.layer_norm(self.weight, self.weight.shape[1:], eps=self.eps)
        return self._conv_forward(input, weight, self.bias)


@torch.fx.wrap  # what it pads depends on the size: a traced graph calls it as a whole
def pad_same(
    x: Tensor, kernel_size: int, stride: int = 1, dilation: int = 1, value: float = 0.0
) -> Tensor:
    """`value` around (N, C, H, W) so that a kernel gives ceil(H / s) x ceil(W / s) positions."""
    reach = dilation * (kernel_size - 1)
    height, width = (max(reach - (size - 1) % stride, 0) for size in x.shape[-2:])
    sides = (width // 2, width - width // 2, height // 2, height - height // 2)
    return F.pad(x, sides, value=value)
