"""RepVGG (https://arxiv.org/abs/2101.03697).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from typedvision.architecture.final_conv_model import FinalConvModel, final_conv
from typedvision.architecture.head_model import HeadModel
from typedvision.families.repvgg.config import BlockPlan, RepVGGConfig
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


class RepVGG(FinalConvModel, HeadModel):
    """A block that subsamples, four stages of blocks, pooling and a linear classifier."""

    def __init__(self, cfg: RepVGGConfig) -> None:
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
        """Convolutions by the fan-out of each group, the classifier by a deviation of 0.01; small
        normalisations, since the outputs of three branches are added."""
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel() // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": normal(0.01), "bias": zeros}
        initializers = default_initializers(module)
        if isinstance(module, nn.BatchNorm2d) and not path.startswith("final_conv"):
            return {**initializers, "weight": normal(0.1, mean=0.1), "bias": normal(0.1)}
        return initializers


class RepVGGBlock(nn.Module):
    """A 3x3 and a 1x1 convolution and a shortcut, each with a normalisation, are added (figure 2).

    Its inference form is one 3x3 convolution (figure 4).
    """

    def __init__(self, cfg: RepVGGConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.identity: nn.BatchNorm2d | None = (
            nn.BatchNorm2d(plan.in_channels) if plan.identity else None
        )
        self.conv_kxk: ConvBn2d = _branch(plan, 3)
        self.conv_1x1: ConvBn2d = _branch(plan, 1)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate if plan.identity else 0.0)
        self.attn: nn.Module = _attention(cfg, plan)
        self.act: nn.Module = activation(cfg.act_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.drop_path(self.conv_kxk(x) + self.conv_1x1(x))
        if self.identity is not None:
            y = y + self.identity(x)
        return self.act(self.attn(y))

    def fused(self) -> nn.Module:
        """One 3x3 convolution, the attention and the activation."""
        conv = self.conv_kxk.conv
        kernels = [branch.kernel() for branch in (self.conv_kxk, self.conv_1x1)]
        if self.identity is not None:
            kernels.append(identity_bn_kernel(self.identity, conv.groups))
        return FusedConv(conv_like(conv, sum_kernels(kernels, 3)), self.attn, self.act)


def _block(cfg: RepVGGConfig, plan: BlockPlan) -> nn.Module:
    """A block with its branches, or its inference form."""
    if not cfg.inference_mode:
        return RepVGGBlock(cfg, plan)
    conv = conv2d(
        plan.in_channels,
        plan.out_channels,
        3,
        stride=plan.stride,
        dilation=plan.dilation,
        groups=plan.groups,
        bias=True,
    )
    return FusedConv(conv, _attention(cfg, plan), activation(cfg.act_layer))


def _branch(plan: BlockPlan, kernel_size: int) -> ConvBn2d:
    return ConvBn2d(
        plan.in_channels,
        plan.out_channels,
        kernel_size,
        stride=plan.stride,
        dilation=plan.dilation,
        groups=plan.groups,
    )


def _attention(cfg: RepVGGConfig, plan: BlockPlan) -> nn.Module:
    if cfg.attn_layer is None:
        return nn.Identity()
    channels, args = plan.out_channels, cfg.attn_kwargs
    return SqueezeExcite(channels, reduced_channels(channels, args.rd_ratio, args.rd_divisor))
