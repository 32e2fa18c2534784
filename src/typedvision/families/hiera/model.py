"""Hiera (https://arxiv.org/abs/2306.00989).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, T tokens, M mask units, S
tokens that become one, D features, K classes.

Tokens (N, T, D) stand in an order in which neither mask units nor pooling need a map: first by
their place in what the first stage makes one token of, then by that in what the next stage makes
one of, and so on, and last by the place of what remains, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.base import to_pair
from typedvision.config.names import OutputFormat
from typedvision.families.hiera.config import BlockPlan, HieraConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    scaled,
    trunc_normal,
    zeros,
)
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import OverlappingPatches, PatchDropout, check_fixed_size
from typedvision.layers.token_pool import GlobalTokenPool
from typedvision.layers.transformer_init import transformer_initializers


class Hiera(ImageModel):
    """Patches with positions, blocks of attention, pooling and a linear classifier (figure 2)."""

    output_fmt: OutputFormat = "NLC"

    def __init__(self, cfg: HieraConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.blocks[-1].features
        self.head_hidden_size: int = plan.blocks[-1].features
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.grid: tuple[int, int] = plan.grid
        self.strides: tuple[tuple[int, int], ...] = plan.strides
        self.unit: int = cfg.mask_unit_size[0] * cfg.mask_unit_size[1]
        self.fix_init: bool = cfg.fix_init
        self.weight_init: Literal["", "jax", "reset"] = cfg.weight_init
        self.head_init_scale: float = cfg.head_init_scale
        self._ends: tuple[bool, ...] = tuple(block.ends for block in plan.blocks)

        self.pos_embed: nn.Parameter
        self.pos_embed_win: nn.Parameter | None = None
        if cfg.abs_win_pos_embed:
            self.pos_embed = nn.Parameter(torch.empty(1, cfg.embed_dim, *cfg.global_pos_size))
            self.pos_embed_win = nn.Parameter(torch.empty(1, cfg.embed_dim, *cfg.mask_unit_size))
        else:
            patches = plan.grid[0] * plan.grid[1]
            self.pos_embed = nn.Parameter(torch.empty(1, patches, cfg.embed_dim))
        self.patch_embed: OverlappingPatches = OverlappingPatches(
            cfg.in_chans, cfg.embed_dim, cfg.patch_kernel, cfg.patch_stride, cfg.patch_padding
        )
        self.unit_drop: PatchDropout = PatchDropout(cfg.patch_drop_rate, 0)
        self.blocks: Blocks = Blocks(*(HieraBlock(cfg, block) for block in plan.blocks))
        self.head: Head = Head(cfg, self.num_features)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D); training leaves out mask units."""
        return self.blocks(self._some_units(self._embed(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The tokens after each stage, (N, T, D)."""
        outputs = self.blocks.outputs(self._embed(x))
        return (x for x, ends in zip(outputs, self._ends, strict=False) if ends)

    def _embed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        check_fixed_size(x, self.img_size)
        return unroll(self.patch_embed(x) + self._positions(), self.strides)

    def _positions(self) -> Tensor:
        """The table of positions, (1, h, w, D)."""
        rows, columns = self.grid
        if self.pos_embed_win is None:
            return self.pos_embed.reshape(1, rows, columns, -1)
        unit = self.pos_embed_win.shape
        tiles = -(-rows // unit[2]), -(-columns // unit[3])
        within = self.pos_embed_win.tile((1, 1, *tiles))[:, :, :rows, :columns]
        everywhere = F.interpolate(self.pos_embed, self.grid, mode="bicubic", antialias=True)
        return (everywhere + within).permute(0, 2, 3, 1)

    def _some_units(self, x: Tensor) -> Tensor:
        """(N, T, D), without some of the mask units while training."""
        if not self.training or self.unit_drop.rate == 0.0:
            return x
        units = x.reshape(x.shape[0], self.unit, -1, x.shape[2]).transpose(1, 2)
        kept = self.unit_drop(units.flatten(2)).reshape(x.shape[0], -1, self.unit, x.shape[2])
        return kept.transpose(1, 2).flatten(1, 2)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, T, D) to (N, D, h, w)."""
        return reroll(x, self.grid, self.strides).permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(
        self, num_classes: int, global_pool: Literal["", "avg", "max", "avgmax"]
    ) -> None:
        self.head.global_pool = GlobalTokenPool(global_pool)
        self.head.fc = linear_classifier(self.num_features, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by the scheme, less with depth at the end of branches; the classifier by
        zeros, or with `reset` by small values."""
        if path == "":
            return dict.fromkeys(("pos_embed", "pos_embed_win"), trunc_normal(0.02))
        own = self._unscaled(path, module)
        if path == "head.fc":
            return {name: scaled(init, self.head_init_scale) for name, init in own.items()}
        if self.fix_init and path.endswith((".attn.proj", ".mlp.fc2")):
            factor = (2.0 * (int(path.split(".")[1]) + 1)) ** -0.5
            return {**own, "weight": scaled(own["weight"], factor)}
        return own

    def _unscaled(self, path: str, module: nn.Module) -> Initializers:
        if self.weight_init == "jax" or not isinstance(module, nn.Linear | nn.Conv2d):
            return transformer_initializers(self.weight_init, path, module)
        if self.weight_init == "reset":
            return default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**default_initializers(module), "weight": trunc_normal(0.02)}
        if path == "head.fc":
            return {"weight": zeros, "bias": zeros}
        return {"weight": trunc_normal(0.02), "bias": constant(0.02)}

    def no_weight_decay(self) -> set[str]:
        """The table of positions."""
        return {"pos_embed"}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block."""
        return {"stem": r"^(?:pos_embed|patch_embed)", "blocks": [(r"^blocks\.(\d+)", None)]}


class HieraBlock(nn.Module):
    """Attention, whose queries may be fewer, then an MLP, each normalised before and added."""

    def __init__(self, cfg: HieraConfig, plan: BlockPlan) -> None:
        super().__init__()
        features = plan.features
        self.stride: int = plan.stride
        self.widens: bool = plan.in_features != features
        self.norm1: nn.Module = token_norm(cfg.norm_layer, plan.in_features)
        self.proj: nn.Linear | None = (
            nn.Linear(plan.in_features, features) if self.widens and cfg.use_expand_proj else None
        )
        self.attn: MaskUnitAttention = MaskUnitAttention(plan)
        self.ls1: nn.Module = _layer_scale(cfg, features)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, features)
        self.mlp: Mlp = Mlp(features, plan.hidden, activation("gelu"))
        self.ls2: nn.Module = _layer_scale(cfg, features)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) to (N, T / S, D)."""
        y = self.norm1(x)
        x = self._shortcut(x, y) if self.widens else x
        x = x + self.drop_path1(self.ls1(self.attn(y)))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    def _shortcut(self, x: Tensor, normalized: Tensor) -> Tensor:
        """(N, T, C) to (N, T / S, D)."""
        if self.proj is not None:
            return _together(self.proj(normalized), self.stride).amax(1)
        x = _together(x, self.stride)
        return torch.cat((x.amax(1), x.mean(1)), dim=-1)


class MaskUnitAttention(nn.Module):
    """Self-attention within each mask unit or among all tokens, with the maxima of its queries
    where it subsamples (section 3)."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        self.num_heads: int = plan.num_heads
        self.stride: int = plan.stride
        self.tokens: int | None = plan.tokens
        self.qkv: nn.Linear = nn.Linear(plan.in_features, 3 * plan.features)
        self.proj: nn.Linear = nn.Linear(plan.features, plan.features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) to (N, T / S, D)."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = _together(q, self.stride).amax(1)
        shape = q.shape
        q, k, v = (self._in_units(part, shape[1]) for part in (q, k, v))
        return self.proj(attend(q, k, v).permute(0, 3, 1, 2, 4).reshape(shape))

    def _in_units(self, x: Tensor, queries: int) -> Tensor:
        """(N, T, D) to the heads of each unit, (N, M, heads, T / M, D / heads)."""
        units = 1 if self.tokens is None else queries // self.tokens
        return x.reshape(
            x.shape[0], -1, units, self.num_heads, x.shape[2] // self.num_heads
        ).permute(0, 2, 3, 1, 4)


class Head(nn.Module):
    """Pooling, a normalisation, dropout and a linear classifier."""

    def __init__(self, cfg: HieraConfig, features: int) -> None:
        super().__init__()
        self.global_pool: GlobalTokenPool = GlobalTokenPool(cfg.global_pool)
        self.norm: nn.Module = token_norm(cfg.norm_layer, features)
        self.drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.fc: nn.Linear | nn.Identity = linear_classifier(features, cfg.num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        x = self.drop(self.norm(self.global_pool(x)))
        return x if pre_logits else self.fc(x)


def _layer_scale(cfg: HieraConfig, features: int) -> nn.Module:
    value = cfg.init_values
    return nn.Identity() if value is None else LayerScale(features, value)


def _together(x: Tensor, stride: int) -> Tensor:
    """(N, T, D) with the tokens that become one side by side, (N, S, T / S, D)."""
    return x.reshape(x.shape[0], stride, -1, x.shape[2])


def unroll(x: Tensor, strides: tuple[tuple[int, int], ...]) -> Tensor:
    """A map (N, h, w, D) as tokens (N, T, D) in the order in which the strides divide it."""
    images, rows, columns, features = x.shape
    for down, right in strides:
        rows, columns = rows // down, columns // right
        x = x.reshape(-1, rows, down, columns, right, features).permute(0, 2, 4, 1, 3, 5)
        x = x.reshape(-1, rows, columns, features)
    return x.reshape(images, -1, features)


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def reroll(x: Tensor, grid: tuple[int, int], strides: tuple[tuple[int, int], ...]) -> Tensor:
    """Tokens (N, T, D) as the map (N, h, w, D) that they are of.

    Args:
        x: all tokens, or what the first strides left of them.
        grid: rows and columns of patches.
        strides: what divides the map, in its order.
    """
    (rows, columns), (images, tokens, features) = grid, x.shape
    for down, right in strides:
        rows, columns = rows // down, columns // right
    for down, right in reversed(strides):
        if rows * columns == tokens:
            break
        x = x.reshape(-1, down, right, rows, columns, features).permute(0, 3, 1, 4, 2, 5)
        rows, columns = rows * down, columns * right
    return x.reshape(images, rows, columns, features)
