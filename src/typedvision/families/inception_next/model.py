"""InceptionNeXt (https://arxiv.org/abs/2303.16900).

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import ConvPool
from typedvision.families.inception_next.config import (
    HEAD_RATIO,
    InceptionNeXtConfig,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.pool import GlobalPool, pooled_features


class MetaNeXt(StagedModel):
    """A stem of patches, four stages of blocks, and an MLP as the head."""

    def __init__(self, cfg: InceptionNeXtConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.dims[-1]

        first = cfg.dims[0]
        patches = nn.Conv2d(cfg.in_chans, first, 4, stride=4)
        self.stem: nn.Module = nn.Sequential(patches, nn.BatchNorm2d(first))
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.head: MlpHead = MlpHead(cfg)
        self.head_hidden_size: int = self.head.hidden

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head.reset(num_classes, global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a deviation of 0.02, biases by 0."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)


class MetaNeXtBlock(nn.Module):
    """A token mixer, a normalisation and an MLP (figure 2)."""

    folds: ClassVar[Pairs] = (("norm", "mlp.fc1"),)

    def __init__(self, cfg: InceptionNeXtConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels = plan.channels
        self.ls_init_value: float = cfg.ls_init_value
        self.token_mixer: InceptionConv = InceptionConv(cfg, plan)
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(channels)
        act = activation(cfg.act_layer, inplace=False)
        self.mlp: Mlp = Mlp(channels, plan.hidden, act, use_conv=True)
        self.gamma: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def initializers(self) -> Initializers:
        """LayerScale's factor."""
        return {"gamma": constant(self.ls_init_value)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        branch = self.mlp(self.norm(self.token_mixer(x)))
        return x + self.drop_path(branch * self.gamma[:, None, None])


class InceptionConv(nn.Module):
    """Depthwise convolutions of some channels each: a square, a wide and a high one; the first
    channels stay as they are (equations 4 and 5)."""

    def __init__(self, cfg: InceptionNeXtConfig, plan: StagePlan) -> None:
        super().__init__()
        branch, dilation = plan.branch, plan.dilation
        square, band = cfg.square_kernel_size, cfg.band_kernel_size
        self.ends: tuple[int, ...] = tuple(plan.channels - count * branch for count in (3, 2, 1))
        self.dwconv_hw: nn.Conv2d = _depthwise(branch, (square, square), dilation)
        self.dwconv_w: nn.Conv2d = _depthwise(branch, (1, band), dilation)
        self.dwconv_h: nn.Conv2d = _depthwise(branch, (band, 1), dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        same, square, wide, high = x.tensor_split(self.ends, dim=1)
        return torch.cat(
            (same, self.dwconv_hw(square), self.dwconv_w(wide), self.dwconv_h(high)), dim=1
        )


class MlpHead(nn.Module):
    """Pooling, a hidden layer with a normalisation, dropout and a linear classifier."""

    def __init__(self, cfg: InceptionNeXtConfig) -> None:
        super().__init__()
        self.channels: int = cfg.dims[-1]
        self.hidden: int = HEAD_RATIO * self.channels
        self.global_pool: GlobalPool = GlobalPool(cfg.global_pool)
        features = pooled_features(cfg.global_pool, self.channels)
        self.fc1: nn.Linear = nn.Linear(features, self.hidden)
        self.act: nn.GELU = nn.GELU()
        self.norm: nn.LayerNorm = nn.LayerNorm(self.hidden, eps=1e-6)
        self.drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.fc2: nn.Linear | nn.Identity = linear_classifier(self.hidden, cfg.num_classes)

    def reset(self, num_classes: int, global_pool: ConvPool) -> None:
        """Put another pooling and an uninitialised classifier in place; the hidden layer stays
        unless the pooling gives it another number of features."""
        features = pooled_features(global_pool, self.channels)
        self.global_pool = GlobalPool(global_pool)
        if features != self.fc1.in_features:
            self.fc1 = nn.Linear(features, self.hidden)
        self.fc2 = linear_classifier(self.hidden, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.drop(self.norm(self.act(self.fc1(self.global_pool(x)))))
        return x if pre_logits else self.fc2(x)


def _stage(cfg: InceptionNeXtConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, where the shape changes, then blocks."""
    parts: dict[str, nn.Module] = {}
    if plan.subsamples:
        conv = conv2d(
            plan.in_channels,
            plan.channels,
            2,
            stride=plan.stride,
            dilation=plan.first_dilation,
            bias=True,
            pad_type="valid" if plan.stride > 1 else "same",
        )
        parts["downsample"] = nn.Sequential(nn.BatchNorm2d(plan.in_channels), conv)
    blocks = (MetaNeXtBlock(cfg, plan, rate) for rate in plan.drop_path_rates)
    parts["blocks"] = Blocks(*blocks)
    return nn.Sequential(OrderedDict(parts))


def _depthwise(channels: int, kernel_size: tuple[int, int], dilation: int) -> nn.Conv2d:
    height, width = (dilation * (side - 1) // 2 for side in kernel_size)
    return nn.Conv2d(
        channels,
        channels,
        kernel_size,
        padding=(height, width),
        dilation=dilation,
        groups=channels,
    )
