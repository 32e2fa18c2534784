"""A layer and a batch normalisation beside it, under the names that both have in the checkpoints of
LeViT's descendants.

Shapes: N images, C channels in, D channels out or features, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Kernel, conv_bn_kernel, fuse_bn_linear, fuse_conv_bn


class ConvNorm(nn.Module):
    """A convolution without a bias, and a batch normalisation; together one convolution, in the
    inference form.

    Args:
        conv: the convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.c = conv
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.bn(self.c(x))

    def kernel(self) -> Kernel:
        """The kernel of both."""
        return conv_bn_kernel(self.c, self.bn)

    def fused(self) -> nn.Module:
        """One convolution with a bias."""
        return fuse_conv_bn(self.c, self.bn)


class FusableConfig(Protocol):
    """A config of models that have an inference form."""

    @property
    def inference_mode(self) -> bool:
        """Whether this is the inference form."""
        ...


def fusable_conv(
    cfg: FusableConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Module:
    """A `ConvNorm`, (N, C, H, W) to (N, D, H / s, W / s), or its inference form."""
    fused = cfg.inference_mode
    conv = conv2d(in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=fused)
    return conv if fused else ConvNorm(conv)


class NormLinear(nn.Module):
    """A batch normalisation of vectors, and a linear layer.

    Args:
        features: D.
        num_classes: K.
    """

    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.bn: nn.BatchNorm1d = nn.BatchNorm1d(features)
        self.l: nn.Linear = nn.Linear(features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N, K)."""
        return self.l(self.bn(x))

    def fused(self) -> nn.Linear:
        """One linear layer."""
        return fuse_bn_linear(self.bn, self.l)
