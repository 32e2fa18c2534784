"""MambaOut (https://arxiv.org/abs/2405.07992).

Shapes: N images, C channels in, D channels, H x W positions, K classes. Maps are (N, H, W, D).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.families.mambaout.config import HEAD_RATIO, MambaOutConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.norm import token_norm
from typedvision.layers.pool import GlobalPool

LAYER_SCALE = 1e-5
"""Initial factor of LayerScale."""


class MambaOut(StagedModel):
    """A stem, stages of gated convolutions, pooling, a hidden layer and a classifier (figure 3)."""

    def __init__(self, cfg: MambaOutConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.dims[-1]
        self.head_hidden_size: int = HEAD_RATIO * cfg.dims[-1]

        self.stem: nn.Module = Stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.head: Head = Head(cfg)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, H, W, D) to (N, D, H, W)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, H, W, D) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: Literal["", "avg"]) -> None:
        self.head.global_pool = GlobalPool(global_pool, channels_last=True)
        self.head.fc = linear_classifier(self.head_hidden_size, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and linear layers by a deviation of 0.02."""
        if isinstance(module, nn.Conv2d | nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)


class Stem(nn.Module):
    """Two 3x3 convolutions that subsample by two each."""

    def __init__(self, cfg: MambaOutConfig) -> None:
        super().__init__()
        channels, half = cfg.dims[0], cfg.dims[0] // 2
        self.conv1: nn.Conv2d = conv2d(cfg.in_chans, half, 3, stride=2, bias=True)
        self.norm1: nn.Module = (
            token_norm(cfg.norm_layer, half) if cfg.stem_mid_norm else nn.Identity()
        )
        self.act: nn.Module = activation(cfg.act_layer, inplace=False)
        self.conv2: nn.Conv2d = conv2d(half, channels, 3, stride=2, bias=True)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 4, W / 4, D)."""
        x = self.act(self.norm1(self.conv1(x).permute(0, 2, 3, 1)))
        return self.norm2(_convolved(self.conv2, x))


class Downsample(nn.Module):
    """A 3x3 convolution that subsamples by two, and a normalisation before or behind it."""

    def __init__(self, cfg: MambaOutConfig, plan: StagePlan) -> None:
        super().__init__()
        self.norm_first: bool = cfg.downsample == "conv_nf"
        if self.norm_first:
            self.norm: nn.Module = token_norm(cfg.norm_layer, plan.in_channels)
        self.conv: nn.Conv2d = conv2d(plan.in_channels, plan.channels, 3, stride=2, bias=True)
        if not self.norm_first:
            self.norm = token_norm(cfg.norm_layer, plan.channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) to (N, H / 2, W / 2, D)."""
        if self.norm_first:
            return _convolved(self.conv, self.norm(x))
        return self.norm(_convolved(self.conv, x))


class GatedConvBlock(nn.Module):
    """A gated MLP, part of whose hidden channels are convolved (algorithm 1)."""

    def __init__(self, cfg: MambaOutConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, hidden, convolved = plan.channels, plan.hidden, plan.convolved
        self.sizes: tuple[int, int, int] = (hidden, hidden - convolved, convolved)
        self.norm: nn.Module = token_norm(cfg.norm_layer, channels)
        self.fc1: nn.Linear = nn.Linear(channels, 2 * hidden)
        self.act: nn.Module = activation(cfg.act_layer, inplace=False)
        self.conv: nn.Conv2d = conv2d(
            convolved, convolved, cfg.kernel_size, groups=convolved, bias=True
        )
        self.fc2: nn.Linear = nn.Linear(hidden, channels)
        self.ls: nn.Module = (
            nn.Identity() if cfg.ls_init_value is None else LayerScale(channels, LAYER_SCALE)
        )
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, D) to the same shape."""
        gate, plain, local = self.fc1(self.norm(x)).split(self.sizes, dim=-1)
        gated = self.act(gate) * torch.cat((plain, _convolved(self.conv, local)), dim=-1)
        return x + self.drop_path(self.ls(self.fc2(gated)))


class Head(nn.Module):
    """Pooling, a normalisation, a hidden layer, dropout and a linear classifier."""

    def __init__(self, cfg: MambaOutConfig) -> None:
        super().__init__()
        features, hidden = cfg.dims[-1], HEAD_RATIO * cfg.dims[-1]
        parts: dict[str, nn.Module] = {"fc": nn.Linear(features, hidden), "act": nn.GELU()}
        if cfg.head_fn == "default":
            parts["norm"] = token_norm(cfg.norm_layer, hidden)
        self.global_pool: GlobalPool = GlobalPool(cfg.global_pool, channels_last=True)
        self.norm: nn.Module = token_norm(cfg.norm_layer, features)
        self.pre_logits: nn.Sequential = nn.Sequential(OrderedDict(parts))
        self.drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.fc: nn.Linear | nn.Identity = linear_classifier(hidden, cfg.num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, H, W, D) to (N, K)."""
        x = self.drop(self.pre_logits(self.norm(self.global_pool(x))))
        return x if pre_logits else self.fc(x)


def _stage(cfg: MambaOutConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    down = Downsample(cfg, plan) if plan.subsamples else nn.Identity()
    blocks = Blocks(*(GatedConvBlock(cfg, plan, rate) for rate in plan.drop_path_rates))
    return nn.Sequential(OrderedDict(downsample=down, blocks=blocks))


def _convolved(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution of a map whose channels are last."""
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
