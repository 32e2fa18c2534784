"""A Vision Transformer with relative positions.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P = 0 or 1 class tokens,
T = P + L tokens, D features, A attention heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.architecture.token_model import Inputs, TokenModel, norm_maker
from typedvision.config.tokens import BlockPlan
from typedvision.families.vit_relpos.config import ViTRelPosConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, constant, values
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import Mlp
from typedvision.layers.position import (
    relative_position_index,
    relative_position_rows,
    resample_relative_table,
)
from typedvision.layers.relative_bias import RelativeBiasMlp, RelativeBiasTable

Grid = tuple[int, int]


class VisionTransformerRelPos(TokenModel):
    """Patches as tokens, blocks that attend by content and distance, pooling and a linear
    classifier."""

    _cfg: ViTRelPosConfig  # pyright: ignore[reportIncompatibleVariableOverride] # its own

    relative_position_index: Tensor
    """The distance of each two tokens, as the row of a table: of the patches, (L, L), where biases
    are computed; of all, (T, T), where they are learned."""

    def __init__(self, cfg: ViTRelPosConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        rows, columns = plan.grid
        self._table_has_prefix: bool = cfg.class_token and cfg.rel_pos_type == "bias"
        tokens = rows * columns + self._table_has_prefix
        index = torch.empty(tokens, tokens, dtype=torch.int64)
        self.register_buffer("relative_position_index", index, persistent=False)
        self.shared_rel_pos: nn.Module | None = (
            _relative_bias(cfg, plan.grid) if cfg.shared_rel_pos else None
        )
        block = Block if cfg.block_fn == "standard" else ResPostBlock
        self._add_encoder(block(cfg, each, plan.grid) for each in plan.blocks)

    def _embed(self, x: Tensor, *, all_patches: bool = False) -> Inputs:
        """(N, C, H, W) to the tokens, (N, T, D), the distance of each two, and the bias of the
        attention that all blocks share, (1, A, T, T)."""
        index = self.relative_position_index
        shared = None if self.shared_rel_pos is None else self.shared_rel_pos(index)
        return (*super()._embed(x, all_patches=all_patches), index, shared)

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
    ) -> None:
        """Take images of another size, in other patches; `spec` follows.

        Learned biases and the projection of the patches are resampled.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            patch_size: height and width of a patch; one number for a square; None keeps it.

        Raises:
            ConfigError: the sizes do not go together; the model is as it was.
        """
        old_grid = self.grid
        super().set_input_size(img_size, patch_size)
        for module in self.modules():
            if isinstance(module, RelativeBiasMlp):
                module.window = self.grid
            elif isinstance(module, RelativeBiasTable):
                old = module.relative_position_bias_table
                table = resample_relative_table(old.detach(), old_grid, self.grid)
                module.relative_position_bias_table = nn.Parameter(table, old.requires_grad)
        self.relative_position_index = self._index().to(self.relative_position_index.device)

    def _index(self) -> Tensor:
        return relative_position_index(self.grid, self._table_has_prefix)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """By `weight_init` for what is linear; normalisations of a residual branch by
        `init_values`."""
        initializers = super().initializers(path, module)
        if module is self:
            return {**initializers, "relative_position_index": values(self._index)}
        cfg = self._cfg
        match path.split("."):
            case ["blocks", _, "norm1" | "norm2"] if cfg.block_fn == "res_post" and cfg.init_values:
                return {**initializers, "weight": constant(cfg.init_values)}
            case _:
                return initializers


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added."""

    def __init__(self, cfg: ViTRelPosConfig, plan: BlockPlan, grid: Grid) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.attn: Attention = Attention(cfg, grid)
        self.ls1: nn.Module = _layer_scale(cfg)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.mlp: Mlp = _mlp(cfg, plan)
        self.ls2: nn.Module = _layer_scale(cfg)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, index: Tensor, shared: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the distance of each two tokens, and the bias of the
        attention that all blocks share."""
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x), index, shared)))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class ResPostBlock(nn.Module):
    """Attention, then an MLP, each normalised after and added
    (https://arxiv.org/abs/2111.09883, section 3.2)."""

    def __init__(self, cfg: ViTRelPosConfig, plan: BlockPlan, grid: Grid) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        self.attn: Attention = Attention(cfg, grid)
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: Mlp = _mlp(cfg, plan)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, index: Tensor, shared: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the distance of each two tokens, and the bias of the
        attention that all blocks share."""
        x = x + self.drop_path1(self.norm1(self.attn(x, index, shared)))
        return x + self.drop_path2(self.norm2(self.mlp(x)))


class Attention(nn.Module):
    """Multi-head self-attention with a bias for the distance of each two tokens."""

    def __init__(self, cfg: ViTRelPosConfig, grid: Grid) -> None:
        super().__init__()
        features, norm = cfg.embed_dim, norm_maker(cfg)
        width = features // cfg.num_heads
        self.num_heads: int = cfg.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=cfg.qkv_bias)
        self.q_norm: nn.Module = norm(width) if cfg.qk_norm else nn.Identity()
        self.k_norm: nn.Module = norm(width) if cfg.qk_norm else nn.Identity()
        self.rel_pos: nn.Module | None = None if cfg.shared_rel_pos else _relative_bias(cfg, grid)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor, index: Tensor, shared: Tensor | None) -> Tensor:
        """(N, T, D) to the same shape; the bias of `index` is its own, where none is shared."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = shared if self.rel_pos is None else self.rel_pos(index)
        drop = self.attn_drop if self.training else 0.0
        heads = attend(self.q_norm(q), self.k_norm(k), v, drop, bias)
        return self.proj_drop(self.proj(merge_heads(heads)))


def _relative_bias(cfg: ViTRelPosConfig, grid: Grid) -> nn.Module:
    if cfg.rel_pos_type == "bias":
        return RelativeBiasTable(relative_position_rows(grid, cfg.class_token), cfg.num_heads)
    return RelativeBiasMlp(
        grid,
        cfg.num_heads,
        hidden=cfg.rel_pos_dim or 128,
        prefix=int(cfg.class_token),
        bounded=cfg.rel_pos_type == "mlp_swin",
    )


def _layer_scale(cfg: ViTRelPosConfig) -> nn.Module:
    return LayerScale(cfg.embed_dim, cfg.init_values) if cfg.init_values else nn.Identity()


def _mlp(cfg: ViTRelPosConfig, plan: BlockPlan) -> Mlp:
    act = activation(cfg.act_layer, inplace=False)
    return Mlp(cfg.embed_dim, plan.hidden, act, drop=cfg.proj_drop_rate)
