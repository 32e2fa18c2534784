"""BEiT (https://arxiv.org/abs/2106.08254).

Shapes: N images, C channels, H x W pixels, h x w patches, T = 1 + h w tokens: the class token and
the patches, D features, A attention heads, R rows of a table of relative positions, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.token_model import Inputs, TokenModel, norm_maker
from typedvision.config.tokens import BlockPlan
from typedvision.families.beit.config import BeitConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, keyless_bias, merge_heads, split_heads
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, constant, values, zeros
from typedvision.layers.mlp import Mlp, SwiGLU
from typedvision.layers.position import (
    relative_position_index,
    relative_position_rows,
    resample_relative_table,
)


class Beit(TokenModel):
    """Patches as tokens, a transformer encoder that knows relative positions, pooling and a linear
    classifier (section 2.2)."""

    relative_position_index: Tensor | None
    """The row of each two tokens in a table of relative positions, (T, T): one for all tables."""

    def __init__(self, cfg: BeitConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        rows, columns = plan.grid
        tokens, table_rows = 1 + rows * columns, relative_position_rows(plan.grid, class_token=True)
        has_tables = cfg.use_rel_pos_bias or cfg.use_shared_rel_pos_bias
        index = torch.empty(tokens, tokens, dtype=torch.int64) if has_tables else None
        self.register_buffer("relative_position_index", index, persistent=False)
        self.rel_pos_bias: RelativePositionBias | None = (
            RelativePositionBias(table_rows, cfg.num_heads) if cfg.use_shared_rel_pos_bias else None
        )
        self._add_encoder(Block(cfg, block, table_rows) for block in plan.blocks)

    def _embed(self, x: Tensor, *, all_patches: bool = False) -> Inputs:
        """(N, C, H, W) to the tokens, (N, T, D), the index of relative positions, (T, T), and the
        bias of the attention that all blocks share, (1, A, T, T)."""
        index = self.relative_position_index
        shared = None if self.rel_pos_bias is None else self.rel_pos_bias(index)
        return (*super()._embed(x, all_patches=all_patches), index, shared)

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
    ) -> None:
        """Take images of another size, in other patches; `spec` follows.

        All tables of positions and the projection of the patches are resampled.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            patch_size: height and width of a patch; one number for a square; None keeps it.

        Raises:
            ConfigError: the sizes do not go together; the model is as it was.
        """
        old_grid = self.grid
        super().set_input_size(img_size, patch_size)
        for module in self.modules():
            old = getattr(module, "relative_position_bias_table", None)
            if isinstance(old, nn.Parameter):
                table = resample_relative_table(old.detach(), old_grid, self.grid)
                module.relative_position_bias_table = nn.Parameter(table, old.requires_grad)
        if self.relative_position_index is not None:
            index = relative_position_index(self.grid, class_token=True)
            self.relative_position_index = index.to(self.relative_position_index.device)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Small random weights, those of output projections smaller from block to block."""
        initializers = super().initializers(path, module)
        if module is self:
            index = values(lambda: relative_position_index(self.grid, class_token=True))
            return {**initializers, "relative_position_index": index}
        return initializers

    def no_weight_decay(self) -> set[str]:
        """The class token and every table of positions."""
        tables = "relative_position_bias_table"
        relative = {name for name, _ in self.named_parameters() if name.endswith(tables)}
        return super().no_weight_decay() | relative


class Block(nn.Module):
    """Attention, then an MLP, each normalised before, scaled and added."""

    def __init__(self, cfg: BeitConfig, plan: BlockPlan, table_rows: int) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        self.init_values: float | None = cfg.init_values
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.attn: Attention = Attention(cfg, table_rows)
        self.gamma_1: nn.Parameter | None = _layer_scale(cfg)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.gamma_2: nn.Parameter | None = _layer_scale(cfg)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def initializers(self) -> Initializers:
        """One value for all factors of LayerScale."""
        return dict.fromkeys(("gamma_1", "gamma_2"), constant(self.init_values or 1.0))

    def forward(self, x: Tensor, index: Tensor | None, shared: Tensor | None) -> Tensor:
        """(N, T, D) to the same shape; the others are the attention's."""
        x = x + self.drop_path1(_scale(self.attn(self.norm1(x), index, shared), self.gamma_1))
        return x + self.drop_path2(_scale(self.mlp(self.norm2(x)), self.gamma_2))


class Attention(nn.Module):
    """Multi-head self-attention with a bias for queries and values, and one for the relative
    position of each two tokens."""

    def __init__(self, cfg: BeitConfig, table_rows: int) -> None:
        super().__init__()
        features = cfg.embed_dim
        self.num_heads: int = cfg.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=False)
        self.q_bias: nn.Parameter | None = _vector(features) if cfg.qkv_bias else None
        self.v_bias: nn.Parameter | None = _vector(features) if cfg.qkv_bias else None
        self.relative_position_bias_table: nn.Parameter | None = (
            nn.Parameter(torch.empty(table_rows, cfg.num_heads)) if cfg.use_rel_pos_bias else None
        )
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def initializers(self) -> Initializers:
        """No bias at all."""
        return dict.fromkeys(("q_bias", "v_bias", "relative_position_bias_table"), zeros)

    def forward(self, x: Tensor, index: Tensor | None, shared: Tensor | None) -> Tensor:
        """(N, T, D) to the same shape.

        Args:
            x: the tokens.
            index: the row of each two tokens in the table of relative positions, (T, T).
            shared: what all blocks add to the attention, (1, A, T, T).
        """
        qkv = F.linear(x, self.qkv.weight, keyless_bias(self.q_bias, self.v_bias))
        q, k, v = qkv.chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = shared
        if self.relative_position_bias_table is not None and index is not None:
            own = _relative_bias(self.relative_position_bias_table, index)
            bias = own if shared is None else own + shared
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0, bias)
        return self.proj_drop(self.proj(merge_heads(heads)))


class RelativePositionBias(nn.Module):
    """A bias of the attention, for the relative position of each two tokens."""

    def __init__(self, table_rows: int, num_heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table: nn.Parameter = nn.Parameter(
            torch.empty(table_rows, num_heads)
        )

    def initializers(self) -> Initializers:
        """No bias at all."""
        return {"relative_position_bias_table": zeros}

    def forward(self, index: Tensor) -> Tensor:
        """(T, T) to (1, A, T, T)."""
        return _relative_bias(self.relative_position_bias_table, index)


def _relative_bias(table: Tensor, index: Tensor) -> Tensor:
    """What a table (R, A) adds to the attention of each two tokens, (1, A, T, T)."""
    return table[index].permute(2, 0, 1)[None].contiguous()


def _scale(x: Tensor, gamma: Tensor | None) -> Tensor:
    return x if gamma is None else x * gamma


def _vector(features: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(features))


def _layer_scale(cfg: BeitConfig) -> nn.Parameter | None:
    return _vector(cfg.embed_dim) if cfg.init_values else None


def _mlp(cfg: BeitConfig, plan: BlockPlan) -> nn.Module:
    layer = SwiGLU if cfg.swiglu_mlp else Mlp
    return layer(
        cfg.embed_dim,
        plan.hidden,
        activation("silu" if cfg.swiglu_mlp else "gelu", inplace=False),
        drop=cfg.proj_drop_rate,
        norm=norm_maker(cfg) if cfg.scale_mlp else None,
    )
