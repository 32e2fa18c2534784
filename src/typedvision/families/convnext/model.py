"""ConvNeXt (https://arxiv.org/abs/2201.03545) and ConvNeXt V2 (https://arxiv.org/abs/2301.00808).

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.convnext.config import ConvNeXtConfig, ConvNeXtPlan, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, constant, default_initializers, normal, zeros
from typedvision.layers.mlp import GlobalResponseNormMlp, Mlp
from typedvision.layers.norm import conv_norm


class ConvNeXt(StagedModel, HeadModel):
    """A stem, four stages of blocks, pooling, a normalisation and a linear classifier."""

    last_layer: ClassVar[str | None] = "norm_pre"

    def __init__(self, cfg: ConvNeXtConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = cfg.dims[-1]
        self.head_init_scale: float = cfg.head_init_scale

        last_norm = _norm(cfg, self.num_features)
        self.stem: nn.Module = _stem(cfg, plan)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.norm_pre: nn.Module = last_norm if cfg.head_norm_first else nn.Identity()
        self._add_head(
            cfg.num_classes,
            cfg.global_pool,
            norm=None if cfg.head_norm_first else last_norm,
            hidden_size=cfg.head_hidden_size,
        )

    def _finish(self, x: Tensor) -> Tensor:
        """The normalisation, where it stands before the pooling."""
        return self.norm_pre(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level by the normalisation before the pooling; no other level has one."""
        return self.norm_pre(x) if level == len(self.stages) - 1 else x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a deviation of 0.02 (appendix A.1), less in the head; biases by 0."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            scale = self.head_init_scale if path.startswith("head.") else 1.0
            return {"weight": normal(0.02 * scale), "bias": zeros}
        return default_initializers(module)


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution, a normalisation and an inverted bottleneck (figure 4)."""

    def __init__(self, cfg: ConvNeXtConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, factor = plan.channels, cfg.ls_init_value
        self.conv_mlp: bool = cfg.conv_mlp
        self.ls_init_value: float | None = factor
        self.conv_dw: nn.Conv2d = conv2d(
            channels,
            channels,
            plan.kernel_size,
            dilation=plan.dilation,
            groups=channels,
            bias=cfg.conv_bias,
        )
        self.norm: nn.Module = _norm(cfg, channels)
        mlp = GlobalResponseNormMlp if cfg.use_grn else Mlp
        act = activation(cfg.act_layer, inplace=False)
        self.mlp: nn.Module = mlp(channels, plan.hidden, act, use_conv=cfg.conv_mlp)
        self.gamma: nn.Parameter | None = (
            None if factor is None else nn.Parameter(torch.empty(channels))
        )
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def initializers(self) -> Initializers:
        """LayerScale's factor."""
        return {} if self.ls_init_value is None else {"gamma": constant(self.ls_init_value)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        branch = self.norm(self.conv_dw(x))
        if self.conv_mlp:
            branch = self.mlp(branch)
        else:
            branch = self.mlp(branch.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.gamma is not None:
            branch = branch * self.gamma[:, None, None]
        return x + self.drop_path(branch)


def _stem(cfg: ConvNeXtConfig, plan: ConvNeXtPlan) -> nn.Sequential:
    """Patches by one convolution, or two convolutions that subsample by two each."""
    channels, bias, size = cfg.dims[0], cfg.conv_bias, cfg.patch_size
    norm = _norm(cfg, channels)
    if cfg.stem_type == "patch":
        return nn.Sequential(nn.Conv2d(cfg.in_chans, channels, size, stride=size, bias=bias), norm)
    first = conv2d(cfg.in_chans, plan.stem_channels, 3, stride=2, bias=bias)
    second = conv2d(plan.stem_channels, channels, 3, stride=2, bias=bias)
    between = [activation(cfg.act_layer)] if cfg.stem_type == "overlap_act" else []
    return nn.Sequential(first, *between, second, norm)


def _stage(cfg: ConvNeXtConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    blocks = [ConvNeXtBlock(cfg, plan, rate) for rate in plan.drop_path_rates]
    parts = {"downsample": _downsample(cfg, plan), "blocks": Blocks(*blocks)}
    return nn.Sequential(OrderedDict(parts))


def _downsample(cfg: ConvNeXtConfig, plan: StagePlan) -> nn.Module:
    """A normalisation and a 2x2 convolution; one that does not subsample keeps the size."""
    if not plan.subsamples:
        return nn.Identity()
    conv = conv2d(
        plan.in_channels,
        plan.channels,
        2,
        stride=plan.stride,
        dilation=plan.first_dilation,
        bias=cfg.conv_bias,
        pad_type="valid" if plan.stride == 2 else "same",
    )
    return nn.Sequential(_norm(cfg, plan.in_channels), conv)


def _norm(cfg: ConvNeXtConfig, channels: int) -> nn.Module:
    return conv_norm(cfg.map_norm(), channels, cfg.norm_eps)
