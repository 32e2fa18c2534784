"""MViTv2 (https://arxiv.org/abs/2112.01526).

Shapes: N images, C channels, H x W pixels, h x w patches of a map, P tokens in front of them (the
class token, or none), T = P + h w tokens, A attention heads, D features, d = D / A, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Literal

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.config.base import to_pair
from typedvision.config.names import OutputFormat
from typedvision.families.mvitv2.config import BlockPlan, MViTv2Config
from typedvision.layers.activation import activation
from typedvision.layers.attention import NormMaker, attend, merge_heads, split_heads
from typedvision.layers.axis_bias import axis_bias, axis_rows
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializer,
    Initializers,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import OverlappingPatches, check_fixed_size
from typedvision.layers.token_map import patch_map
from typedvision.layers.token_pool import GlobalTokenPool

torch.fx.wrap("axis_bias")  # looks at sizes, which a symbolic trace cannot

SMALL: Initializer = trunc_normal(0.02, low=-0.04, high=0.04)
"""What all that is linear or a table is initialised to."""


class MultiScaleVit(ImageModel):
    """Overlapping patches, stages of pooling attention, and a linear classifier."""

    output_fmt: OutputFormat = "NLC"

    def __init__(self, cfg: MViTv2Config) -> None:
        super().__init__(cfg)
        plan, features = cfg.plan(), cfg.embed_dim[0]
        self.num_features: int = plan.stages[-1][-1].features
        self.head_hidden_size: int = self.num_features
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.prefix: int = int(cfg.use_cls_token)
        self.grids: tuple[tuple[int, int], ...] = tuple(stage[-1].queries for stage in plan.stages)

        self.cls_token: nn.Parameter | None = None
        if cfg.use_cls_token:
            self.cls_token = nn.Parameter(torch.empty(1, 1, features))
        self.pos_embed: nn.Parameter | None = None
        if cfg.use_abs_pos:
            self.pos_embed = nn.Parameter(torch.empty(1, self.prefix + prod(plan.grid), features))
        self.patch_embed: OverlappingPatches = OverlappingPatches(
            cfg.in_chans, features, cfg.patch_kernel, cfg.patch_stride, cfg.patch_padding
        )
        self.stages: nn.Sequential = nn.Sequential(*(Stage(cfg, stage) for stage in plan.stages))
        self.norm: nn.Module = _norm_maker(cfg)(self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _replace_classifier(
        self, num_classes: int, global_pool: Literal["", "avg", "token"]
    ) -> None:
        self.unpooled: int = self.prefix if global_pool == "avg" else 0
        self.pool: GlobalTokenPool = GlobalTokenPool(global_pool)
        self.head: nn.Sequential = nn.Sequential(
            OrderedDict(
                drop=nn.Dropout(self.drop_rate),
                fc=linear_classifier(self.num_features, num_classes),
            )
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        return self._finish(self.stages(self._embed(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The tokens after each stage, (N, T, D)."""
        x = self._embed(x)
        for stage in self.stages:
            x = stage(x)
            yield x

    def _embed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        check_fixed_size(x, self.img_size)
        x = self.patch_embed(x).flatten(1, 2)
        if self.cls_token is not None:
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        return x if self.pos_embed is None else x + self.pos_embed

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Normalised after the last stage, as it is after the others."""
        return self.norm(x) if level == len(self.grids) - 1 else x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        return patch_map(x, self.prefix, self.grids)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K); to (N, T, K) where nothing is pooled."""
        x = self.pool(x[:, self.unpooled :])
        return self.head[0](x) if pre_logits else self.head(x)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers and tables by a normal distribution that is cut at two deviations."""
        if module is self:
            return {"cls_token": SMALL, "pos_embed": SMALL}
        if isinstance(module, nn.Linear):
            return {"weight": SMALL, "bias": zeros}
        return default_initializers(module)

    def no_weight_decay(self) -> set[str]:
        """The class token and the tables of positions and distances."""
        names = ("cls_token", "pos_embed", "rel_pos_h", "rel_pos_w")
        return {key for key, _ in self.named_parameters() if key.endswith(names)}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each stage, then the last normalisation with the last stage."""
        return {
            "stem": r"^(?:cls_token|pos_embed|patch_embed)",
            "blocks": [(r"^stages\.(\d+)", None), (r"^norm", LAST_GROUP)],
        }


class Stage(nn.Module):
    """Blocks of one resolution; the first one may subsample."""

    def __init__(self, cfg: MViTv2Config, plans: tuple[BlockPlan, ...]) -> None:
        super().__init__()
        self.blocks: Blocks = Blocks(*(MultiScaleBlock(cfg, plan) for plan in plans))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the tokens of the next resolution."""
        return self.blocks(x)


class MultiScaleBlock(nn.Module):
    """Pooling attention, then an MLP, each normalised before and added; where tokens become fewer,
    the shortcut takes maxima, and where they become wider, it is a linear layer."""

    def __init__(self, cfg: MViTv2Config, plan: BlockPlan) -> None:
        super().__init__()
        norm, width = _norm_maker(cfg), plan.attn_features
        self.prefix: int = int(cfg.use_cls_token)
        self.grid: tuple[int, int] = plan.grid
        self.norm1: nn.Module = norm(plan.in_features)
        self.shortcut_proj_attn: nn.Linear | None = (
            nn.Linear(plan.in_features, width) if plan.in_features != width else None
        )
        self.shortcut_pool_attn: nn.MaxPool2d | None = (
            _shortcut_pool(plan.stride) if plan.subsamples else None
        )
        self.attn: MultiScaleAttention = MultiScaleAttention(cfg, plan)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(width)
        self.shortcut_proj_mlp: nn.Linear | None = (
            nn.Linear(width, plan.features) if width != plan.features else None
        )
        self.mlp: Mlp = Mlp(
            width,
            plan.hidden,
            activation("gelu"),
            out_features=plan.features,
        )
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) to (N, T', D)."""
        y = self.norm1(x)
        x = self._pooled(x if self.shortcut_proj_attn is None else self.shortcut_proj_attn(y))
        x = x + self.drop_path1(self.attn(y))
        y = self.norm2(x)
        x = x if self.shortcut_proj_mlp is None else self.shortcut_proj_mlp(y)
        return x + self.drop_path2(self.mlp(y))

    def _pooled(self, x: Tensor) -> Tensor:
        """(N, T, D) with the maxima of neighbouring patches, (N, T', D)."""
        if self.shortcut_pool_attn is None:
            return x
        return pool_patches(x[:, None], self.shortcut_pool_attn, self.prefix, self.grid)[:, 0]


class MultiScaleAttention(nn.Module):
    """Multi-head attention whose queries, keys and values are pooled after their projection, with
    biases by distance (figure 2)."""

    def __init__(self, cfg: MViTv2Config, plan: BlockPlan) -> None:
        super().__init__()
        features = plan.attn_features
        width = features // plan.num_heads
        self.num_heads: int = plan.num_heads
        self.grid: tuple[int, int] = plan.grid
        self.queries: tuple[int, int] = plan.queries
        self.keys: tuple[int, int] = plan.keys
        self.prefix: int = int(cfg.use_cls_token)
        self.residual_pooling: bool = cfg.residual_pooling
        self.qkv: nn.Linear = nn.Linear(plan.in_features, 3 * features, bias=cfg.qkv_bias)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.pool_q: nn.Module
        self.pool_k: nn.Module
        self.pool_v: nn.Module
        self.norm_q: nn.Module
        self.norm_k: nn.Module
        self.norm_v: nn.Module
        self.pool_q, self.norm_q = _pooling(cfg, width, plan.stride)
        self.pool_k, self.norm_k = _pooling(cfg, width, plan.key_stride)
        self.pool_v, self.norm_v = _pooling(cfg, width, plan.key_stride)
        self.rel_pos_h: nn.Parameter | None = None
        self.rel_pos_w: nn.Parameter | None = None
        if cfg.rel_pos_type == "spatial":
            rows, columns = map(axis_rows, plan.queries, plan.keys)
            self.rel_pos_h = nn.Parameter(torch.empty(rows, width))
            self.rel_pos_w = nn.Parameter(torch.empty(columns, width))

    def initializers(self) -> Initializers:
        """Small random vectors of the distances."""
        return {"rel_pos_h": SMALL, "rel_pos_w": SMALL}

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) to (N, T', D)."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = self.norm_q(self._pooled(split_heads(q, self.num_heads), self.pool_q))
        k = self.norm_k(self._pooled(split_heads(k, self.num_heads), self.pool_k))
        v = self.norm_v(self._pooled(split_heads(v, self.num_heads), self.pool_v))
        x = attend(q, k, v, bias=self._bias(q))
        if self.residual_pooling:
            x = x + q
        return self.proj(merge_heads(x))

    def _pooled(self, x: Tensor, pool: nn.Module) -> Tensor:
        """(N, A, T, d) with pooled patches, (N, A, T', d)."""
        if isinstance(pool, nn.Identity):
            return x
        return pool_patches(x, pool, self.prefix, self.grid)

    def _bias(self, q: Tensor) -> Tensor | None:
        """What the distances of patches add to the attention of queries (N, A, T', d)."""
        if self.rel_pos_h is None or self.rel_pos_w is None:
            return None
        q = q[:, :, self.prefix :]
        bias = axis_bias(q, self.rel_pos_h, self.rel_pos_w, self.queries, self.keys)
        return F.pad(bias, (self.prefix, 0, self.prefix, 0))


def pool_patches(x: Tensor, pool: nn.Module, prefix: int, grid: tuple[int, int]) -> Tensor:
    """Tokens (N, A, T, d) with fewer patches, (N, A, T', d).

    Args:
        x: the tokens of each head.
        pool: makes a smaller map of the map of patches, for each head and image.
        prefix: P, tokens in front that stay.
        grid: rows and columns of patches.
    """
    images, heads, _, width = x.shape
    maps = pool(x[:, :, prefix:].transpose(2, 3).reshape(-1, width, *grid))
    pooled = maps.reshape(images, heads, width, -1).transpose(2, 3)
    return torch.cat((x[:, :, :prefix], pooled), dim=2) if prefix else pooled


def _pooling(
    cfg: MViTv2Config, features: int, stride: tuple[int, int]
) -> tuple[nn.Module, nn.Module]:
    """A pooling of maps of that many features and the normalisation behind it; identities where it
    would change nothing."""
    kernel, norm = cfg.kernel_qkv, nn.Identity()
    if prod(kernel) == prod(stride) == 1:
        return nn.Identity(), norm
    padding = kernel[0] // 2, kernel[1] // 2
    match cfg.mode:
        case "conv":
            pool = nn.Conv2d(
                features, features, kernel, stride, padding, groups=features, bias=False
            )
            return pool, _norm_maker(cfg)(features)
        case "avg":
            return nn.AvgPool2d(kernel, stride, padding), norm
        case "max":
            return nn.MaxPool2d(kernel, stride, padding), norm


def _shortcut_pool(stride: tuple[int, int]) -> nn.MaxPool2d:
    """Maxima of patches, a row and a column of which overlap where it subsamples."""
    kernel = tuple(step + 1 if step > 1 else 1 for step in stride)
    return nn.MaxPool2d(kernel, stride, tuple(side // 2 for side in kernel))


def _norm_maker(cfg: MViTv2Config) -> NormMaker:
    return partial(token_norm, cfg.norm_layer, eps=cfg.norm_eps)
