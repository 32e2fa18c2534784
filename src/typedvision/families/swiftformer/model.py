"""SwiftFormer (https://arxiv.org/abs/2303.15446).

Shapes: N images, C channels in, D channels out, H x W positions, T = H W, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.distilled_model import DistilledStagedModel
from typedvision.families.swiftformer.config import StagePlan, SwiftFormerConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    normal,
    trunc_normal,
    zeros,
)
from typedvision.layers.layer_scale import ChannelScale
from typedvision.layers.pool import GlobalPool


class SwiftFormer(DistilledStagedModel):
    """A stem, four stages of blocks, a normalisation, pooling and two linear classifiers
    (figure 3)."""

    last_layer: ClassVar[str | None] = "norm"

    def __init__(self, cfg: SwiftFormerConfig) -> None:
        super().__init__(cfg)
        channels = cfg.embed_dims[0]
        self.num_features: int = cfg.embed_dims[-1]
        self.head_hidden_size: int = self.num_features

        self.stem: nn.Module = nn.Sequential(
            conv2d(cfg.in_chans, channels // 2, 3, stride=2, bias=True),
            nn.BatchNorm2d(channels // 2),
            activation("relu"),
            conv2d(channels // 2, channels, 3, stride=2, bias=True),
            nn.BatchNorm2d(channels),
            activation("relu"),
        )
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _pool(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to (N, D)."""
        return self.head_drop(self.global_pool(x))

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.global_pool: GlobalPool = GlobalPool("avg" if global_pool else "")
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head: nn.Module = linear_classifier(self.num_features, num_classes)
        self.head_dist: nn.Module | None = linear_classifier(self.num_features, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a deviation of 0.02; biases by 0."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)


class ConvEncoder(nn.Module):
    """A depthwise and two pointwise convolutions beside a shortcut (section 3.2).

    Args:
        cfg: says which activation, and whether the branch is scaled.
        channels: C.
        hidden: channels between the pointwise convolutions.
        drop_path_rate: probability of dropping the branch.
    """

    folds: ClassVar[Pairs] = (("dwconv", "norm"),)

    def __init__(
        self, cfg: SwiftFormerConfig, channels: int, hidden: int, drop_path_rate: float
    ) -> None:
        super().__init__()
        self.dwconv: nn.Conv2d = conv2d(channels, channels, 3, groups=channels, bias=True)
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(channels)
        self.pwconv1: nn.Conv2d = conv2d(channels, hidden, 1, bias=True)
        self.act: nn.Module = activation(cfg.act_layer)
        self.pwconv2: nn.Conv2d = conv2d(hidden, channels, 1, bias=True)
        self.drop_path: DropPath = DropPath(drop_path_rate)
        self.layer_scale: nn.Module = _scale(cfg, channels, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = self.pwconv2(self.act(self.pwconv1(self.norm(self.dwconv(x)))))
        return x + self.drop_path(self.layer_scale(y))


class SwiftFormerBlock(nn.Module):
    """Convolutions, attention and an MLP, each beside a shortcut (section 3.2)."""

    def __init__(self, cfg: SwiftFormerConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, value = plan.channels, cfg.layer_scale_init_value
        self.local_representation: ConvEncoder = ConvEncoder(cfg, channels, channels, 0.0)
        self.attn: AdditiveAttention = AdditiveAttention(channels)
        self.linear: ConvMlp = ConvMlp(cfg, channels, plan.hidden)
        self.drop_path: DropPath = DropPath(drop_path_rate)
        self.layer_scale_1: nn.Module = _scale(cfg, channels, value)
        self.layer_scale_2: nn.Module = _scale(cfg, channels, value)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = self.local_representation(x)
        x = x + self.drop_path(self.layer_scale_1(self.attn(x)))
        return x + self.drop_path(self.layer_scale_2(self.linear(x)))


class AdditiveAttention(nn.Module):
    """Efficient additive attention (section 3.1): all queries become one, which every key is
    multiplied by.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale: float = channels**-0.5
        self.w_g: nn.Parameter = nn.Parameter(torch.empty(channels, 1))
        self.to_query: nn.Linear = nn.Linear(channels, channels)
        self.to_key: nn.Linear = nn.Linear(channels, channels)
        self.proj: nn.Linear = nn.Linear(channels, channels)
        self.final: nn.Linear = nn.Linear(channels, channels)

    def initializers(self) -> Initializers:
        """What weighs the queries."""
        return {"w_g": normal(1.0)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        tokens = x.flatten(2).transpose(1, 2)
        q = F.normalize(self.to_query(tokens), dim=-1)
        k = F.normalize(self.to_key(tokens), dim=-1)
        weights = F.normalize(q @ self.w_g * self.scale, dim=1)  # (N, T, 1)
        one = (weights * q).sum(dim=1, keepdim=True)
        tokens = self.final(self.proj(one * k) + q)
        return tokens.transpose(1, 2).reshape(x.shape)


class ConvMlp(nn.Module):
    """A normalisation and two pointwise convolutions.

    Args:
        cfg: says which activation, and what is dropped.
        channels: C.
        hidden: channels between the convolutions.
    """

    def __init__(self, cfg: SwiftFormerConfig, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm1: nn.BatchNorm2d = nn.BatchNorm2d(channels)
        self.fc1: nn.Conv2d = conv2d(channels, hidden, 1, bias=True)
        self.act: nn.Module = activation(cfg.act_layer)
        self.fc2: nn.Conv2d = conv2d(hidden, channels, 1, bias=True)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = self.drop(self.act(self.fc1(self.norm1(x))))
        return self.drop(self.fc2(x))


def _scale(cfg: SwiftFormerConfig, channels: int, value: float) -> nn.Module:
    return ChannelScale(channels, value) if cfg.use_layer_scale else nn.Identity()


def _stage(cfg: SwiftFormerConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, convolutional blocks, and one with attention."""
    channels, (*rates, last) = plan.channels, plan.drop_path_rates
    downsample: nn.Module = nn.Identity()
    if plan.downsamples:
        conv = nn.Conv2d(
            plan.in_channels,
            channels,
            cfg.down_patch_size,
            stride=cfg.down_stride,
            padding=cfg.down_pad,
        )
        downsample = nn.Sequential(OrderedDict(proj=conv, norm=nn.BatchNorm2d(channels)))
    blocks = Blocks(
        *(ConvEncoder(cfg, channels, plan.hidden, rate) for rate in rates),
        SwiftFormerBlock(cfg, plan, last),
    )
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))
