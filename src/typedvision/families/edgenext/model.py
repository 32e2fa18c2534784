"""EdgeNeXt (https://arxiv.org/abs/2206.10589).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.edgenext.config import (
    AttentionPlan,
    ConvPlan,
    EdgeNeXtConfig,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.cross_covariance import CrossCovarianceAttention, FourierPositions
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    scaled,
    trunc_normal,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import LayerNorm2d

EPS = 1e-6


class EdgeNeXt(StagedModel, HeadModel):
    """A stem, four stages of blocks, pooling, a normalisation and a linear classifier
    (figure 2)."""

    last_layer: ClassVar[str | None] = "norm_pre"

    def __init__(self, cfg: EdgeNeXtConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.dims[-1]
        self.head_init_scale: float = cfg.head_init_scale

        last_norm = LayerNorm2d(self.num_features, EPS)
        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.norm_pre: nn.Module = last_norm if cfg.head_norm_first else nn.Identity()
        self._add_head(
            cfg.num_classes, cfg.global_pool, norm=None if cfg.head_norm_first else last_norm
        )

    def _finish(self, x: Tensor) -> Tensor:
        """The normalisation, where it stands before the pooling."""
        return self.norm_pre(x)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a deviation of 0.02, scaled in the head; biases by 0."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            scale = self.head_init_scale if path.startswith("head.") else 1.0
            return {
                "weight": scaled(trunc_normal(0.02, low=-0.04, high=0.04), scale),
                "bias": zeros,
            }
        return default_initializers(module)


class ConvBlock(nn.Module):
    """A depthwise convolution, a normalisation and an MLP (section 3.1), beside a shortcut, which
    starts behind the convolution where that changes the shape."""

    def __init__(self, cfg: EdgeNeXtConfig, plan: ConvPlan) -> None:
        super().__init__()
        channels, groups = plan.channels, plan.in_channels
        self.shortcut_after_dw: bool = plan.stride > 1 or groups != channels
        self.ls_init_value: float = cfg.ls_init_value
        self.conv_dw: nn.Conv2d = conv2d(
            plan.in_channels,
            channels,
            plan.kernel_size,
            stride=plan.stride,
            groups=groups,
            bias=cfg.conv_bias,
        )
        self.norm: nn.LayerNorm = nn.LayerNorm(channels, EPS)
        self.mlp: Mlp = Mlp(channels, plan.hidden, activation(cfg.act_layer, inplace=False))
        self.gamma: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def initializers(self) -> Initializers:
        """LayerScale's factor."""
        return {"gamma": constant(self.ls_init_value)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.conv_dw(x)
        shortcut = y if self.shortcut_after_dw else x
        y = self.gamma * self.mlp(self.norm(y.permute(0, 2, 3, 1)))
        return shortcut + self.drop_path(y.permute(0, 3, 1, 2))


class SplitTransposeBlock(nn.Module):
    """Convolutions of some channels, more of the first ones; attention between channels, and an
    MLP (section 3.2)."""

    def __init__(self, cfg: EdgeNeXtConfig, plan: AttentionPlan) -> None:
        super().__init__()
        channels, count = plan.channels, plan.scales - 1
        width = -(-channels // plan.scales)
        self.ls_init_value: float = cfg.ls_init_value
        self.convs: nn.ModuleList = nn.ModuleList(
            conv2d(width, width, 3, groups=width, bias=cfg.conv_bias) for _ in range(count)
        )
        self.pos_embd: FourierPositions | None = (
            FourierPositions(channels) if plan.positions else None
        )
        self.norm_xca: nn.LayerNorm = nn.LayerNorm(channels, EPS)
        self.gamma_xca: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.xca: CrossCovarianceAttention = CrossCovarianceAttention(channels, plan.num_heads)
        self.norm: nn.LayerNorm = nn.LayerNorm(channels, EPS)
        self.mlp: Mlp = Mlp(channels, plan.hidden, activation(cfg.act_layer, inplace=False))
        self.gamma: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def initializers(self) -> Initializers:
        """LayerScale's factors."""
        return dict.fromkeys(("gamma_xca", "gamma"), constant(self.ls_init_value))

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        y = self._convolved(x).permute(0, 2, 3, 1)
        if self.pos_embd is not None:
            y = y + self.pos_embd(y)
        y = y + self.drop_path(self.gamma_xca * self.xca(self.norm_xca(y)))
        y = self.gamma * self.mlp(self.norm(y))
        return x + self.drop_path(y.permute(0, 3, 1, 2))

    def _convolved(self, x: Tensor) -> Tensor:
        """Each group of channels but the last, convolved with what the group before became."""
        groups = x.chunk(len(self.convs) + 1, dim=1)
        outputs: list[Tensor] = []
        for index, conv in enumerate(self.convs):
            group = groups[index]
            outputs.append(conv(group + outputs[-1] if outputs else group))
        return torch.cat((*outputs, groups[-1]), dim=1)


def _stem(cfg: EdgeNeXtConfig) -> nn.Sequential:
    """Patches by one convolution, and a normalisation."""
    size, padding = (4, 0) if cfg.stem_type == "patch" else (9, 4)
    channels = cfg.dims[0]
    conv = nn.Conv2d(cfg.in_chans, channels, size, 4, padding, bias=cfg.conv_bias)
    return nn.Sequential(conv, LayerNorm2d(channels, EPS))


def _stage(cfg: EdgeNeXtConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    downsample: nn.Module = nn.Identity()
    if plan.downsamples:
        conv = nn.Conv2d(plan.in_channels, plan.channels, 2, 2, bias=cfg.conv_bias)
        downsample = nn.Sequential(LayerNorm2d(plan.in_channels, EPS), conv)
    blocks = Blocks(
        *(
            ConvBlock(cfg, block)
            if isinstance(block, ConvPlan)
            else SplitTransposeBlock(cfg, block)
            for block in plan.blocks
        )
    )
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))
