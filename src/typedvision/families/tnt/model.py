"""Transformer in Transformer (https://arxiv.org/abs/2103.00112).

Shapes: N images, C channels, H x W pixels, L patches, T = 1 + L tokens: the class token and the
patches, D features of each, S parts of a patch, E features of each, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.config.names import OutputFormat, TokenPool
from typedvision.families.tnt.config import TNTConfig
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, trunc_normal
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import check_fixed_size
from typedvision.layers.token_pool import GlobalTokenPool
from typedvision.layers.transformer_init import transformer_initializers

State = tuple[Tensor, Tensor]
"""What goes from block to block: the tokens, (N, T, D), and their parts, (N L, S, E)."""


class TNT(ImageModel):
    """Parts of patches and patches, blocks that attend among both, and a linear classifier
    (figure 1)."""

    output_fmt: OutputFormat = "NLC"

    def __init__(self, cfg: TNTConfig) -> None:
        super().__init__(cfg)
        self._cfg: TNTConfig = cfg
        plan, norm = cfg.plan(), _norm(cfg)
        features, inner = cfg.embed_dim, plan.parts[0] * plan.parts[1] * cfg.inner_dim
        self.num_features: int = features
        self.head_hidden_size: int = features
        self.img_size: tuple[int, int] = plan.img_size
        self.grid: tuple[int, int] = plan.grid

        self.cls_token: nn.Parameter = nn.Parameter(torch.empty(1, 1, features))
        self.patch_pos: nn.Parameter = nn.Parameter(
            torch.empty(1, 1 + plan.grid[0] * plan.grid[1], features)
        )
        self.pixel_pos: nn.Parameter = nn.Parameter(torch.empty(1, cfg.inner_dim, *plan.parts))
        self.pixel_embed: PixelEmbed = PixelEmbed(cfg)
        self.norm1_proj: nn.Module = norm(inner)
        self.proj: nn.Linear = nn.Linear(inner, features)
        self.norm2_proj: nn.Module = norm(features)
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.blocks: Blocks = Blocks(*(Block(cfg, rate) for rate in plan.drop_path_rates))
        self.norm: nn.Module = norm(features)
        self._add_classifier()

    def _add_classifier(self) -> None:
        pool = self._cfg.global_pool
        self.unpooled: int = 1 if pool == "avg" else 0
        self.pool: GlobalTokenPool = GlobalTokenPool(pool)
        self.head_drop: nn.Dropout = nn.Dropout(self._cfg.drop_rate)
        self.head: nn.Linear | nn.Identity = linear_classifier(
            self.num_features, self._cfg.num_classes
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        tokens, _ = self.blocks(self._embed(x))
        return self._finish(tokens)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        x = self.head_drop(self.pool(x[:, self.unpooled :]))
        return x if pre_logits else self.head(x)

    def _embed(self, x: Tensor) -> State:
        """(N, C, H, W) to the tokens and their parts (section 2.2)."""
        check_fixed_size(x, self.img_size)
        parts = self.pixel_embed(x, self.pixel_pos)
        whole = parts.reshape(x.shape[0], -1, self.proj.in_features)
        patches = self.norm2_proj(self.proj(self.norm1_proj(whole)))
        tokens = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), patches), dim=1)
        return self.pos_drop(tokens + self.patch_pos), parts

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, T, D) after each block."""
        states = self.blocks.outputs(cast("Tensor", self._embed(x)))
        return (tokens for tokens, _ in states)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """By the last normalisation."""
        return self.norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        return x[:, 1:].transpose(1, 2).reshape(x.shape[0], -1, *self.grid)

    def _replace_classifier(self, num_classes: int, global_pool: TokenPool) -> None:
        self._cfg = self._cfg.replace(num_classes=num_classes, global_pool=global_pool)
        self._add_classifier()

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Positions, the class token and what is linear by a deviation of 0.02."""
        if module is self:
            return dict.fromkeys(("cls_token", "patch_pos", "pixel_pos"), trunc_normal(0.02))
        return transformer_initializers("", path, module)

    def no_weight_decay(self) -> set[str]:
        """The class token and the positions."""
        return {"cls_token", "patch_pos", "pixel_pos"}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation with the last block."""
        return {
            "stem": r"^(?:cls_token|patch_pos|pixel_pos|pixel_embed|norm[12]_proj|proj)",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", LAST_GROUP)],
        }


class PixelEmbed(nn.Module):
    """Cuts an image into patches and convolves each, whose positions are its parts; the legacy one
    convolves, then cuts."""

    def __init__(self, cfg: TNTConfig) -> None:
        super().__init__()
        plan = cfg.plan()
        self.legacy: bool = cfg.legacy
        self.grid: tuple[int, int] = plan.grid
        self.piece: tuple[int, int] = plan.parts if cfg.legacy else plan.patch_size
        self.proj: nn.Conv2d = nn.Conv2d(
            cfg.in_chans, cfg.inner_dim, 7, stride=cfg.first_stride, padding=3
        )

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(N, C, H, W) to the parts of each patch, (N L, S, E).

        Args:
            x: images.
            positions: what is added to the parts of every patch, (1, E, rows, columns).
        """
        parts = self._cut(self.proj(x)) if self.legacy else self.proj(self._cut(x))
        return (parts + positions).flatten(2).transpose(1, 2)

    def _cut(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to its pieces, (N L, C, height, width)."""
        (rows, columns), (tall, wide) = self.grid, self.piece
        channels = x.shape[1]
        x = x[:, :, : rows * tall, : columns * wide]
        x = x.reshape(-1, channels, rows, tall, columns, wide)
        return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, tall, wide)


class Block(nn.Module):
    """The inner transformer, what it adds to the patches, and the outer transformer (equations 5
    to 9)."""

    def __init__(self, cfg: TNTConfig, drop_path_rate: float) -> None:
        super().__init__()
        plan, norm, act = cfg.plan(), _norm(cfg), nn.GELU
        features, inner = cfg.embed_dim, cfg.inner_dim
        whole = plan.parts[0] * plan.parts[1] * inner
        self.legacy: bool = cfg.legacy
        self.norm_in: nn.Module = norm(inner)
        self.attn_in: Attention = Attention(cfg, inner, cfg.num_heads_inner)
        self.norm_mlp_in: nn.Module = norm(inner)
        self.mlp_in: Mlp = Mlp(inner, plan.inner_hidden, act(), drop=cfg.proj_drop_rate)
        self.norm1_proj: nn.Module = norm(inner if cfg.legacy else whole)
        self.proj: nn.Linear = nn.Linear(whole, features, bias=cfg.legacy)
        self.norm2_proj: nn.Module = nn.Identity() if cfg.legacy else norm(features)
        self.norm_out: nn.Module = norm(features)
        self.attn_out: Attention = Attention(cfg, features, cfg.num_heads_outer)
        self.drop_path: DropPath = DropPath(drop_path_rate)
        self.norm_mlp: nn.Module = norm(features)
        self.mlp: Mlp = Mlp(features, plan.outer_hidden, act(), drop=cfg.proj_drop_rate)

    def forward(self, state: State) -> State:
        """Tokens (N, T, D) and their parts (N L, S, E) to the same shapes."""
        tokens, parts = state
        parts = parts + self.drop_path(self.attn_in(self.norm_in(parts)))
        parts = parts + self.drop_path(self.mlp_in(self.norm_mlp_in(parts)))
        tokens = torch.cat((tokens[:, :1], tokens[:, 1:] + self._joined(parts, tokens)), dim=1)
        tokens = tokens + self.drop_path(self.attn_out(self.norm_out(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm_mlp(tokens))), parts

    def _joined(self, parts: Tensor, tokens: Tensor) -> Tensor:
        """What the parts of each patch, (N L, S, E), add to it, (N, L, D)."""
        shape = (tokens.shape[0], tokens.shape[1] - 1, -1)
        if self.legacy:
            return self.proj(self.norm1_proj(parts).reshape(shape))
        return self.norm2_proj(self.proj(self.norm1_proj(parts.reshape(shape))))


class Attention(nn.Module):
    """Multi-head self-attention with one layer for queries and keys, and one for values."""

    def __init__(self, cfg: TNTConfig, features: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads: int = num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.qk: nn.Linear = nn.Linear(features, 2 * features, bias=cfg.qkv_bias)
        self.v: nn.Linear = nn.Linear(features, features, bias=cfg.qkv_bias)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        q, k = self.qk(x).chunk(2, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, self.v(x)))
        x = attend(q, k, v, self.attn_drop if self.training else 0.0)
        return self.proj_drop(self.proj(merge_heads(x)))


def _norm(cfg: TNTConfig) -> partial[nn.Module]:
    return partial(token_norm, cfg.norm_layer, eps=cfg.norm_eps)
