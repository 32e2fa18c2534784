"""The image encoder of Qwen3-VL (https://arxiv.org/abs/2511.21631).

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, D features, d features of each
head, s x s patches that become one of M tokens, F features of each, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.encoder_model import EncoderClassifier, EncoderModel
from typedvision.config.tokens import BlockPlan
from typedvision.families.qwen3_vit.config import Qwen3VitConfig
from typedvision.layers.activation import activation
from typedvision.layers.drop import DropPath
from typedvision.layers.merge_patches import merge_patches
from typedvision.layers.mlp import Mlp
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.rotary import AxialRotaryEmbedding
from typedvision.layers.rotary_attention import RotaryMapAttention


class Qwen3VitClassifier(EncoderClassifier):
    """The encoder, and a classifier of the mean of what it gives."""

    def __init__(self, cfg: Qwen3VitConfig) -> None:
        norm = nn.LayerNorm(cfg.out_channels, eps=cfg.norm_eps, elementwise_affine=False)
        super().__init__(cfg, Qwen3VitEncoder(cfg), norm)


class Qwen3VitEncoder(EncoderModel):
    """Patches with learned and rotary positions, blocks that attend to them, and a projector.

    Images (N, C, H, W) become tokens for the language model, (N, M, F), row by row; M is L / s^2.
    """

    def __init__(self, cfg: Qwen3VitConfig) -> None:
        patch = cfg.patch_size, cfg.patch_size
        super().__init__(
            cfg,
            PatchEmbed(cfg.in_chans, cfg.embed_dim, patch),
            AxialRotaryEmbedding(cfg.embed_dim // cfg.num_heads, cfg.rope_temperature),
        )
        self.grid: tuple[int, int] = cfg.grid
        self.pos_embed: nn.Parameter = nn.Parameter(
            torch.empty(1, cfg.grid[0] * cfg.grid[1], cfg.embed_dim)
        )
        blocks = (Block(cfg, plan) for plan in cfg.plan())
        merger = {"merger": PatchMerger(cfg)} if cfg.projects else {}
        self._add_encoder(blocks, nn.Identity(), **merger)

    def _positioned(self, x: Tensor) -> Tensor:
        """(N, h, w, D) with the table of positions, stretched from corner to corner."""
        rows, columns = x.shape[1:3]
        return x + stretched(self.pos_embed, self.grid, (rows, columns))

    def no_weight_decay(self) -> set[str]:
        """The learned positions."""
        return {"pos_embed"}


Qwen3Vit = Qwen3VitClassifier | Qwen3VitEncoder
"""Qwen3-VL's encoder alone, or a classifier around it."""


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added."""

    def __init__(self, cfg: Qwen3VitConfig, plan: BlockPlan) -> None:
        super().__init__()
        features = cfg.embed_dim
        self.norm1: nn.LayerNorm = nn.LayerNorm(features, eps=cfg.norm_eps)
        self.attn: RotaryMapAttention = RotaryMapAttention(
            features, cfg.num_heads, attn_drop=cfg.attn_drop_rate, proj_drop=cfg.proj_drop_rate
        )
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.LayerNorm = nn.LayerNorm(features, eps=cfg.norm_eps)
        act = activation(cfg.act_layer, inplace=False)
        self.mlp: Mlp = Mlp(features, plan.hidden, act, drop=cfg.proj_drop_rate)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape, with the patches' rotary embedding, (2, L, d / 2)."""
        x = x + self.drop_path1(self.attn(self.norm1(x), rope))
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class PatchMerger(nn.Module):
    """Normalises the patches, and makes one token of each square of them, by an MLP."""

    def __init__(self, cfg: Qwen3VitConfig) -> None:
        super().__init__()
        together = cfg.embed_dim * cfg.merge_size**2
        self.side: int = cfg.merge_size
        self.norm: nn.LayerNorm = nn.LayerNorm(cfg.embed_dim, eps=cfg.norm_eps)
        self.fc1: nn.Linear = nn.Linear(together, together)
        self.act: nn.GELU = nn.GELU()
        self.fc2: nn.Module = (
            nn.Linear(together, cfg.out_features) if cfg.out_features else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, M, F)."""
        return self.fc2(self.act(self.fc1(merge_patches(self.norm(x), self.side))))


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def stretched(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """A table (1, L, D) of the positions of a grid as a map (1, h, w, D) for another one; bilinear,
    the corners stay corners."""
    image = table.reshape(1, *old, -1).permute(0, 3, 1, 2)
    if new != old:
        image = F.interpolate(image, new, mode="bilinear", align_corners=True)
    return image.permute(0, 2, 3, 1)
