"""EVA (https://arxiv.org/abs/2211.07636, https://arxiv.org/abs/2303.11331) and its relatives with
rotary embeddings of positions.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, d features of each head, B blocks, A attention heads,
K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.token_model import Inputs, TokenModel, norm_maker
from typedvision.config.base import to_pair
from typedvision.families.eva.config import EvaBlockPlan, EvaConfig
from typedvision.layers.attention import attend, keyless_bias, merge_heads, split_heads
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, constant, zeros
from typedvision.layers.mlp import GluMlp, Mlp, SwiGLU
from typedvision.layers.rotary import (
    AxialRotaryEmbedding,
    CenteredRotaryEmbedding,
    CoordinateNoise,
    InterleavedRotaryEmbedding,
    MixedRotaryEmbedding,
    RotaryEmbedding,
    apply_rope,
    choose_patches,
)


class Eva(TokenModel[EvaConfig]):
    """Patches as tokens, a transformer encoder whose queries and keys have a rotary embedding of
    each patch's position, pooling and a linear classifier."""

    def __init__(self, cfg: EvaConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        self.rope: RotaryEmbedding | None = _rope(cfg) if cfg.use_rot_pos_emb else None
        block = PostNormBlock if cfg.use_post_norm else Block
        self._add_encoder(block(cfg, each) for each in plan.blocks)

    def _embed(self, x: Tensor, *, all_patches: bool = False) -> Inputs:
        """(N, C, H, W) to the tokens, (N, T, D), and the patches' rotary embedding, (2, L, d / 2)
        or (2, B, A, L, d / 2)."""
        patches = self._patches(x)
        x = self._tokens(patches)
        rows, columns = patches.shape[1:3]
        rope = None if self.rope is None else self.rope((rows, columns), x)
        chosen = None if all_patches else self.patch_drop.choose(x)
        if rope is not None and chosen is not None:
            rope = choose_patches(rope, chosen)
        return self.norm_pre(self.patch_drop.keep(x, chosen)), rope

    def no_weight_decay(self) -> set[str]:
        """The learned tokens, positions and frequencies."""
        learned = {"rope.freqs"} if isinstance(self.rope, MixedRotaryEmbedding) else set()
        return super().no_weight_decay() | learned

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation; learned frequencies, which
        every block has a part of, go with the head."""
        groups = super().group_matcher(coarse)
        learned = isinstance(self.rope, MixedRotaryEmbedding)
        return groups | {"head": r"^rope|attn_pool|fc_norm|head"} if learned else groups


class Block(nn.Module):
    """Attention, then an MLP, each normalised before, scaled and added."""

    def __init__(self, cfg: EvaConfig, plan: EvaBlockPlan) -> None:
        super().__init__()
        norm, scales = norm_maker(cfg), cfg.init_values is not None
        self.init_values: float | None = cfg.init_values
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.attn: Attention = _attention(cfg, plan)
        self.gamma_1: nn.Parameter | None = _vector(cfg) if scales else None
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.gamma_2: nn.Parameter | None = (
            _vector(cfg) if scales and not cfg.attn_only_layer_scale else None
        )
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def initializers(self) -> Initializers:
        """One value for all factors of LayerScale."""
        return dict.fromkeys(("gamma_1", "gamma_2"), constant(self.init_values or 0.0))

    def forward(self, x: Tensor, rope: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotary embedding of the patches."""
        y = self.attn(self.norm1(x), rope)
        x = x + self.drop_path1(y if self.gamma_1 is None else y * self.gamma_1)
        y = self.mlp(self.norm2(x))
        return x + self.drop_path2(y if self.gamma_2 is None else y * self.gamma_2)


class PostNormBlock(nn.Module):
    """Attention, then an MLP, each normalised after and added (EVA-02's CLIP of enormous size)."""

    def __init__(self, cfg: EvaConfig, plan: EvaBlockPlan) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        self.attn: Attention = _attention(cfg, plan)
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, rope: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotary embedding of the patches."""
        x = x + self.drop_path1(self.norm1(self.attn(x, rope)))
        return x + self.drop_path2(self.norm2(self.mlp(x)))


class Attention(nn.Module, ABC):
    """Multi-head self-attention whose queries and keys have a rotary embedding of their patch."""

    def __init__(self, cfg: EvaConfig, plan: EvaBlockPlan) -> None:
        super().__init__()
        width = cfg.embed_dim // cfg.num_heads
        head_norm = norm_maker(cfg) if cfg.qk_norm else None
        self.num_heads: int = cfg.num_heads
        self.num_kv_heads: int = plan.num_kv_heads
        self.rope_index: int | None = plan.rope_index
        self.rope_halves: bool = plan.rope_halves
        self.attn_drop: float = cfg.attn_drop_rate
        self._make_projection(cfg, width)
        self.q_norm: nn.Module = head_norm(width) if head_norm else nn.Identity()
        self.k_norm: nn.Module = head_norm(width) if head_norm else nn.Identity()
        self.norm: nn.Module = (
            norm_maker(cfg)(cfg.embed_dim) if cfg.scale_attn_inner else nn.Identity()
        )
        self.proj: nn.Linear = nn.Linear(cfg.embed_dim, cfg.embed_dim)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    @abstractmethod
    def _make_projection(self, cfg: EvaConfig, width: int) -> None:
        """Put the layers in place that give queries, keys and values."""

    @abstractmethod
    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, D) to queries (N, T, D), and keys and values of fewer heads, where there are."""

    def forward(self, x: Tensor, rope: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotary embedding of the patches."""
        q, k, v = self._project(x)
        q = self.q_norm(split_heads(q, self.num_heads))
        k = self.k_norm(split_heads(k, self.num_kv_heads))
        v = split_heads(v, self.num_kv_heads)
        if rope is not None:
            own = rope if self.rope_index is None else rope[:, self.rope_index]
            q = apply_rope(q, own, halves=self.rope_halves)
            k = apply_rope(k, own, halves=self.rope_halves)
        if self.num_kv_heads != self.num_heads:
            group = self.num_heads // self.num_kv_heads
            k, v = (part.repeat_interleave(group, dim=1) for part in (k, v))
        x = attend(q, k, v.to(q.dtype), self.attn_drop if self.training else 0.0)
        return self.proj_drop(self.proj(self.norm(merge_heads(x))))


class FusedAttention(Attention):
    """Attention with one layer for queries, keys and values; `eva` gives keys no bias."""

    def _make_projection(self, cfg: EvaConfig, width: int) -> None:
        features, whole = cfg.embed_dim, cfg.attn_type == "rope"
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=cfg.qkv_bias and whole)
        keyless = cfg.qkv_bias and not whole
        self.q_bias: nn.Parameter | None = _vector(cfg) if keyless else None
        self.v_bias: nn.Parameter | None = _vector(cfg) if keyless else None

    def initializers(self) -> Initializers:
        """Biases that do nothing."""
        return {"q_bias": zeros, "v_bias": zeros}

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        keyless = keyless_bias(self.q_bias, self.v_bias)
        bias = self.qkv.bias if keyless is None else keyless
        q, k, v = F.linear(x, self.qkv.weight, bias).chunk(3, dim=-1)
        return q, k, v


class SplitAttention(Attention):
    """Attention with a layer each for queries, keys and values."""

    def _make_projection(self, cfg: EvaConfig, width: int) -> None:
        key_bias = cfg.qkv_bias and cfg.attn_type == "rope"
        features, fewer = cfg.embed_dim, width * self.num_kv_heads
        self.q_proj: nn.Linear = nn.Linear(features, features, bias=cfg.qkv_bias)
        self.k_proj: nn.Linear = nn.Linear(features, fewer, bias=key_bias)
        self.v_proj: nn.Linear = nn.Linear(features, fewer, bias=cfg.qkv_bias)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(x), self.k_proj(x), self.v_proj(x)


def _vector(cfg: EvaConfig) -> nn.Parameter:
    return nn.Parameter(torch.empty(cfg.embed_dim))


def _rope(cfg: EvaConfig) -> RotaryEmbedding:
    width, temperature = cfg.embed_dim // cfg.num_heads, cfg.rope_temperature
    columns_first = cfg.rope_grid_indexing == "xy"
    noise = CoordinateNoise(cfg.rope_shift_coords, cfg.rope_jitter_coords, cfg.rope_rescale_coords)
    match cfg.rope_type:
        case "cat":
            return AxialRotaryEmbedding(
                width,
                temperature,
                reference=to_pair(cfg.ref_feat_shape) if cfg.ref_feat_shape else None,
                offset=cfg.rope_grid_offset,
                columns_first=columns_first,
                noise=noise,
            )
        case "dinov3":
            return CenteredRotaryEmbedding(
                width,
                temperature,
                offset=cfg.rope_grid_offset,
                columns_first=columns_first,
                noise=noise,
            )
        case "mixed":
            return MixedRotaryEmbedding(
                width,
                temperature,
                depth=cfg.depth,
                num_heads=cfg.num_heads,
                columns_first=columns_first,
                noise=noise,
            )
        case "mrope":
            return InterleavedRotaryEmbedding(
                width, temperature, section=cfg.rope_mrope_section, noise=noise
            )


def _attention(cfg: EvaConfig, plan: EvaBlockPlan) -> Attention:
    return FusedAttention(cfg, plan) if cfg.qkv_fused else SplitAttention(cfg, plan)


def _mlp(cfg: EvaConfig, plan: EvaBlockPlan) -> nn.Module:
    features, drop = cfg.embed_dim, cfg.proj_drop_rate
    norm = norm_maker(cfg) if cfg.scale_mlp else None
    match plan.mlp:
        case "mlp":
            return Mlp(features, plan.hidden, nn.GELU(), drop=drop, norm=norm)
        case "swiglu":
            return SwiGLU(features, plan.hidden, nn.SiLU(), drop=drop, norm=norm)
        case "swiglu_packed":
            return GluMlp(features, 2 * plan.hidden, nn.SiLU(), gate_last=False, drop=drop)
