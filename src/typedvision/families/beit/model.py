"""BEiT (https://arxiv.org/abs/2106.08254).

Shapes: N images, C channels, H x W pixels, h x w patches, T = 1 + h w tokens: the class token and
the patches, D features, A attention heads, R rows of a table of relative positions, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel, describe
from typedvision.config.features import FeatureSpec
from typedvision.families.beit.config import BeitConfig, BeitPlan, BlockPlan, PoolName
from typedvision.layers.activation import activation
from typedvision.layers.attention import NormMaker, attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Inits, constant, scaled, trunc_normal, values, zeros
from typedvision.layers.mlp import Mlp, SwiGLU
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.position import (
    relative_position_index,
    resample_position_table,
    resample_relative_table,
)
from typedvision.layers.token_pool import GlobalTokenPool
from typedvision.layers.transformer_init import transformer_inits


class Beit(ImageModel):
    """Patches as tokens, a transformer encoder that knows relative positions, pooling and a linear
    classifier (section 2.2)."""

    relative_position_index: Tensor | None
    """The row of each two tokens in a table of relative positions, (T, T): one for all tables."""

    def __init__(self, cfg: BeitConfig) -> None:
        super().__init__(cfg)
        plan, norm = cfg.plan(), _norm(cfg)
        self.num_features: int = cfg.embed_dim
        self.head_hidden_size: int = cfg.embed_dim
        self.img_size: tuple[int, int] = plan.img_size
        self.grid: tuple[int, int] = plan.grid
        self._cfg = cfg

        self.patch_embed: PatchEmbed = PatchEmbed(cfg.in_chans, cfg.embed_dim, plan.patch_size)
        self.cls_token: nn.Parameter = nn.Parameter(torch.empty(1, 1, cfg.embed_dim))
        self.pos_embed: nn.Parameter | None = (
            nn.Parameter(torch.empty(1, plan.tokens, cfg.embed_dim))
            if cfg.use_abs_pos_emb
            else None
        )
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.rel_pos_bias: RelativePositionBias | None = (
            RelativePositionBias(plan.relations, cfg.num_heads)
            if cfg.use_shared_rel_pos_bias
            else None
        )
        has_tables = cfg.use_rel_pos_bias or cfg.use_shared_rel_pos_bias
        index = torch.empty(plan.tokens, plan.tokens, dtype=torch.int64) if has_tables else None
        self.register_buffer("relative_position_index", index, persistent=False)
        self.blocks: Blocks = Blocks(*(Block(cfg, plan, block) for block in plan.blocks))
        self.norm: nn.Module = nn.Identity() if plan.fc_norm else norm(cfg.embed_dim)
        self.fc_norm: nn.Module = norm(cfg.embed_dim) if plan.fc_norm else nn.Identity()
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, T, D) after each block."""
        self.patch_embed.check_size(x, self.img_size)
        x = self._tokens(self.patch_embed(x))
        index = self.relative_position_index
        shared = None if self.rel_pos_bias is None else self.rel_pos_bias(index)
        yield from self.blocks.outputs(x, index, shared)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        x = self.head_drop(self.fc_norm(self.pool(x[:, self.unpooled :])))
        return x if pre_logits else self.head(x)

    def _tokens(self, patches: Tensor) -> Tensor:
        """(N, h, w, D) to the class token and the patches, (N, T, D)."""
        x = torch.cat((self.cls_token.expand(patches.shape[0], -1, -1), patches.flatten(1, 2)), 1)
        return self.pos_drop(x if self.pos_embed is None else x + self.pos_embed)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation, where it stands before the pooling."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """By the last normalisation, where it stands before the pooling."""
        return self.norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        patches = x[:, 1:].reshape(x.shape[0], *self.grid, -1)
        return patches.permute(0, 3, 1, 2).contiguous()

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
    ) -> None:
        """Take images of another size, in other patches; `spec` follows.

        The tables of positions and the projection of the patches are resampled.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            patch_size: height and width of a patch, likewise.

        Raises:
            ConfigError: the sizes do not go together.
        """
        sizes = {"img_size": img_size, "patch_size": patch_size}
        sizes = {name: size for name, size in sizes.items() if size is not None}
        cfg = self._cfg.replace(**sizes)
        plan = cfg.plan()
        if plan.patch_size != self.patch_embed.patch_size:
            self.patch_embed.set_patch_size(plan.patch_size)
        if self.pos_embed is not None:
            table = resample_position_table(self.pos_embed.detach(), self.grid, plan.grid)
            self.pos_embed = nn.Parameter(table, self.pos_embed.requires_grad)
        for module in self.modules():
            old = getattr(module, "relative_position_bias_table", None)
            if isinstance(old, nn.Parameter):
                table = resample_relative_table(old.detach(), self.grid, plan.grid)
                module.relative_position_bias_table = nn.Parameter(table, old.requires_grad)
        if self.relative_position_index is not None:
            index = relative_position_index(plan.grid, class_token=True)
            self.relative_position_index = index.to(self.relative_position_index.device)
        self.img_size, self.grid, self._cfg = plan.img_size, plan.grid, cfg
        self.feature_info: tuple[FeatureSpec, ...] = cfg.features()
        describe(self, self.spec.with_options(**sizes))

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.head

    def _replace_classifier(self, num_classes: int, global_pool: PoolName) -> None:
        cfg = self._cfg.replace(num_classes=num_classes, global_pool=global_pool)
        plan = cfg.plan()
        if plan.fc_norm != self._cfg.plan().fc_norm:  # it goes to the pooling's other side
            self.norm, self.fc_norm = self.fc_norm, self.norm
        self._cfg = cfg
        self.unpooled: int = plan.unpooled
        self.pool: GlobalTokenPool = GlobalTokenPool(global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.head: nn.Module = (
            nn.Linear(cfg.embed_dim, num_classes) if num_classes else nn.Identity()
        )

    def inits(self, path: str, module: nn.Module) -> Inits:
        """Small random weights, those of output projections smaller from block to block."""
        if module is self:
            small = trunc_normal(0.02)
            index = values(lambda: relative_position_index(self.grid, class_token=True))
            return {"cls_token": small, "pos_embed": small, "relative_position_index": index}
        inits = transformer_inits("", path, module)
        match path.split("."):
            case ["blocks", number, "attn", "proj"] | ["blocks", number, "mlp", "fc2"]:
                scale = self._cfg.plan().blocks[int(number)].output_scale
            case ["head"]:
                scale = self._cfg.head_init_scale
            case _:
                return inits
        return {**inits, "weight": scaled(inits["weight"], scale)}

    def no_weight_decay(self) -> set[str]:
        """The class token and every table of positions."""
        alone = ("cls_token", "pos_embed", "relative_position_bias_table")
        return {name for name, _ in self.named_parameters() if name.endswith(alone)}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation."""
        return {
            "stem": r"^cls_token|pos_embed|patch_embed|rel_pos_bias",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))],
        }


class Block(nn.Module):
    """Attention, then an MLP, each normalised before, scaled and added."""

    def __init__(self, cfg: BeitConfig, plan: BeitPlan, block: BlockPlan) -> None:
        super().__init__()
        norm = _norm(cfg)
        self.init_values: float | None = cfg.init_values
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.attn: Attention = Attention(cfg, plan)
        self.gamma_1: nn.Parameter | None = _layer_scale(cfg)
        self.drop_path1: DropPath = DropPath(block.drop_path_rate)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.gamma_2: nn.Parameter | None = _layer_scale(cfg)
        self.drop_path2: DropPath = DropPath(block.drop_path_rate)

    def inits(self) -> Inits:
        """The same factor for every feature."""
        same = constant(self.init_values or 1.0)
        return {"gamma_1": same, "gamma_2": same}

    def forward(self, x: Tensor, index: Tensor | None, shared: Tensor | None) -> Tensor:
        """(N, T, D) to the same shape; the others are the attention's."""
        x = x + self.drop_path1(_scale(self.attn(self.norm1(x), index, shared), self.gamma_1))
        return x + self.drop_path2(_scale(self.mlp(self.norm2(x)), self.gamma_2))


class Attention(nn.Module):
    """Multi-head self-attention with a bias for queries and values, and one for the relative
    position of each two tokens."""

    def __init__(self, cfg: BeitConfig, plan: BeitPlan) -> None:
        super().__init__()
        features = cfg.embed_dim
        self.num_heads: int = cfg.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=False)
        self.q_bias: nn.Parameter | None = _vector(features) if cfg.qkv_bias else None
        self.v_bias: nn.Parameter | None = _vector(features) if cfg.qkv_bias else None
        self.relative_position_bias_table: nn.Parameter | None = (
            nn.Parameter(torch.empty(plan.relations, cfg.num_heads))
            if cfg.use_rel_pos_bias
            else None
        )
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def inits(self) -> Inits:
        """No bias at all."""
        return dict.fromkeys(("q_bias", "v_bias", "relative_position_bias_table"), zeros)

    def forward(self, x: Tensor, index: Tensor | None, shared: Tensor | None) -> Tensor:
        """(N, T, D) to the same shape.

        Args:
            x: the tokens.
            index: the row of each two tokens in the table of relative positions, (T, T).
            shared: what all blocks add to the attention, (1, A, T, T).
        """
        qkv = F.linear(x, self.qkv.weight, self._qkv_bias())
        q, k, v = (split_heads(part, self.num_heads) for part in qkv.chunk(3, dim=-1))
        bias = shared
        if self.relative_position_bias_table is not None and index is not None:
            own = _relative_bias(self.relative_position_bias_table, index)
            bias = own if shared is None else own + shared
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0, bias)
        return self.proj_drop(self.proj(merge_heads(heads)))

    def _qkv_bias(self) -> Tensor | None:
        """That of queries, keys and values, (3 D); one of the keys would change no attention."""
        if self.q_bias is None or self.v_bias is None:
            return None
        return torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))


class RelativePositionBias(nn.Module):
    """A bias of the attention, for the relative position of each two tokens."""

    def __init__(self, relations: int, num_heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table: nn.Parameter = nn.Parameter(
            torch.empty(relations, num_heads)
        )

    def inits(self) -> Inits:
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


def _norm(cfg: BeitConfig) -> NormMaker:
    return partial(token_norm, cfg.norm_layer, eps=cfg.norm_eps)


def _mlp(cfg: BeitConfig, plan: BeitPlan) -> nn.Module:
    layer = SwiGLU if cfg.swiglu_mlp else Mlp
    return layer(
        cfg.embed_dim,
        plan.hidden,
        activation("silu" if cfg.swiglu_mlp else "gelu", inplace=False),
        drop=cfg.proj_drop_rate,
        norm=_norm(cfg) if cfg.scale_mlp else None,
    )
