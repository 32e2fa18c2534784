"""GhostNet (https://arxiv.org/abs/1911.11907), V2 (https://arxiv.org/abs/2211.12905) and V3
(https://arxiv.org/abs/2404.11202).

Shapes: N images, C channels in, D channels out, E expanded channels, H x W positions, s stride, K
classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.ghost_model import GhostModel, ghost_shortcut
from typedvision.families.ghostnet.config import BlockPlan, GhostNetConfig
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import MobileSqueezeExcite
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import (
    Kernel,
    Pairs,
    conv_bn_kernel,
    conv_like,
    fuse_conv_bn,
    identity_bn_kernel,
    sum_kernels,
)

HEAD_FEATURES = 1280
BRANCHES = 3
"""Parallel convolutions of V3."""


class GhostNet(GhostModel):
    """A stem, stages of bottlenecks, pooling, a pointwise convolution and a linear classifier."""

    def __init__(self, cfg: GhostNetConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan.stem_channels, plan.levels)
        self.num_features: int = plan.features
        self.head_hidden_size: int = HEAD_FEATURES

        last = plan.stages[-1].blocks[-1].out_channels
        self.blocks: nn.Sequential = nn.Sequential(
            *(
                Blocks(*(_bottleneck(cfg, block) for block in stage.blocks))
                for stage in plan.stages
            ),
            Blocks(ConvBnAct(last, plan.features, 1)),
        )
        self.conv_head: nn.Conv2d | nn.Identity = conv2d(plan.features, HEAD_FEATURES, 1, bias=True)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)


class GhostModule(nn.Module):
    """Half of the channels by a pointwise convolution, the others from these by a depthwise one
    (figure 1).

    Args:
        primary_conv: the pointwise convolution and what follows it.
        cheap_operation: the depthwise one.
        short_conv: what makes the attention; the identity for no attention.
        channels: D; of an odd number the last one made is left out.
    """

    def __init__(
        self,
        primary_conv: nn.Module,
        cheap_operation: nn.Module,
        short_conv: nn.Module,
        channels: int,
    ) -> None:
        super().__init__()
        self.primary_conv = primary_conv
        self.cheap_operation = cheap_operation
        self.short_conv = short_conv
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        primary = self.primary_conv(x)
        ghosts = torch.cat((primary, self.cheap_operation(primary)), dim=1)[:, : self.channels]
        return _attended(self.short_conv, x, ghosts)

    def fused(self) -> GhostModule:
        """The module with each normalisation folded into its convolution."""
        primary, cheap = _folded(self.primary_conv), _folded(self.cheap_operation)
        return GhostModule(primary, cheap, self.short_conv, self.channels)


class GhostModuleV3(nn.Module):
    """A ghost module whose convolutions are sums of parallel branches (V3, figure 3).

    Args:
        in_channels: C.
        channels: D.
        act: the activation of both parts.
        short_conv: what makes the attention; the identity for no attention.
    """

    def __init__(
        self, in_channels: int, channels: int, act: type[nn.Module], short_conv: nn.Module
    ) -> None:
        super().__init__()
        half = (channels + 1) // 2
        self.channels = channels
        self.primary_rpr_conv: nn.ModuleList = _branches(in_channels, half, 1)
        self.primary_activation: nn.Module = act()
        self.cheap_rpr_skip: nn.BatchNorm2d = nn.BatchNorm2d(half)
        self.cheap_rpr_conv: nn.ModuleList = _branches(half, half, 3, groups=half)
        self.cheap_rpr_scale: Branch = Branch(half, half, 1, groups=half)
        self.cheap_activation: nn.Module = act()
        self.short_conv = short_conv

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        primary = self.primary_activation(_sum(self.primary_rpr_conv, x))
        branches = (self.cheap_rpr_scale, self.cheap_rpr_skip, *self.cheap_rpr_conv)
        cheap = _sum(branches, primary)
        ghosts = torch.cat((primary, self.cheap_activation(cheap)), dim=1)[:, : self.channels]
        return _attended(self.short_conv, x, ghosts)

    def fused(self) -> GhostModule:
        """The module with one convolution for each sum."""
        primary = _fused_branches(self.primary_rpr_conv)
        cheap = _fused_branches(self.cheap_rpr_conv, self.cheap_rpr_scale, self.cheap_rpr_skip)
        return GhostModule(
            nn.Sequential(primary, self.primary_activation),
            nn.Sequential(cheap, self.cheap_activation),
            self.short_conv,
            self.channels,
        )


class GhostBottleneck(nn.Module):
    """A ghost module that expands, a depthwise convolution that subsamples, a ghost module that
    projects (figure 3).

    Args:
        ghost1: the first ghost module.
        conv_dw: the depthwise convolution; the identity where it does not subsample.
        bn_dw: the normalisation that follows it.
        se: squeeze-and-excitation, or the identity.
        ghost2: the second ghost module.
        shortcut: what brings the input to the output's shape.
    """

    folds: ClassVar[Pairs] = (("conv_dw", "bn_dw"),)

    def __init__(
        self,
        ghost1: nn.Module,
        conv_dw: nn.Module,
        bn_dw: nn.Module,
        se: nn.Module,
        ghost2: nn.Module,
        shortcut: nn.Module,
    ) -> None:
        super().__init__()
        self.ghost1 = ghost1
        self.conv_dw = conv_dw
        self.bn_dw = bn_dw
        self.se = se
        self.ghost2 = ghost2
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.bn_dw(self.conv_dw(self.ghost1(x)))
        return self.ghost2(self.se(y)) + self.shortcut(x)

    def fused(self) -> GhostBottleneck:
        """The bottleneck with the depthwise convolution's normalisation folded into it."""
        conv = self.conv_dw
        if isinstance(conv, nn.Conv2d) and isinstance(self.bn_dw, nn.BatchNorm2d):
            conv = fuse_conv_bn(conv, self.bn_dw)
        return GhostBottleneck(
            self.ghost1, conv, nn.Identity(), self.se, self.ghost2, self.shortcut
        )


class GhostBottleneckV3(nn.Module):
    """A bottleneck whose depthwise convolution is a sum of parallel branches (V3, figure 3)."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        hidden = plan.hidden
        self.ghost1: GhostModuleV3 = GhostModuleV3(
            plan.in_channels, hidden, nn.ReLU, _short_conv(plan)
        )
        self.dw_rpr_conv: nn.ModuleList = nn.ModuleList()
        self.dw_rpr_scale: Branch | nn.Identity = nn.Identity()
        if plan.stride > 1:
            self.dw_rpr_conv = _branches(
                hidden, hidden, plan.kernel_size, stride=plan.stride, groups=hidden
            )
            self.dw_rpr_scale = Branch(hidden, hidden, 1, stride=plan.stride, groups=hidden)
        self.se: nn.Module = _squeeze_excite(plan)
        self.ghost2: GhostModuleV3 = GhostModuleV3(
            hidden, plan.out_channels, nn.Identity, nn.Identity()
        )
        self.shortcut: nn.Module = ghost_shortcut(
            plan.in_channels, plan.out_channels, plan.kernel_size, plan.stride
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.ghost1(x)
        if self.dw_rpr_conv:
            y = _sum((self.dw_rpr_scale, *self.dw_rpr_conv), y)
        return self.ghost2(self.se(y)) + self.shortcut(x)

    def fused(self) -> GhostBottleneck:
        """The bottleneck with one depthwise convolution."""
        conv: nn.Module = nn.Identity()
        if isinstance(self.dw_rpr_scale, Branch):
            conv = _fused_branches(self.dw_rpr_conv, self.dw_rpr_scale)
        return GhostBottleneck(
            self.ghost1, conv, nn.Identity(), self.se, self.ghost2, self.shortcut
        )


class Branch(nn.Module):
    """A convolution without a bias, and a batch normalisation.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        stride: input positions for each output position, s.
        groups: groups of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups
        )
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.bn1(self.conv(x))

    def kernel(self) -> Kernel:
        """The kernel of the convolution that both are in evaluation mode."""
        return conv_bn_kernel(self.conv, self.bn1)


class ConvBnAct(Branch):
    """A convolution, a batch normalisation and a ReLU."""

    folds: ClassVar[Pairs] = (("conv", "bn1"),)

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size)
        self.act: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        return self.act(super().forward(x))


def _attended(short_conv: nn.Module, x: Tensor, ghosts: Tensor) -> Tensor:
    """What a ghost module makes of `x`, gated by the attention that is made at half the
    resolution (V2, section 4.1)."""
    if isinstance(short_conv, nn.Identity):
        return ghosts
    gates = short_conv(F.avg_pool2d(x, 2, 2)).sigmoid()
    return ghosts * F.interpolate(gates, size=ghosts.shape[-2:], mode="nearest")


def _bottleneck(cfg: GhostNetConfig, plan: BlockPlan) -> nn.Module:
    """A bottleneck with its branches, or its inference form."""
    if cfg.version == "v3" and not cfg.inference_mode:
        return GhostBottleneckV3(plan)
    hidden, fused = plan.hidden, cfg.inference_mode
    conv_dw: nn.Module = nn.Identity()
    bn_dw: nn.Module = nn.Identity()
    if plan.stride > 1:
        conv_dw = conv2d(
            hidden, hidden, plan.kernel_size, stride=plan.stride, groups=hidden, bias=fused
        )
        bn_dw = bn_dw if fused else nn.BatchNorm2d(hidden)
    return GhostBottleneck(
        _ghost_module(plan.in_channels, hidden, nn.ReLU, _short_conv(plan), fused),
        conv_dw,
        bn_dw,
        _squeeze_excite(plan),
        _ghost_module(hidden, plan.out_channels, nn.Identity, nn.Identity(), fused),
        ghost_shortcut(plan.in_channels, plan.out_channels, plan.kernel_size, plan.stride),
    )


def _ghost_module(
    in_channels: int, channels: int, act: type[nn.Module], short_conv: nn.Module, fused: bool
) -> GhostModule:
    half = (channels + 1) // 2
    primary = conv2d(in_channels, half, 1, bias=fused)
    cheap = conv2d(half, half, 3, groups=half, bias=fused)
    if fused:
        layers = nn.Sequential(primary, act()), nn.Sequential(cheap, act())
    else:
        layers = (
            nn.Sequential(primary, nn.BatchNorm2d(half), act()),
            nn.Sequential(cheap, nn.BatchNorm2d(half), act()),
        )
    return GhostModule(*layers, short_conv, channels)


def _short_conv(plan: BlockPlan) -> nn.Module:
    """The attention of a first ghost module: along the rows, then along the columns."""
    if not plan.attends:
        return nn.Identity()
    channels = plan.hidden
    row = nn.Conv2d(channels, channels, (1, 5), padding=(0, 2), groups=channels, bias=False)
    column = nn.Conv2d(channels, channels, (5, 1), padding=(2, 0), groups=channels, bias=False)
    return nn.Sequential(
        conv2d(plan.in_channels, channels, 1),
        nn.BatchNorm2d(channels),
        row,
        nn.BatchNorm2d(channels),
        column,
        nn.BatchNorm2d(channels),
    )


def _squeeze_excite(plan: BlockPlan) -> nn.Module:
    if not plan.se_channels:
        return nn.Identity()
    return MobileSqueezeExcite(plan.hidden, plan.se_channels, "relu", "hard_sigmoid")


def _branches(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> nn.ModuleList:
    return nn.ModuleList(
        Branch(in_channels, out_channels, kernel_size, stride=stride, groups=groups)
        for _ in range(BRANCHES)
    )


def _sum(branches: Iterable[nn.Module], x: Tensor) -> Tensor:
    return torch.stack([branch(x) for branch in branches]).sum(0)


def _folded(layers: nn.Module) -> nn.Sequential:
    """A convolution, a normalisation and an activation with the second folded into the first."""
    conv, norm, act = layers.children()
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return nn.Sequential(fuse_conv_bn(conv, norm), act)


def _fused_branches(
    branches: nn.ModuleList, scale: Branch | None = None, skip: nn.BatchNorm2d | None = None
) -> nn.Conv2d:
    """One convolution for parallel ones, a 1x1 one and a normalisation alone."""
    convs = [branch for branch in (*branches, scale) if isinstance(branch, Branch)]
    first = convs[0].conv
    kernels = [branch.kernel() for branch in convs]
    if skip is not None:
        kernels.append(identity_bn_kernel(skip, first.groups))
    return conv_like(first, sum_kernels(kernels, first.kernel_size[0]))
