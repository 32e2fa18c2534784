"""A convolution with its normalisation and activation, and the blocks of two and three of them.

Shapes: N images, C channels in, D channels out, H x W positions, s stride.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from typedvision.config.names import Activation, ConvNorm
from typedvision.layers.activation import activation
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.norm import conv_norm


class ConvNormAct(nn.Module):
    """A convolution, a normalisation and an activation.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        norm: the normalisation; None for none.
        act: the activation; None for none.
        eps: added to the variance; None for the usual value of the normalisation.
        stride: input positions for each output position, s.
        groups: groups of the convolution.
        bias: whether the convolution has a bias.
    """

    folds: ClassVar[Pairs] = (("conv", "norm"), ("conv.1", "norm"))

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        norm: ConvNorm | None = "batchnorm2d",
        act: Activation | None = None,
        *,
        eps: float | None = None,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv: nn.Module = _conv(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=bias
        )
        self.norm: nn.Module = conv_norm(norm, out_channels, eps) if norm else nn.Identity()
        self.act: nn.Module = activation(act) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.norm(self.conv(x)))


class MBConv(nn.Module):
    """A depthwise convolution between pointwise ones (https://arxiv.org/abs/1801.04381).

    Args:
        in_channels: C.
        hidden: channels of the depthwise convolution.
        out_channels: D.
        kernel_size: side of its kernel.
        norm: the normalisation behind the last convolution.
        act: the activation behind each of the first two.
        expand_norm: the normalisation behind the first; None for none.
        depth_norm: the normalisation behind the depthwise one; None for none.
        eps: added to the variance; None for the usual value of the normalisation.
        stride: input positions for each output position, s.
        expand_groups: groups of the first convolution.
        project_groups: groups of the last convolution.
        bias: whether a convolution that no normalisation follows has a bias.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        kernel_size: int,
        norm: ConvNorm,
        act: Activation,
        *,
        expand_norm: ConvNorm | None,
        depth_norm: ConvNorm | None,
        eps: float | None = None,
        stride: int = 1,
        expand_groups: int = 1,
        project_groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.inverted_conv: ConvNormAct = ConvNormAct(
            in_channels,
            hidden,
            1,
            expand_norm,
            act,
            eps=eps,
            groups=expand_groups,
            bias=bias and expand_norm is None,
        )
        self.depth_conv: ConvNormAct = ConvNormAct(
            hidden,
            hidden,
            kernel_size,
            depth_norm,
            act,
            eps=eps,
            stride=stride,
            groups=hidden,
            bias=bias and depth_norm is None,
        )
        self.point_conv: ConvNormAct = ConvNormAct(
            hidden, out_channels, 1, norm, eps=eps, groups=project_groups
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.point_conv(self.depth_conv(self.inverted_conv(x)))


class FusedMBConv(nn.Module):
    """A full and a pointwise convolution (https://arxiv.org/abs/2104.00298, section 3.2).

    Args:
        in_channels: C.
        hidden: channels between them.
        out_channels: D.
        kernel_size: side of the first kernel.
        norm: the normalisation behind each.
        act: the activation behind the first.
        eps: added to the variance; None for the usual value of the normalisation.
        stride: input positions for each output position, s.
        groups: groups of the first convolution.
        bias: whether the first convolution has a bias.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        kernel_size: int,
        norm: ConvNorm,
        act: Activation,
        *,
        eps: float | None = None,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.spatial_conv: ConvNormAct = ConvNormAct(
            in_channels,
            hidden,
            kernel_size,
            norm,
            act,
            eps=eps,
            stride=stride,
            groups=groups,
            bias=bias,
        )
        self.point_conv: ConvNormAct = ConvNormAct(hidden, out_channels, 1, norm, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.point_conv(self.spatial_conv(x))


class Residual(nn.Module):
    """A branch beside a shortcut, or in its place.

    Args:
        main: the branch.
        drop_path_rate: probability of dropping it.
        shortcut: whether there is one.
    """

    def __init__(
        self, main: nn.Module, drop_path_rate: float = 0.0, *, shortcut: bool = True
    ) -> None:
        super().__init__()
        self.main = main
        self.has_shortcut = shortcut
        self.drop_path: DropPath = DropPath(drop_path_rate if shortcut else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.drop_path(self.main(x))
        return x + y if self.has_shortcut else y


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Module:
    """A convolution whose output has ceil(H / s) x ceil(W / s) positions."""
    even = kernel_size % 2 == 0
    conv = conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        groups=groups,
        bias=bias,
        pad_type="valid" if even and stride == 1 else "same" if even else "",
    )
    # A 2x2 kernel looks up and left.
    return nn.Sequential(nn.ZeroPad2d((1, 0, 1, 0)), conv) if even and stride == 1 else conv
