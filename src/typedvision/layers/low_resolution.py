"""The blocks of networks that attend at a low resolution (https://arxiv.org/abs/2409.03460).

Shapes: N images, C channels in, D channels out, H x W positions, s stride.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from typedvision.config.low_resolution import AttentionPlan, ConvPlan, LowResolutionConfig
from typedvision.config.names import Activation, ConvNorm
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.norm import conv_norm


class Residual(nn.Module):
    """A branch beside a shortcut, or in its place.

    Args:
        main: the branch.
        drop_path_rate: probability of dropping it.
        shortcut: whether there is one.
    """

    def __init__(self, main: nn.Module, drop_path_rate: float, *, shortcut: bool = True) -> None:
        super().__init__()
        self.main = main
        self.has_shortcut = shortcut
        self.drop_path: DropPath = DropPath(drop_path_rate if shortcut else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.drop_path(self.main(x))
        return x + y if self.has_shortcut else y


class ConvAttention(nn.Module):
    """Self-attention of half the channels at a lower resolution, between a convolution that
    subsamples and what brings the resolution back (section 3.3).

    Args:
        plan: its numbers.
        fused: whether one convolution mixes positions and channels as the resolution comes back.
    """

    def __init__(self, plan: AttentionPlan, fused: bool) -> None:
        super().__init__()
        channels, inner = plan.channels, plan.num_heads * plan.head_dim
        self.num_heads: int = plan.num_heads
        self.conv_proj: ConvNormAct = ConvNormAct(
            channels, channels, plan.kernel_size, stride=plan.stride, groups=channels
        )
        self.pwise: nn.Conv2d = conv2d(channels, 3 * inner, 1)
        self.o_proj: nn.Conv2d | nn.Identity = nn.Identity()
        if not fused:
            self.o_proj = conv2d(inner, channels, 1, bias=True)
        self.upsampling: nn.Module = _upsampling(plan, inner if fused else None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        height, width = x.shape[-2:]
        low = self.pwise(self.conv_proj(x))
        size = low.shape[2], low.shape[3]
        heads = low.reshape(low.shape[0], self.num_heads, -1, size[0] * size[1]).transpose(2, 3)
        q, k, v = heads.chunk(3, dim=-1)
        y = attend(q, k, v).transpose(2, 3).reshape(low.shape[0], -1, *size)
        return self.upsampling(self.o_proj(y))[..., :height, :width]


class MBConv(nn.Module):
    """A pointwise, a depthwise and a pointwise convolution (https://arxiv.org/abs/1801.04381)."""

    def __init__(self, cfg: LowResolutionConfig, plan: ConvPlan) -> None:
        super().__init__()
        groups, hidden, act = cfg.expand_groups, plan.hidden, cfg.act_layer
        first = cfg.norm_layer if plan.norm == "all" else None
        second = cfg.norm_layer if plan.norm != "proj" else None
        self.inverted_conv: ConvNormAct = ConvNormAct(
            plan.in_channels,
            hidden,
            1,
            first,
            act,
            groups=groups,
            bias=plan.bias and first is None,
        )
        self.depth_conv: ConvNormAct = ConvNormAct(
            hidden,
            hidden,
            plan.kernel_size,
            second,
            act,
            stride=plan.stride,
            groups=hidden,
            bias=plan.bias and second is None,
        )
        self.point_conv: ConvNormAct = ConvNormAct(
            hidden,
            plan.out_channels,
            1,
            cfg.norm_layer,
            groups=groups if cfg.groups_project else 1,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.point_conv(self.depth_conv(self.inverted_conv(x)))


class FusedMBConv(nn.Module):
    """A full and a pointwise convolution (https://arxiv.org/abs/2104.00298, section 3.2)."""

    def __init__(self, cfg: LowResolutionConfig, plan: ConvPlan) -> None:
        super().__init__()
        self.spatial_conv: ConvNormAct = ConvNormAct(
            plan.in_channels,
            plan.hidden,
            plan.kernel_size,
            cfg.norm_layer,
            cfg.act_layer,
            stride=plan.stride,
            groups=cfg.expand_groups,
            bias=plan.bias,
        )
        self.point_conv: ConvNormAct = ConvNormAct(
            plan.hidden, plan.out_channels, 1, cfg.norm_layer
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.point_conv(self.spatial_conv(x))


class ConvNormAct(nn.Module):
    """A convolution, a normalisation and an activation.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        norm: the normalisation; None for none.
        act: the activation; None for none.
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
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv: nn.Module = _conv(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=bias
        )
        self.norm: nn.Module = conv_norm(norm, out_channels) if norm else nn.Identity()
        self.act: nn.Module = activation(act) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.norm(self.conv(x)))


def _conv_block(cfg: LowResolutionConfig, plan: ConvPlan) -> nn.Module:
    """A convolutional block, fused or not."""
    return (FusedMBConv if plan.fused else MBConv)(cfg, plan)


def residual_conv(cfg: LowResolutionConfig, plan: ConvPlan) -> Residual:
    """A convolutional block beside a shortcut, or in its place where it changes the map's shape."""
    return Residual(_conv_block(cfg, plan), plan.drop_path_rate, shortcut=plan.stride == 1)


def conv_mlp(channels: int, hidden: int, drop_rate: float) -> nn.Sequential:
    """A normalisation and an MLP of the channels at each position.

    Args:
        channels: C.
        hidden: hidden channels.
        drop_rate: dropout probability after it.
    """
    return nn.Sequential(
        nn.GroupNorm(1, channels),
        conv2d(channels, hidden, 1, bias=True),
        nn.GELU(),
        conv2d(hidden, channels, 1, bias=True),
        nn.Dropout(drop_rate),
    )


def _upsampling(plan: AttentionPlan, inner: int | None) -> nn.Module:
    """What brings the resolution back; it mixes `inner` channels, or works on each channel alone
    where that is None."""
    channels, stride = plan.channels, plan.stride
    if plan.upsample == "nearest":
        repeat = nn.Upsample(scale_factor=float(stride)) if stride > 1 else nn.Identity()
        mix = () if inner is None else (conv2d(inner, channels, 1, bias=True),)
        return nn.Sequential(*mix, repeat)
    return nn.ConvTranspose2d(
        inner or channels,
        channels,
        4 if stride == 2 else 3,
        stride,
        padding=1,
        groups=channels if inner is None else 1,
    )


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
