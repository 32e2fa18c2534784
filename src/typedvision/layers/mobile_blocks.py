"""The blocks of mobile networks. Each is made of its plan and of what all blocks of a network have
in common, a `BlockStyle`; the names of the layers are those of the checkpoints.

Shapes: N images, C channels in, D channels out, H x W positions, s stride.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.config.mobile.plans import (
    AttentionPlan,
    BlockPlan,
    BlockStyle,
    ResidualPlan,
    UniversalPlan,
)
from typedvision.config.mobile.squeeze_excite import SqueezeExcite
from typedvision.config.names import Activation
from typedvision.layers.blur import BlurPool2d
from typedvision.layers.channel_attention import (
    EfficientChannelAttention,
    MobileSqueezeExcite,
    channel_attention,
)
from typedvision.layers.cond_conv import CondConv2d
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.layer_scale import LayerScale2d
from typedvision.layers.mixed_conv import MixedConv2d, channel_shares
from typedvision.layers.mobile_attention import Attention2d, MultiQueryAttention2d
from typedvision.layers.norm_act import norm_act


def mobile_block(plan: BlockPlan, style: BlockStyle) -> nn.Module:
    """The block of a plan."""
    match plan:
        case UniversalPlan():
            return UniversalInvertedResidual(plan, style)
        case AttentionPlan():
            return MobileAttention(plan, style)
        case ResidualPlan(num_experts=0):
            return _BLOCKS[plan.kind](plan, style)
        case ResidualPlan():
            return CondInvertedResidual(plan, style)


def mobile_norm(
    style: BlockStyle, channels: int, act: Activation | None = None
) -> tuple[nn.Module, nn.Module]:
    """The network's normalisation, and the activation that follows it; None for none."""
    return norm_act(
        style.norm_layer,
        channels,
        act,
        eps=style.norm_eps,
        momentum=style.norm_momentum,
        group_size=style.norm_group_size,
    )


class ConvBlock(nn.Module):
    """One convolution with a normalisation and an activation."""

    folds: ClassVar[Pairs] = (("conv", "bn1"),)

    bn1: nn.Module
    act1: nn.Module

    def __init__(self, plan: ResidualPlan, style: BlockStyle) -> None:
        super().__init__()
        self.conv: nn.Module = _spatial_conv(plan, style, plan.in_channels)
        self.bn1, self.act1 = mobile_norm(style, plan.out_channels, plan.act_layer)
        self.aa: nn.Module = _anti_alias(style, plan.out_channels, plan.stride)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.aa(self.act1(self.bn1(self.conv(x))))
        return x + self.drop_path(branch) if self.skip else branch


class SeparableConv(nn.Module):
    """A depthwise and a pointwise convolution (MobileNet, https://arxiv.org/abs/1704.04861,
    figure 3); in EfficientNet without an activation at the end."""

    folds: ClassVar[Pairs] = (("conv_s2d", "bn_s2d"), ("conv_dw", "bn1"), ("conv_pw", "bn2"))

    bn_s2d: nn.Module
    act_s2d: nn.Module
    bn1: nn.Module
    act1: nn.Module
    bn2: nn.Module
    act2: nn.Module

    def __init__(self, plan: ResidualPlan, style: BlockStyle) -> None:
        super().__init__()
        inside, act = plan.mid_channels, plan.act_layer
        self.conv_s2d: nn.Module = nn.Identity()
        self.bn_s2d, self.act_s2d = nn.Identity(), nn.Identity()
        if plan.folds:
            self.conv_s2d = conv2d(plan.in_channels, inside, 2, stride=2, pad_type="same")
            self.bn_s2d, self.act_s2d = mobile_norm(style, inside, act)
        self.conv_dw: nn.Module = _spatial_conv(plan, style, inside)
        self.bn1, self.act1 = mobile_norm(style, inside, act)
        self.aa: nn.Module = _anti_alias(style, inside, plan.stride)
        self.se: nn.Module = _attention(style, inside, plan.se_channels, act)
        self.conv_pw: nn.Module = _pointwise(inside, plan.out_channels)
        self.bn2, self.act2 = mobile_norm(style, plan.out_channels, act if plan.pw_act else None)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act_s2d(self.bn_s2d(self.conv_s2d(x)))
        branch = self.se(self.aa(self.act1(self.bn1(self.conv_dw(branch)))))
        branch = self.act2(self.bn2(self.conv_pw(branch)))
        return x + self.drop_path(branch) if self.skip else branch


class InvertedResidual(nn.Module):
    """MBConv: pointwise expansion, depthwise convolution, pointwise projection (MobileNetV2,
    https://arxiv.org/abs/1801.04381, figure 4d)."""

    folds: ClassVar[Pairs] = (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3"))

    bn1: nn.Module
    act1: nn.Module
    bn2: nn.Module
    act2: nn.Module

    def __init__(self, plan: ResidualPlan, style: BlockStyle) -> None:
        super().__init__()
        inside, act = plan.mid_channels, plan.act_layer
        self.conv_pw: nn.Module = _pointwise(plan.in_channels, inside, plan.exp_splits)
        self.bn1, self.act1 = mobile_norm(style, inside, act)
        self.conv_dw: nn.Module = _spatial_conv(plan, style, inside)
        self.bn2, self.act2 = mobile_norm(style, inside, act)
        self.aa: nn.Module = _anti_alias(style, inside, plan.stride)
        self.se: nn.Module = _attention(style, inside, plan.se_channels, act)
        self.conv_pwl: nn.Module = _pointwise(inside, plan.out_channels, plan.pw_splits)
        self.bn3: nn.Module = mobile_norm(style, plan.out_channels)[0]
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.bn1(self.conv_pw(x)))
        branch = self.se(self.aa(self.act2(self.bn2(self.conv_dw(branch)))))
        branch = self.bn3(self.conv_pwl(branch))
        return x + self.drop_path(branch) if self.skip else branch


class FusedInvertedResidual(nn.Module):
    """Fused-MBConv: one convolution expands and looks around (EfficientNetV2,
    https://arxiv.org/abs/2104.00298, figure 2)."""

    folds: ClassVar[Pairs] = (("conv_exp", "bn1"), ("conv_pwl", "bn2"))

    bn1: nn.Module
    act1: nn.Module

    def __init__(self, plan: ResidualPlan, style: BlockStyle) -> None:
        super().__init__()
        inside, act = plan.mid_channels, plan.act_layer
        self.conv_exp: nn.Module = _spatial_conv(plan, style, plan.in_channels)
        self.bn1, self.act1 = mobile_norm(style, inside, act)
        self.aa: nn.Module = _anti_alias(style, inside, plan.stride)
        self.se: nn.Module = _attention(style, inside, plan.se_channels, act)
        self.conv_pwl: nn.Module = _pointwise(inside, plan.out_channels)
        self.bn2: nn.Module = mobile_norm(style, plan.out_channels)[0]
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.se(self.aa(self.act1(self.bn1(self.conv_exp(x)))))
        branch = self.bn2(self.conv_pwl(branch))
        return x + self.drop_path(branch) if self.skip else branch


class CondInvertedResidual(nn.Module):
    """MBConv whose kernels are mixed for each image (CondConv, https://arxiv.org/abs/1904.04971,
    section 3); it subsamples by its stride alone, without a low-pass filter."""

    bn1: nn.Module
    act1: nn.Module
    bn2: nn.Module
    act2: nn.Module

    def __init__(self, plan: ResidualPlan, style: BlockStyle) -> None:
        super().__init__()
        experts, inside, act = plan.num_experts, plan.mid_channels, plan.act_layer
        self.conv_pw: CondConv2d = CondConv2d(experts, plan.in_channels, inside)
        self.bn1, self.act1 = mobile_norm(style, inside, act)
        self.conv_dw: CondConv2d = CondConv2d(
            experts,
            inside,
            inside,
            plan.kernels[0],
            stride=plan.stride,
            dilation=plan.dilation,
            groups=plan.groups,
            pad_type=style.pad_type,
        )
        self.bn2, self.act2 = mobile_norm(style, inside, act)
        self.se: nn.Module = _attention(style, inside, plan.se_channels, act)
        self.conv_pwl: CondConv2d = CondConv2d(experts, inside, plan.out_channels)
        self.bn3: nn.Module = mobile_norm(style, plan.out_channels)[0]
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.routing_fn: nn.Linear = nn.Linear(plan.in_channels, experts)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        routing = torch.sigmoid(self.routing_fn(x.mean((2, 3))))
        branch = self.act1(self.bn1(self.conv_pw(x, routing)))
        branch = self.se(self.act2(self.bn2(self.conv_dw(branch, routing))))
        branch = self.bn3(self.conv_pwl(branch, routing))
        return x + self.drop_path(branch) if self.skip else branch


class UniversalInvertedResidual(nn.Module):
    """An inverted residual with depthwise convolutions where they are asked for (MobileNetV4,
    https://arxiv.org/abs/2404.10518, figure 4)."""

    def __init__(self, plan: UniversalPlan, style: BlockStyle) -> None:
        super().__init__()
        inputs, inside, outputs = plan.in_channels, plan.mid_channels, plan.out_channels
        act, start_stride = plan.act_layer, 1 if plan.kernel_mid else plan.stride
        self.dw_start: nn.Module = _depthwise(plan, style, inputs, plan.kernel_start, start_stride)
        self.pw_exp: MobileConv = MobileConv(style, inputs, inside, act=act)
        self.dw_mid: nn.Module = _depthwise(plan, style, inside, plan.kernel_mid, plan.stride, act)
        self.se: nn.Module = _attention(style, inside, plan.se_channels, act)
        self.pw_proj: MobileConv = MobileConv(style, inside, outputs)
        self.dw_end: nn.Module = _depthwise(plan, style, outputs, plan.kernel_end)
        self.layer_scale: nn.Module = _layer_scale(outputs, plan.layer_scale)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.pw_exp(self.dw_start(x))
        branch = self.se(self.dw_mid(branch))
        branch = self.layer_scale(self.dw_end(self.pw_proj(branch)))
        return x + self.drop_path(branch) if self.skip else branch


class MobileConv(nn.Module):
    """A convolution, a normalisation, an activation, and the low-pass filter after them.

    Args:
        style: padding, normalisation and filter.
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        act: the activation; None for none.
        stride: input positions for each output position, s.
        dilation: distance of the kernel's elements.
        groups: groups of the convolution.
        bias: whether the convolution has a bias.
    """

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    bn: nn.Module
    act: nn.Module

    def __init__(
        self,
        style: BlockStyle,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        *,
        act: Activation | None = None,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=1 if style.aa_layer else stride,
            dilation=dilation,
            groups=groups,
            bias=bias,
            pad_type=style.pad_type,
        )
        self.bn, self.act = mobile_norm(style, out_channels, act)
        self.aa: nn.Module = _anti_alias(style, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.aa(self.act(self.bn(self.conv(x))))


class MobileAttention(nn.Module):
    """Attention between positions, with a skip (MobileNetV4, https://arxiv.org/abs/2404.10518,
    section 3.2)."""

    def __init__(self, plan: AttentionPlan, style: BlockStyle) -> None:
        super().__init__()
        self.norm: nn.Module = mobile_norm(style, plan.in_channels)[0]
        self.attn: nn.Module = (
            MultiQueryAttention2d(plan, style)
            if plan.kind == "mqa"
            else Attention2d(plan.in_channels, plan.out_channels, plan.num_heads)
        )
        self.layer_scale: nn.Module = _layer_scale(plan.out_channels, plan.layer_scale)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        branch = self.layer_scale(self.attn(self.norm(x)))
        return x + self.drop_path(branch) if self.skip else branch


_BLOCKS = {
    "conv": ConvBlock,
    "separable": SeparableConv,
    "mbconv": InvertedResidual,
    "fused_mbconv": FusedInvertedResidual,
}


def _spatial_conv(plan: ResidualPlan, style: BlockStyle, in_channels: int) -> nn.Module:
    """The block's spatial convolution, from `in_channels` to the channels inside; of several
    kernels, each on its share of the channels."""

    def conv(in_channels: int, out_channels: int, kernel_size: int, groups: int) -> nn.Module:
        return conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=1 if style.aa_layer else plan.stride,
            dilation=plan.dilation,
            groups=groups,
            pad_type="same" if plan.folds else style.pad_type,
        )

    if len(plan.kernels) == 1:
        return conv(in_channels, plan.mid_channels, plan.kernels[0], plan.groups)
    shares = channel_shares(in_channels, len(plan.kernels))
    return MixedConv2d(
        shares, [conv(c, c, size, c) for c, size in zip(shares, plan.kernels, strict=True)]
    )


def _depthwise(
    plan: UniversalPlan,
    style: BlockStyle,
    channels: int,
    kernel_size: int,
    stride: int = 1,
    act: Activation | None = None,
) -> nn.Module:
    if not kernel_size:
        return nn.Identity()
    return MobileConv(
        style,
        channels,
        channels,
        kernel_size,
        act=act,
        stride=stride,
        dilation=plan.dilation,
        groups=channels // plan.group_size,
    )


def _pointwise(in_channels: int, out_channels: int, splits: int = 1) -> nn.Module:
    if splits == 1:
        return nn.Conv2d(in_channels, out_channels, 1, bias=False)
    shares = channel_shares(in_channels, splits)
    pairs = zip(shares, channel_shares(out_channels, splits), strict=True)
    return MixedConv2d(shares, [nn.Conv2d(c, d, 1, bias=False) for c, d in pairs])


def _anti_alias(style: BlockStyle, channels: int, stride: int) -> nn.Module:
    """What subsamples instead of a convolution, where the network filters before."""
    if style.aa_layer is None or stride == 1:
        return nn.Identity()
    if style.aa_layer == "avg":
        return nn.AvgPool2d(stride)
    return BlurPool2d(channels, stride, constant=style.aa_layer == "blurpc")


def _attention(style: BlockStyle, channels: int, reduced: int, act: Activation) -> nn.Module:
    if not reduced:
        return nn.Identity()
    match style.se_layer:
        case SqueezeExcite(gate_layer=gate, force_act_layer=forced):
            return MobileSqueezeExcite(channels, reduced, forced or act, gate)
        case "ceca":  # in the checkpoints of mobile networks it has a bias
            return EfficientChannelAttention(channels, circular=True, bias=True)
        case name:
            return channel_attention(name, channels, reduced / channels, act)


def _layer_scale(channels: int, value: float | None) -> nn.Module:
    return nn.Identity() if value is None else LayerScale2d(channels, value)
