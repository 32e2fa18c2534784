"""Pooling: from a feature map to a vector, or around each position."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import ConvPool
from typedvision.layers.conv import pad_same

torch.fx.wrap("pad_same")


class GlobalPool(nn.Module):
    """Pools (N, C, H, W) to (N, C), or to (N, 2C) for `catavgmax`; `` leaves the map as it is.

    Args:
        kind: which pooling.
        channels_last: whether maps are (N, H, W, C).
    """

    kind: ConvPool

    def __init__(self, kind: ConvPool, *, channels_last: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.over: tuple[int, int] = (1, 2) if channels_last else (2, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D)."""
        match self.kind:
            case "":
                return x
            case "avg" | "fast" | "fastavg":
                return x.mean(self.over)
            case "max" | "fastmax":
                return x.amax(self.over)
            case "avgmax" | "fastavgmax":
                return 0.5 * (x.mean(self.over) + x.amax(self.over))
            case "catavgmax" | "fastcatavgmax":
                return torch.cat((x.mean(self.over), x.amax(self.over)), dim=1)

    def extra_repr(self) -> str:
        """The kind of pooling."""
        return repr(self.kind)


class PoolMixer(nn.Module):
    """The average around each position, minus the one in the middle
    (https://arxiv.org/abs/2111.11418, equation 4), (N, C, H, W) to the same shape.

    Args:
        size: side of the square that is averaged, odd.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.pool: nn.AvgPool2d = nn.AvgPool2d(size, 1, size // 2, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.pool(x) - x


class MaxPool2dSame(nn.Module):
    """Max pooling that gives ceil(H / 2) x ceil(W / 2) positions, as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / 2, W / 2)."""
        return F.max_pool2d(pad_same(x, 3, 2, value=-torch.inf), 3, stride=2)


class AvgPool2dSame(nn.Module):
    """Average pooling that gives ceil(H / s) x ceil(W / s) positions, as TensorFlow does, except
    that the padding counts.

    Args:
        kernel_size: side of the square that is averaged.
        stride: input positions for each output position, s.
    """

    def __init__(self, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / s, W / s)."""
        padded = pad_same(x, self.kernel_size, self.stride)
        return F.avg_pool2d(padded, self.kernel_size, self.stride)


def shortcut_average(stride: int, dilation: int) -> nn.Module:
    """The average before the convolution of a shortcut (ResNet-D, https://arxiv.org/abs/1812.01187);
    it keeps the size where the block dilates instead of subsampling."""
    if stride > 1:
        return nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
    return AvgPool2dSame(2) if dilation > 1 else nn.Identity()


def pooled_features(kind: ConvPool, channels: int) -> int:
    """Number of features that pooling `channels` channels gives."""
    return 2 * channels if kind in ("catavgmax", "fastcatavgmax") else channels
