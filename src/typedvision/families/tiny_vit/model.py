"""TinyViT (https://arxiv.org/abs/2207.10666).

Shapes: N images, C channels in, D channels out, H x W positions, M windows of A tokens each (M
counts those of all images), K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.tiny_vit.config import ConvStagePlan, StagePlan, TinyVitConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.distance_bias import DistanceAttention
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import ConvBn2d
from typedvision.layers.init import (
    NORM,
    Initializers,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.norm import LayerNorm2d
from typedvision.layers.windows import in_windows


class TinyVit(StagedModel, HeadModel):
    """Two convolutions, a stage of convolutional blocks, stages of attention in windows, pooling,
    a normalisation and a linear classifier (section 3.3)."""

    stem_name: ClassVar[str] = "patch_embed"

    def __init__(self, cfg: TinyVitConfig) -> None:
        super().__init__(cfg)
        first, others = cfg.plan()
        self.num_features: int = cfg.embed_dims[-1]

        self.patch_embed: nn.Sequential = _patch_embed(cfg)
        self.stages: nn.Sequential = nn.Sequential(
            _conv_stage(cfg, first), *(Stage(cfg, plan) for plan in others)
        )
        self._add_head(cfg.num_classes, cfg.global_pool, norm=LayerNorm2d(self.num_features, 1e-5))

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02; the last normalisation of convolutional blocks by
        0."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if path.startswith("stages.0.") and path.endswith("conv3.bn"):
            return {**NORM, "weight": zeros}
        return default_initializers(module)


class MBConv(nn.Module):
    """An inverted bottleneck (https://arxiv.org/abs/1801.04381), with an activation behind the
    sum."""

    def __init__(self, cfg: TinyVitConfig, plan: ConvStagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, hidden = plan.channels, plan.hidden
        self.conv1: ConvBn2d = ConvBn2d(channels, hidden, 1)
        self.act1: nn.Module = activation(cfg.act_layer)
        self.conv2: ConvBn2d = ConvBn2d(hidden, hidden, 3, groups=hidden)
        self.act2: nn.Module = activation(cfg.act_layer)
        self.conv3: ConvBn2d = ConvBn2d(hidden, channels, 1)
        self.act3: nn.Module = activation(cfg.act_layer)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = self.conv3(self.act2(self.conv2(self.act1(self.conv1(x)))))
        return self.act3(x + self.drop_path(y))


class Stage(nn.Module):
    """A subsampling of a map, and blocks of tokens."""

    def __init__(self, cfg: TinyVitConfig, plan: StagePlan) -> None:
        super().__init__()
        self.downsample: nn.Sequential = _downsample(cfg, plan)
        self.blocks: Blocks = Blocks(
            *(TinyVitBlock(cfg, plan, rate) for rate in plan.drop_path_rates)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        x = self.downsample(x).permute(0, 2, 3, 1)
        return self.blocks(x).permute(0, 3, 1, 2)


class TinyVitBlock(nn.Module):
    """Attention in windows, a depthwise convolution and an MLP (section 3.3)."""

    def __init__(self, cfg: TinyVitConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels = plan.channels
        self.window: tuple[int, int] = (plan.window, plan.window)
        self.attn: Attention = Attention(channels, plan.num_heads, self.window)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.mlp: nn.Sequential = _mlp(cfg, channels, plan.hidden)
        self.drop_path2: DropPath = DropPath(drop_path_rate)
        self.local_conv: ConvBn2d = ConvBn2d(
            channels, channels, cfg.local_conv_size, groups=channels
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, D) to the same shape."""
        x = x + self.drop_path1(in_windows(x, self.window, (0, 0), self._attend))
        x = self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.drop_path2(self.mlp(x))

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.attn(x)  # windows that are not shifted have no mask


class Attention(DistanceAttention):
    """A normalisation and attention of the tokens of a window, with a bias for each distance.

    Args:
        features: D.
        num_heads: heads, which divide D.
        window: rows and columns of a window.
    """

    def __init__(self, features: int, num_heads: int, window: tuple[int, int]) -> None:
        super().__init__(num_heads, window)
        self.norm: nn.LayerNorm = nn.LayerNorm(features)
        self.qkv: nn.Linear = nn.Linear(features, 3 * features)
        self.proj: nn.Linear = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """(M, A, D) to the same shape."""
        heads = self.qkv(self.norm(x)).unflatten(-1, (self.num_heads, -1))
        q, k, v = heads.transpose(1, 2).chunk(3, dim=-1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias())
        return self.proj(x.transpose(1, 2).flatten(2))


def _patch_embed(cfg: TinyVitConfig) -> nn.Sequential:
    """Two convolutions of stride 2."""
    channels = cfg.embed_dims[0]
    layers = {
        "conv1": ConvBn2d(cfg.in_chans, channels // 2, 3, stride=2),
        "act": activation(cfg.act_layer),
        "conv2": ConvBn2d(channels // 2, channels, 3, stride=2),
    }
    return nn.Sequential(OrderedDict(layers))


def _conv_stage(cfg: TinyVitConfig, plan: ConvStagePlan) -> nn.Sequential:
    blocks = Blocks(*(MBConv(cfg, plan, rate) for rate in plan.drop_path_rates))
    return nn.Sequential(OrderedDict(blocks=blocks))


def _downsample(cfg: TinyVitConfig, plan: StagePlan) -> nn.Sequential:
    """An inverted bottleneck without a shortcut, which halves the map."""
    channels = plan.channels
    layers = {
        "conv1": ConvBn2d(plan.in_channels, channels, 1),
        "act1": activation(cfg.act_layer),
        "conv2": ConvBn2d(channels, channels, 3, stride=2, groups=channels),
        "act2": activation(cfg.act_layer),
        "conv3": ConvBn2d(channels, channels, 1),
    }
    return nn.Sequential(OrderedDict(layers))


def _mlp(cfg: TinyVitConfig, features: int, hidden: int) -> nn.Sequential:
    """A normalisation and two layers."""
    layers = {
        "norm": nn.LayerNorm(features),
        "fc1": nn.Linear(features, hidden),
        "act": activation(cfg.act_layer),
        "drop1": nn.Dropout(cfg.proj_drop_rate),
        "fc2": nn.Linear(hidden, features),
        "drop2": nn.Dropout(cfg.proj_drop_rate),
    }
    return nn.Sequential(OrderedDict(layers))
