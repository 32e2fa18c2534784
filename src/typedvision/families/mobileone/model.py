"""MobileOne (https://arxiv.org/abs/2206.04040).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from typedvision.architecture.final_conv_model import FinalConvModel, final_conv
from typedvision.architecture.head_model import HeadModel
from typedvision.families.mobileone.config import BlockPlan, MobileOneConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import (
    ConvBn2d,
    FusedConv,
    conv_like,
    identity_bn_kernel,
    sum_kernels,
)
from typedvision.layers.init import Initializers, default_initializers, normal, zeros


class MobileOne(FinalConvModel, HeadModel):
    """A block that subsamples, four stages of blocks, pooling and a linear classifier."""

    def __init__(self, cfg: MobileOneConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.features

        self.stem: nn.Module = _block(cfg, plan.stem)
        self.stages: nn.Sequential = nn.Sequential(
            *(Blocks(*(_block(cfg, block) for block in stage)) for stage in plan.stages)
        )
        self.final_conv: nn.Module = final_conv(
            plan.stages[-1][-1].out_channels, plan.last_channels, cfg.act_layer
        )
        self._add_head(cfg.num_classes, cfg.global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by the fan-out of each group, the classifier by a deviation of 0.01."""
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel() // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": normal(0.01), "bias": zeros}
        return default_initializers(module)


class MobileOneBlock(nn.Module):
    """Parallel convolutions, a 1x1 one beside larger kernels, and a shortcut, each with a
    normalisation, are added (figure 3, left).

    Its inference form is one convolution (figure 3, right).
    """

    def __init__(self, cfg: MobileOneConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.kernel_size: int = plan.kernel_size
        self.identity: nn.BatchNorm2d | None = (
            nn.BatchNorm2d(plan.in_channels) if plan.identity else None
        )
        self.conv_kxk: nn.ModuleList = nn.ModuleList(
            _branch(plan, plan.kernel_size) for _ in range(plan.branches)
        )
        self.conv_scale: ConvBn2d | None = _branch(plan, 1) if plan.kernel_size > 1 else None
        self.drop_path: DropPath = DropPath(plan.drop_path_rate if plan.identity else 0.0)
        self.attn: nn.Module = _attention(plan)
        self.act: nn.Module = activation(cfg.act_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = torch.stack([branch(x) for branch in self.conv_kxk]).sum(0)
        if self.conv_scale is not None:
            y = y + self.conv_scale(x)
        y = self.drop_path(y)
        if self.identity is not None:
            y = y + self.identity(x)
        return self.act(self.attn(y))

    def fused(self) -> nn.Module:
        """One convolution, the attention and the activation."""
        branches = [branch for branch in self.modules() if isinstance(branch, ConvBn2d)]
        conv = branches[0].conv
        kernels = [branch.kernel() for branch in branches]
        if self.identity is not None:
            kernels.append(identity_bn_kernel(self.identity, conv.groups))
        kernel = sum_kernels(kernels, self.kernel_size)
        return FusedConv(conv_like(conv, kernel), self.attn, self.act)


def _block(cfg: MobileOneConfig, plan: BlockPlan) -> nn.Module:
    """A block with its branches, or its inference form."""
    if not cfg.inference_mode:
        return MobileOneBlock(cfg, plan)
    conv = conv2d(
        plan.in_channels,
        plan.out_channels,
        plan.kernel_size,
        stride=plan.stride,
        groups=plan.groups,
        bias=True,
    )
    return FusedConv(conv, _attention(plan), activation(cfg.act_layer))


def _branch(plan: BlockPlan, kernel_size: int) -> ConvBn2d:
    return ConvBn2d(
        plan.in_channels,
        plan.out_channels,
        kernel_size,
        stride=plan.stride,
        groups=plan.groups,
    )


def _attention(plan: BlockPlan) -> nn.Module:
    if not plan.use_se:
        return nn.Identity()
    return SqueezeExcite(plan.out_channels, reduced_channels(plan.out_channels, 1 / 16))
