"""EfficientViT of MIT (https://arxiv.org/abs/2205.14756).

Shapes: N images, C channels in, D channels out, H x W positions, T = H W, s stride, A attention
heads of all scales, F features of each, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import nullcontext

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import Activation, ConvNorm, ConvPool
from typedvision.families.efficientvit_mit.config import (
    AttentionPlan,
    ConvPlan,
    EfficientVitConfig,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.conv_norm_act import ConvNormAct, FusedMBConv, MBConv, Residual
from typedvision.layers.head import linear_classifier
from typedvision.layers.pool import GlobalPool

NORM: ConvNorm = "batchnorm2d"
"""The normalisation of convolutions."""
EPS = 1e-5
"""Added to what divides the attention."""
SCALE = 5
"""Kernel that makes the second scale of tokens."""


class EfficientVit(StagedModel):
    """A stem, two stages of convolutions, two with attention (one in large models), and a head
    (figure 6)."""

    def __init__(self, cfg: EfficientVitConfig) -> None:
        super().__init__(cfg)
        stem, stages = cfg.plan()
        self.num_features: int = cfg.widths[-1]
        self.head_hidden_size: int = cfg.head_widths[1]

        self.stem: nn.Module = _stem(cfg, stem)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in stages))
        self.head: Head = Head(cfg)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head.reset(num_classes, global_pool)


class EfficientVitBlock(nn.Module):
    """Attention and convolutions, each beside a shortcut (figure 5)."""

    def __init__(self, cfg: EfficientVitConfig, plan: AttentionPlan) -> None:
        super().__init__()
        self.context_module: Residual = Residual(LinearAttention(cfg, plan))
        self.local_module: Residual = Residual(_conv_block(cfg, plan.conv))

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return self.local_module(self.context_module(x))


class LinearAttention(nn.Module):
    """ReLU attention, linear in the number of positions, of tokens of two scales: each position's,
    and those that a convolution gathers around it (section 3.1)."""

    def __init__(self, cfg: EfficientVitConfig, plan: AttentionPlan) -> None:
        super().__init__()
        channels, inner = plan.conv.channels, plan.num_heads * plan.head_dim
        self.triple: int = 3 * plan.head_dim
        self.qkv: nn.Sequential = nn.Sequential()
        self.qkv.add_module("conv", conv2d(channels, 3 * inner, 1))
        gathering = nn.Sequential(
            conv2d(3 * inner, 3 * inner, SCALE, groups=3 * inner),
            conv2d(3 * inner, 3 * inner, 1, groups=3 * plan.num_heads),
        )
        self.aggreg: nn.ModuleList = nn.ModuleList([gathering])
        self.kernel_func: nn.ReLU = nn.ReLU()
        self.proj: ConvNormAct = ConvNormAct(2 * inner, channels, 1, NORM, eps=cfg.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        qkv = self.qkv(x)
        scales = torch.cat([qkv, *(gathering(qkv) for gathering in self.aggreg)], dim=1)
        heads = scales.reshape(x.shape[0], -1, self.triple, x.shape[2] * x.shape[3]).mT
        q, k, v = heads.chunk(3, dim=-1)
        y = _linear_attention(self.kernel_func(q), self.kernel_func(k), v)
        return self.proj(y.mT.reshape(x.shape[0], -1, x.shape[2], x.shape[3]))


class SeparableConv(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, cfg: EfficientVitConfig, plan: ConvPlan) -> None:
        super().__init__()
        channels, act, eps = plan.in_channels, cfg.act_layer, cfg.norm_eps
        self.depth_conv: ConvNormAct = ConvNormAct(
            channels, channels, 3, NORM, act, eps=eps, groups=channels
        )
        self.point_conv: ConvNormAct = ConvNormAct(channels, plan.channels, 1, NORM, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        return self.point_conv(self.depth_conv(x))


class ConvBlock(nn.Module):
    """Two full convolutions."""

    def __init__(self, cfg: EfficientVitConfig, plan: ConvPlan) -> None:
        super().__init__()
        hidden, act, eps = plan.hidden, cfg.act_layer, cfg.norm_eps
        self.conv1: ConvNormAct = ConvNormAct(plan.in_channels, hidden, 3, NORM, act, eps=eps)
        self.conv2: ConvNormAct = ConvNormAct(hidden, plan.channels, 3, NORM, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        return self.conv2(self.conv1(x))


class Head(nn.Module):
    """A pointwise convolution, pooling, a hidden layer and a linear classifier."""

    def __init__(self, cfg: EfficientVitConfig) -> None:
        super().__init__()
        wide, hidden = cfg.head_widths
        self.hidden: int = hidden
        act: Activation = cfg.act_layer if cfg.large else "hard_swish"
        self.in_conv: ConvNormAct = ConvNormAct(cfg.widths[-1], wide, 1, NORM, act)
        self.global_pool: GlobalPool = GlobalPool(cfg.global_pool)
        self.classifier: nn.Sequential = nn.Sequential(
            nn.Linear(wide, hidden, bias=False),
            nn.LayerNorm(hidden, cfg.norm_eps),
            activation(act),
            nn.Dropout(cfg.drop_rate),
            linear_classifier(hidden, cfg.num_classes),
        )

    def reset(self, num_classes: int, global_pool: ConvPool) -> None:
        """Put another pooling and an uninitialised classifier in place."""
        self.global_pool = GlobalPool(global_pool)
        self.classifier[4] = linear_classifier(self.hidden, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.global_pool(self.in_conv(x))
        return self.classifier[:-1](x) if pre_logits else self.classifier(x)


@torch.fx.wrap  # looks at the device, which a symbolic trace cannot
def _linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention (N, A, T, F) by features of queries and keys that are not negative (equation 3)."""
    dtype, device = q.dtype, q.device.type
    # The sum over all positions leaves the range of half precision, and most of its digits.
    exactly = nullcontext() if device == "meta" else torch.autocast(device, enabled=False)
    with exactly:
        q, k, v = (x.to(torch.promote_types(dtype, torch.float32)) for x in (q, k, v))
        v = F.pad(v, (0, 1), value=1.0)  # the last feature sums the weights
        y = q @ (k.mT @ v)
        return (y[..., :-1] / (y[..., -1:] + EPS)).to(dtype)


def _stem(cfg: EfficientVitConfig, blocks: tuple[ConvPlan, ...]) -> nn.Sequential:
    """A convolution that subsamples, and blocks."""
    layers: dict[str, nn.Module] = {
        "in_conv": ConvNormAct(
            cfg.in_chans, cfg.widths[0], 3, NORM, cfg.act_layer, eps=cfg.norm_eps, stride=2
        )
    }
    for index, block in enumerate(blocks):
        layers[f"res{index}"] = Residual(_conv_block(cfg, block))
    return nn.Sequential(OrderedDict(layers))


def _stage(cfg: EfficientVitConfig, plan: StagePlan) -> nn.Sequential:
    return nn.Sequential(OrderedDict(blocks=Blocks(*(_block(cfg, block) for block in plan))))


def _block(cfg: EfficientVitConfig, plan: ConvPlan | AttentionPlan) -> nn.Module:
    if isinstance(plan, AttentionPlan):
        return EfficientVitBlock(cfg, plan)
    return Residual(_conv_block(cfg, plan), shortcut=plan.stride == 1)


def _conv_block(cfg: EfficientVitConfig, plan: ConvPlan) -> nn.Module:
    channels = (plan.in_channels, plan.hidden, plan.channels)
    act, eps, stride = cfg.act_layer, cfg.norm_eps, plan.stride
    match plan.kind:
        case "separable":
            return SeparableConv(cfg, plan)
        case "plain":
            return ConvBlock(cfg, plan)
        case "fused":
            return FusedMBConv(*channels, 3, NORM, act, eps=eps, stride=stride)
        case "inverted":
            norm = NORM if plan.normed else None
            return MBConv(
                *channels,
                3,
                NORM,
                act,
                expand_norm=norm,
                depth_norm=norm,
                eps=eps,
                stride=stride,
                bias=True,
            )
