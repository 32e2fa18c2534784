"""Transformer blocks whose queries and keys have a rotary embedding of their patch
(https://arxiv.org/abs/2104.09864), as those of EVA-02 (https://arxiv.org/abs/2303.11331).

Shapes: N images, L patches, P tokens in front of the patches, T = P + L tokens, D features,
d features of each head, A attention heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.rotary import RotaryBlockPlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend_masked, keyless_bias, merge_heads, split_heads
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, constant, zeros
from typedvision.layers.mlp import GluMlp, Mlp, SwiGLU
from typedvision.layers.norm import token_norm
from typedvision.layers.rotary import apply_rope


class RotaryBlock(nn.Module):
    """Attention, then an MLP, each normalised before, scaled and added."""

    def __init__(self, plan: RotaryBlockPlan) -> None:
        super().__init__()
        self.attn_scale: float | None = plan.attn_scale
        self.mlp_scale: float | None = plan.mlp_scale
        self.norm1: nn.Module = _norm(plan, plan.features)
        self.attn: RotaryAttention = rotary_attention(plan)
        self.gamma_1: nn.Parameter | None = _vector(plan) if plan.attn_scale is not None else None
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = _norm(plan, plan.features)
        self.mlp: nn.Module = planned_mlp(plan)
        self.gamma_2: nn.Parameter | None = _vector(plan) if plan.mlp_scale is not None else None
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def initializers(self) -> Initializers:
        """One value for all factors of a LayerScale."""
        return {
            "gamma_1": constant(self.attn_scale or 0.0),
            "gamma_2": constant(self.mlp_scale or 0.0),
        }

    def forward(self, x: Tensor, rope: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotary embedding of the patches; a mask says which
        tokens are attended to, (N, 1, 1, T), or (N, 1, T, T) for each token."""
        y = self.attn(self.norm1(x), rope, mask)
        x = x + self.drop_path1(y if self.gamma_1 is None else y * self.gamma_1)
        y = self.mlp(self.norm2(x))
        return x + self.drop_path2(y if self.gamma_2 is None else y * self.gamma_2)


class RotaryPostNormBlock(nn.Module):
    """Attention, then an MLP, each normalised after and added (EVA-02's CLIP of enormous size)."""

    def __init__(self, plan: RotaryBlockPlan) -> None:
        super().__init__()
        self.attn: RotaryAttention = rotary_attention(plan)
        self.norm1: nn.Module = _norm(plan, plan.features)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: nn.Module = planned_mlp(plan)
        self.norm2: nn.Module = _norm(plan, plan.features)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, rope: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotary embedding of the patches."""
        x = x + self.drop_path1(self.norm1(self.attn(x, rope)))
        return x + self.drop_path2(self.norm2(self.mlp(x)))


class RotaryAttention(nn.Module, ABC):
    """Multi-head self-attention whose queries and keys have a rotary embedding of their patch."""

    def __init__(self, plan: RotaryBlockPlan) -> None:
        super().__init__()
        features, width = plan.features, plan.features // plan.num_heads
        self.num_heads: int = plan.num_heads
        self.num_kv_heads: int = plan.num_kv_heads
        self.rope_index: int | None = plan.rope_index
        self.rope_halves: bool = plan.rope_halves
        self.attn_drop: float = plan.attn_drop
        self._make_projection(plan, width)
        self.q_norm: nn.Module = _norm(plan, width) if plan.head_norm else nn.Identity()
        self.k_norm: nn.Module = _norm(plan, width) if plan.head_norm else nn.Identity()
        self.norm: nn.Module = _norm(plan, features) if plan.out_norm else nn.Identity()
        self.gate: nn.Linear | None = (
            nn.Linear(features, features, bias=plan.qkv_bias) if plan.gated else None
        )
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(plan.proj_drop)

    @abstractmethod
    def _make_projection(self, plan: RotaryBlockPlan, width: int) -> None:
        """Put the layers in place that give queries, keys and values."""

    @abstractmethod
    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, D) to queries (N, T, D), and keys and values of fewer heads, where there are."""

    def forward(self, x: Tensor, rope: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotary embedding of the patches; a mask says which
        tokens are attended to, (N, 1, 1, T), or (N, 1, T, T) for each token."""
        gate = None if self.gate is None else self.gate(x).sigmoid()
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
        drop = self.attn_drop if self.training else 0.0
        x = self.norm(merge_heads(attend_masked(q, k, v.to(q.dtype), drop, mask)))
        return self.proj_drop(self.proj(x if gate is None else x * gate))


class FusedRotaryAttention(RotaryAttention):
    """Attention with one layer for queries, keys and values; keys may be without a bias."""

    def _make_projection(self, plan: RotaryBlockPlan, width: int) -> None:
        keyless = plan.qkv_bias and not plan.key_bias
        self.qkv: nn.Linear = nn.Linear(plan.features, 3 * plan.features, bias=plan.key_bias)
        self.q_bias: nn.Parameter | None = _vector(plan) if keyless else None
        self.v_bias: nn.Parameter | None = _vector(plan) if keyless else None

    def initializers(self) -> Initializers:
        """Biases that do nothing."""
        return {"q_bias": zeros, "v_bias": zeros}

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        keyless = keyless_bias(self.q_bias, self.v_bias)
        bias = self.qkv.bias if keyless is None else keyless
        q, k, v = F.linear(x, self.qkv.weight, bias).chunk(3, dim=-1)
        return q, k, v


class SplitRotaryAttention(RotaryAttention):
    """Attention with a layer each for queries, keys and values."""

    def _make_projection(self, plan: RotaryBlockPlan, width: int) -> None:
        features, fewer = plan.features, width * plan.num_kv_heads
        self.q_proj: nn.Linear = nn.Linear(features, features, bias=plan.qkv_bias)
        self.k_proj: nn.Linear = nn.Linear(features, fewer, bias=plan.key_bias)
        self.v_proj: nn.Linear = nn.Linear(features, fewer, bias=plan.qkv_bias)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(x), self.k_proj(x), self.v_proj(x)


def rotary_attention(plan: RotaryBlockPlan) -> RotaryAttention:
    """A block's attention."""
    return FusedRotaryAttention(plan) if plan.qkv_fused else SplitRotaryAttention(plan)


def planned_mlp(plan: RotaryBlockPlan) -> nn.Module:
    """A block's MLP."""
    features, drop = plan.features, plan.proj_drop

    def norm(width: int) -> nn.Module:
        return _norm(plan, width)

    scaled = norm if plan.mlp_norm else None
    match plan.mlp:
        case "mlp":
            act = activation(plan.act, inplace=False)
            return Mlp(features, plan.hidden, act, drop=drop, norm=scaled)
        case "swiglu":
            return SwiGLU(features, plan.hidden, nn.SiLU(), drop=drop, norm=scaled)
        case "swiglu_packed":
            return GluMlp(features, 2 * plan.hidden, nn.SiLU(), gate_last=False, drop=drop)


def _norm(plan: RotaryBlockPlan, features: int) -> nn.Module:
    return token_norm(plan.norm_layer, features, plan.norm_eps)


def _vector(plan: RotaryBlockPlan) -> nn.Parameter:
    return nn.Parameter(torch.empty(plan.features))
