"""RepGhostNet (https://arxiv.org/abs/2211.06088).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.ghost_model import GhostModel, ghost_shortcut
from typedvision.families.repghost.config import HEAD_CHANNELS, BlockPlan, RepGhostConfig
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import MobileSqueezeExcite
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import (
    Pairs,
    conv_bn_kernel,
    conv_like,
    identity_bn_kernel,
    sum_kernels,
)


class RepGhostNet(GhostModel):
    """A stem, stages of ghost bottlenecks, a convolution, and a head with a hidden layer."""

    def __init__(self, cfg: RepGhostConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan.stem_channels, tuple(index for index, _ in plan.levels))
        self.num_features: int = plan.features
        self.head_hidden_size: int = HEAD_CHANNELS

        stages = [Blocks(*(RepGhostBottleneck(cfg, block) for block in row)) for row in plan.stages]
        last = _last_conv(plan.stages[-1][-1].out_channels, plan.features)
        self.blocks: nn.Sequential = nn.Sequential(*stages, Blocks(last))
        self.conv_head: nn.Conv2d | nn.Identity = nn.Conv2d(plan.features, HEAD_CHANNELS, 1)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)


class RepGhostBottleneck(nn.Module):
    """Two ghost modules, and between them what subsamples and an attention (figure 4)."""

    folds: ClassVar[Pairs] = (("conv_dw", "bn_dw"),)

    def __init__(self, cfg: RepGhostConfig, plan: BlockPlan) -> None:
        super().__init__()
        mid = plan.mid_channels
        self.ghost1: nn.Module = _ghost(cfg, plan.in_channels, mid, relu=True)
        self.conv_dw: nn.Module = nn.Identity()
        self.bn_dw: nn.Module = nn.Identity()
        if plan.stride > 1:
            self.conv_dw = conv2d(mid, mid, plan.kernel_size, stride=plan.stride, groups=mid)
            self.bn_dw = nn.BatchNorm2d(mid)
        self.se: nn.Module = nn.Identity()
        if plan.se_channels:
            self.se = MobileSqueezeExcite(mid, plan.se_channels, "relu", "hard_sigmoid")
        self.ghost2: nn.Module = _ghost(cfg, mid, plan.out_channels, relu=False)
        self.shortcut: nn.Sequential = ghost_shortcut(
            plan.in_channels, plan.out_channels, plan.kernel_size, plan.stride
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.bn_dw(self.conv_dw(self.ghost1(x)))
        return self.ghost2(self.se(y)) + self.shortcut(x)


class RepGhostModule(nn.Module):
    """A pointwise convolution, a cheap depthwise one beside a normalisation, and a ReLU
    (figure 3d).

    Its inference form has one depthwise convolution (figure 3e).

    Args:
        in_channels: C.
        out_channels: D.
        relu: whether both convolutions end in a ReLU.
        reparam: whether there is the normalisation beside the depthwise convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, relu: bool, reparam: bool) -> None:
        super().__init__()
        self.primary_conv: nn.Sequential = _primary_conv(in_channels, out_channels, relu)
        self.fusion_bn: nn.Sequential | None = (
            nn.Sequential(nn.BatchNorm2d(out_channels)) if reparam else None
        )
        conv, bn = _cheap_conv(out_channels), nn.BatchNorm2d(out_channels)
        self.cheap_operation: nn.Sequential = nn.Sequential(conv, bn)
        self.relu: nn.Module = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        x = self.primary_conv(x)
        y = self.cheap_operation(x)
        if self.fusion_bn is not None:
            y = y + self.fusion_bn(x)
        return self.relu(y)

    def fused(self) -> nn.Module:
        """Both convolutions and the ReLU."""
        conv, bn = self.cheap_operation
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(bn, nn.BatchNorm2d)
        kernels = [conv_bn_kernel(conv, bn)]
        for norm in self.fusion_bn or ():
            assert isinstance(norm, nn.BatchNorm2d)
            kernels.append(identity_bn_kernel(norm, conv.groups))
        cheap = conv_like(conv, sum_kernels(kernels, conv.kernel_size[0]))
        return FusedGhostModule(self.primary_conv, cheap, self.relu)


class FusedGhostModule(nn.Module):
    """The inference form of a ghost module.

    Args:
        primary_conv: pointwise convolution, C to D channels, normalisation and activation.
        cheap_operation: depthwise convolution with a bias.
        relu: the activation.
    """

    def __init__(
        self, primary_conv: nn.Module, cheap_operation: nn.Conv2d, relu: nn.Module
    ) -> None:
        super().__init__()
        self.primary_conv = primary_conv
        self.cheap_operation = cheap_operation
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        return self.relu(self.cheap_operation(self.primary_conv(x)))


def _ghost(cfg: RepGhostConfig, in_channels: int, out_channels: int, *, relu: bool) -> nn.Module:
    """A ghost module with its branches, or its inference form."""
    if not cfg.inference_mode:
        return RepGhostModule(in_channels, out_channels, relu, cfg.reparam)
    return FusedGhostModule(
        _primary_conv(in_channels, out_channels, relu),
        _cheap_conv(out_channels, bias=True),
        nn.ReLU() if relu else nn.Identity(),
    )


def _primary_conv(in_channels: int, out_channels: int, relu: bool) -> nn.Sequential:
    act = nn.ReLU(inplace=True) if relu else nn.Identity()
    conv = conv2d(in_channels, out_channels, 1)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), act)


def _cheap_conv(channels: int, *, bias: bool = False) -> nn.Conv2d:
    return conv2d(channels, channels, 3, groups=channels, bias=bias)


def _last_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """A pointwise convolution, a normalisation and an activation."""
    layers = {
        "conv": conv2d(in_channels, out_channels, 1),
        "bn1": nn.BatchNorm2d(out_channels),
        "act1": nn.ReLU(inplace=True),
    }
    return nn.Sequential(OrderedDict(layers))
