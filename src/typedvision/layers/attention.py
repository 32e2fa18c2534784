"""Self-attention over tokens.

Shapes: N images, T tokens, D features, h heads, d = D / h features of each head.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.layers.init import Initializers, normal

NormMaker = Callable[[int], nn.Module]
"""Makes a normalisation of that many features."""


class Attention(nn.Module):
    """Multi-head self-attention (https://arxiv.org/abs/1706.03762, section 3.2.2).

    Args:
        features: D.
        num_heads: h.
        qkv_bias: whether queries, keys and values have a bias.
        proj_bias: whether the output projection has one.
        head_norm: makes the normalisation of each head's queries and keys; None for none.
        out_norm: makes the normalisation before the output projection; None for none.
        attn_drop: dropout probability of the attention weights.
        proj_drop: dropout probability after the output projection.
    """

    def __init__(
        self,
        features: int,
        num_heads: int,
        *,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        head_norm: NormMaker | None = None,
        out_norm: NormMaker | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        width = features // num_heads
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=qkv_bias)
        self.q_norm: nn.Module = head_norm(width) if head_norm else nn.Identity()
        self.k_norm: nn.Module = head_norm(width) if head_norm else nn.Identity()
        self.norm: nn.Module = out_norm(features) if out_norm else nn.Identity()
        self.proj: nn.Linear = nn.Linear(features, features, bias=proj_bias)
        self.proj_drop: nn.Dropout = nn.Dropout(proj_drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        return self._masked(x, None)

    def _masked(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, T, D) to the same shape; a mask says which tokens are attended to, (N, 1, 1, T), or
        (N, 1, T, T) for each token."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = self.q_norm(split_heads(q, self.num_heads))
        k = self.k_norm(split_heads(k, self.num_heads))
        v = split_heads(v, self.num_heads)
        x = attend_masked(q, k, v, self.attn_drop if self.training else 0.0, mask)
        return self.proj_drop(self.proj(self.norm(merge_heads(x))))


class DifferentialAttention(nn.Module):
    """The difference of two attention maps (https://arxiv.org/abs/2410.05258, section 2.1).

    Each head's queries and keys are two halves, with a softmax each; the noise that both maps
    have in common cancels.

    Args:
        features: D.
        num_heads: h.
        lambda_init: initial weight of the second map.
        qkv_bias: whether queries, keys and values have a bias.
        proj_bias: whether the output projection has one.
        head_norm: makes the normalisation of each half of queries and keys; None for none.
        out_norm: makes the normalisation before the output projection; None for none.
        attn_drop: dropout probability of the attention weights.
        proj_drop: dropout probability after the output projection.
    """

    def __init__(
        self,
        features: int,
        num_heads: int,
        lambda_init: float,
        *,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        head_norm: NormMaker | None = None,
        out_norm: NormMaker | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        half = features // num_heads // 2
        self.num_heads = num_heads
        self.lambda_init = lambda_init
        self.attn_drop = attn_drop
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=qkv_bias)
        self.q_norm: nn.Module = head_norm(half) if head_norm else nn.Identity()
        self.k_norm: nn.Module = head_norm(half) if head_norm else nn.Identity()
        for name in LAMBDAS:
            self.register_parameter(name, nn.Parameter(torch.empty(half)))
        self.norm: nn.Module = out_norm(features) if out_norm else nn.Identity()
        self.proj: nn.Linear = nn.Linear(features, features, bias=proj_bias)
        self.proj_drop: nn.Dropout = nn.Dropout(proj_drop)
        self.sub_norm: nn.RMSNorm = nn.RMSNorm(2 * half, eps=1e-5)

    def initializers(self) -> Initializers:
        """The vectors that the second map's weight is made of."""
        return LAMBDAS

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        return self._masked(x, None)

    def _masked(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, T, D) to the same shape; a mask says which tokens are attended to, (N, 1, 1, T), or
        (N, 1, T, T) for each token."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k = split_heads(q, 2 * self.num_heads), split_heads(k, 2 * self.num_heads)
        weight = differential_weight(self, self.lambda_init)
        drop = self.attn_drop if self.training else 0.0
        x = attend_differentially(
            self.q_norm(q), self.k_norm(k), split_heads(v, self.num_heads), weight, drop, mask
        )
        x = self.sub_norm(x) * (1.0 - self.lambda_init)
        return self.proj_drop(self.proj(self.norm(merge_heads(x))))


LAMBDAS: Initializers = dict.fromkeys(
    ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"), normal(0.1)
)
"""The vectors that a differential attention's weight is made of, with their initial values."""


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(N, T, D) to (N, h, T, d)."""
    return x.reshape(x.shape[0], x.shape[1], num_heads, -1).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(N, h, T, d) to (N, T, D)."""
    return x.transpose(1, 2).flatten(2)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    drop: float = 0.0,
    bias: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """softmax(q k^T * scale + bias) v, each (N, h, T, d); the bias (N or 1, h or 1, T, T); the
    scale is 1 / sqrt(d) by default."""
    return F.scaled_dot_product_attention(q, k, v, bias, dropout_p=drop, scale=scale)


def attend_masked(
    q: Tensor, k: Tensor, v: Tensor, drop: float = 0.0, mask: Tensor | None = None
) -> Tensor:
    """Attention to some of the tokens, (N, h, T, d). A query that has none attends to all equally.

    Args:
        q: queries, (N, h, T, d).
        k: keys, (N, h, T, d).
        v: values, (N, h, T, d).
        drop: dropout probability of the attention weights.
        mask: which tokens are attended to, (N, 1, 1, T), or (N, 1, T, T) for each query; None for
            all.
    """
    if mask is not None:
        none = ~mask.any(-1, keepdim=True)
        q, mask = q.masked_fill(none, 0.0), mask | none
    return attend(q, k, v, drop, mask)


def attend_differentially(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    weight: Tensor,
    drop: float = 0.0,
    mask: Tensor | None = None,
) -> Tensor:
    """The first attention minus `weight` times the second, (N, h, T, d).

    Args:
        q: queries, (N, 2h, T, d / 2): two to a head.
        k: keys, (N, 2h, T, d / 2).
        v: values, (N, h, T, d).
        weight: a scalar.
        drop: dropout probability of the attention weights.
        mask: which tokens are attended to, (N, 1, 1, T), or (N, 1, T, T) for each query; None for
            all.
    """
    first = attend_masked(q[:, 0::2], k[:, 0::2], v, drop, mask)
    return first - weight * attend_masked(q[:, 1::2], k[:, 1::2], v, drop, mask)


def differential_weight(module: nn.Module, lambda_init: float) -> Tensor:
    """The weight of the second map, out of the four vectors that `module` owns."""
    q1, k1, q2, k2 = (getattr(module, name) for name in LAMBDAS)
    return (q1 * k1).sum().exp() - (q2 * k2).sum().exp() + lambda_init


def keyless_bias(q_bias: Tensor | None, v_bias: Tensor | None) -> Tensor | None:
    """The bias (3 D) of one layer for queries, keys and values, of which keys have none: one would
    change no attention. None where queries and values have none either."""
    if q_bias is None or v_bias is None:
        return None
    return torch.cat((q_bias, torch.zeros_like(q_bias), v_bias))
