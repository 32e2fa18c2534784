"""MobileNetV5, the image encoder of Gemma 3n.

Shapes: N images, C channels, D channels of the fused map or of the last one, H x W pixels, h x w
positions of a map, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.joined_model import JoinedModel
from typedvision.architecture.mobile_model import MobileModel
from typedvision.architecture.pooled_conv_model import PooledConvModel
from typedvision.config.base import to_pair
from typedvision.config.mobile.base import MobileConfig
from typedvision.config.mobile.plans import MobilePlan
from typedvision.families.mobilenetv5.config import MobileNetV5Config
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.mobile_blocks import MobileConv, UniversalInvertedResidual, mobile_norm
from typedvision.layers.pool import pooled_features


class MobileNetV5(JoinedModel, MobileModel, PooledConvModel):
    """A stem, stages of mobile blocks, the fusion of their maps and a pooling, or a pooling and a
    pointwise convolution; and a linear classifier."""

    folds: ClassVar[Pairs] = (("conv_head", "norm_head"),)

    norm_head: nn.Module
    act2: nn.Module

    def __init__(self, cfg: MobileNetV5Config) -> None:
        super().__init__(cfg)
        self.joins_levels: bool = cfg.use_msfa
        self.fused: tuple[int, ...] = cfg.fused()
        self.msfa: MultiScaleFusion | None = None
        self.conv_head: nn.Conv2d | nn.Identity = nn.Identity()
        self.norm_head, self.act2 = nn.Identity(), nn.Identity()
        if cfg.use_msfa:
            self.msfa = MultiScaleFusion(cfg)
            self.num_features: int = cfg.num_features
        else:
            pooled = pooled_features(cfg.global_pool, self.num_features)
            self.head_hidden_size: int = cfg.num_features
            self.conv_head = conv2d(pooled, cfg.num_features, 1)
            self.norm_head, self.act2 = mobile_norm(cfg.style(), cfg.num_features, cfg.act_layer)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _add_stem(self, cfg: MobileConfig, plan: MobilePlan) -> None:
        assert isinstance(cfg, MobileNetV5Config)
        self.conv_stem: nn.Module = MobileConv(
            dataclasses.replace(cfg.style(), aa_layer=None),
            cfg.in_chans,
            plan.stem_channels,
            cfg.stem_kernel_size,
            act=cfg.act_layer,
            stride=2,
            bias=cfg.stem_bias,
        )

    def _stem(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to its first map, of half the height and width."""
        return self.conv_stem(x)

    def _joined(self, levels: Sequence[Tensor]) -> Tensor:
        """The fused map, or the last one, (N, D, h, w)."""
        if self.msfa is None:
            return levels[-1]
        return self.msfa([levels[level] for level in self.fused])

    def _hidden(self, x: Tensor) -> Tensor:
        """The convolution, the normalisation and the activation; nothing behind a fusion."""
        return self.act2(self.norm_head(self.conv_head(x)))

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        block = r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)"
        return {"stem": r"^conv_stem", "blocks": block}


class MultiScaleFusion(nn.Module):
    """Maps of several resolutions, brought to that of the finest, side by side through an inverted
    bottleneck to one map of a fixed size."""

    def __init__(self, cfg: MobileNetV5Config) -> None:
        super().__init__()
        style = dataclasses.replace(cfg.style(), aa_layer=None)
        self.size: tuple[int, int] = to_pair(cfg.msfa_output_resolution)
        self.ffn: UniversalInvertedResidual = UniversalInvertedResidual(cfg.fusion(), style)
        if cfg.norm_layer == "layernorm2d":  # the usual one, unlike that before an activation
            style = dataclasses.replace(style, norm_eps=cfg.bn_eps or 1e-6)
        self.norm: nn.Module = mobile_norm(style, cfg.num_features)[0]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (N, C, h, w), the finest first, to (N, D, h', w')."""
        return self.norm(resized(self.ffn(side_by_side(maps)), self.size))


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def side_by_side(maps: Sequence[Tensor]) -> Tensor:
    """Maps (N, C, h, w) at the resolution of the first, one behind the other, (N, D, h, w)."""
    size = maps[0].shape[-2:]
    return torch.cat([F.interpolate(x, size, mode="nearest") for x in maps], dim=1)


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """A map (N, D, h, w) of another size: averages where it divides the old one, else
    interpolated."""
    (rows, columns), (height, width) = x.shape[-2:], size
    if rows % height or columns % width:
        return F.interpolate(x, size, mode="bilinear")
    return F.avg_pool2d(x, (rows // height, columns // width))
