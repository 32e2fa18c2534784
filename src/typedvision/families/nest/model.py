"""Nested Transformer (https://arxiv.org/abs/2105.12723).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, B blocks of A tokens each, D
features, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.pooled_model import PooledModel
from typedvision.config.base import to_pair
from typedvision.families.nest.config import LevelPlan, NestConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention, attend, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d, pad_same
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed, check_fixed_size
from typedvision.layers.windows import join_windows, split_windows


class Nest(PooledModel):
    """Patches, levels of attention within blocks, pooling and a linear classifier (figure 1)."""

    classifier_name: ClassVar[str] = "head"
    head: nn.Linear | nn.Identity

    def __init__(self, cfg: NestConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].features
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self._nlhb: bool = cfg.weight_init == "nlhb"

        self.patch_embed: PatchEmbed = PatchEmbed(
            cfg.in_chans, plan[0].features, (cfg.patch_size, cfg.patch_size)
        )
        self.levels: nn.Sequential = nn.Sequential(*(NestLevel(cfg, level) for level in plan))
        self.norm: nn.Module = token_norm(cfg.norm_layer, self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 16, W / 16)."""
        return self._finish(self.levels(self._patches(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, H / 4, W / 4, D), ..., (N, H / 16, W / 16, D)."""
        x = self._patches(x)
        for level in self.levels:
            x = level(x)
            yield x

    def _patches(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 4, W / 4, D)."""
        check_fixed_size(x, self.img_size)
        return self.patch_embed(x)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation, (N, h, w, D) to (N, D, h, w)."""
        return self.norm(x).permute(0, 3, 1, 2)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level as the last normalisation leaves it; the others as they are."""
        return self.norm(x) if level == len(self.levels) - 1 else x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and linear layers by a deviation of 0.02."""
        if isinstance(module, nn.Conv2d | nn.Linear):
            negative = self._nlhb and path == "head"
            bias = constant(-math.log(self.num_classes)) if negative else zeros
            return {"weight": trunc_normal(0.02), "bias": bias}
        return default_initializers(module)

    def no_weight_decay(self) -> set[str]:
        """The tables of positions."""
        return {f"levels.{index}.pos_embed" for index in range(len(self.levels))}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each layer with what stands before a level's first."""
        return {
            "stem": r"^patch_embed",
            "blocks": [
                (r"^levels\.(\d+)\.transformer_encoder\.(\d+)", None),
                (r"^levels\.(\d+)\.(?:pool|pos_embed)", (0,)),
                (r"^norm", LAST_GROUP),
            ],
        }


class NestLevel(nn.Module):
    """A pooling, then layers that attend within each block (algorithm 1)."""

    def __init__(self, cfg: NestConfig, plan: LevelPlan) -> None:
        super().__init__()
        tokens = plan.side**2
        self.window: tuple[int, int] = (plan.side, plan.side)
        self.blocks: int = plan.blocks
        self.pos_embed: nn.Parameter = nn.Parameter(
            torch.empty(1, plan.blocks, tokens, plan.features)
        )
        self.pool: nn.Module = ConvPool2d(cfg, plan) if plan.pools else nn.Identity()
        self.transformer_encoder: Blocks = Blocks(
            *(TransformerLayer(cfg, plan, rate) for rate in plan.drop_path_rates)
        )

    def initializers(self) -> Initializers:
        """Small random positions."""
        return {"pos_embed": trunc_normal(0.02)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, C) to (N, h / 2, w / 2, D)."""
        x = self.pool(x)
        size = x.shape[1], x.shape[2]
        x = split_windows(x, self.window)
        x = torch.unflatten(x, 0, (-1, self.blocks)) + self.pos_embed
        return join_windows(self.transformer_encoder(x).flatten(0, 1), size, self.window)


class ConvPool2d(nn.Module):
    """A 3x3 convolution, a normalisation and a 3x3 maximum that subsamples by two."""

    def __init__(self, cfg: NestConfig, plan: LevelPlan) -> None:
        super().__init__()
        self.same: bool = cfg.pad_type == "same"
        self.conv: nn.Conv2d = conv2d(plan.in_features, plan.features, 3, bias=True)
        self.norm: nn.Module = token_norm(cfg.norm_layer, plan.features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, C) to (N, h / 2, w / 2, D)."""
        x = self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.same:
            x = F.max_pool2d(pad_same(x, 3, 2, value=-math.inf), 3, 2)
        else:
            x = F.max_pool2d(x, 3, 2, padding=1)
        return x.permute(0, 2, 3, 1)


class BlockAttention(Attention):
    """Self-attention within each block; the features of its heads alternate in the output, as in
    the published weights."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, B, A, D) to the same shape."""
        q, k, v = self.qkv(x.flatten(0, 1)).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0)
        return self.proj_drop(self.proj(heads.permute(0, 2, 3, 1).reshape(x.shape)))


class TransformerLayer(nn.Module):
    """Attention within each block, then an MLP, each normalised before and added."""

    def __init__(self, cfg: NestConfig, plan: LevelPlan, drop_path_rate: float) -> None:
        super().__init__()
        features, drop = plan.features, cfg.proj_drop_rate
        self.norm1: nn.Module = token_norm(cfg.norm_layer, features)
        self.attn: BlockAttention = BlockAttention(
            features,
            plan.num_heads,
            qkv_bias=cfg.qkv_bias,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=drop,
        )
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, features)
        act = activation(cfg.act_layer)
        self.mlp: Mlp = Mlp(features, plan.hidden, act, drop=drop)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, B, A, D) to the same shape."""
        x = x + self.drop_path1(self.attn(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))
