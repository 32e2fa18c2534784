"""Attention of a class token to all tokens.

Shapes: N images, T tokens, D features.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.layers.attention import attend, merge_heads, split_heads


class ClassAttention(nn.Module):
    """The first token attends to every token (https://arxiv.org/abs/2103.17239, section 3.2).

    Args:
        features: D.
        num_heads: attention heads, which share the features evenly.
        qkv_bias: whether queries, keys and values have a bias.
        attn_drop: dropout probability of the attention weights.
        proj_drop: dropout probability of the output.
    """

    def __init__(
        self,
        features: int,
        num_heads: int,
        *,
        qkv_bias: bool = False,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.q: nn.Linear = nn.Linear(features, features, bias=qkv_bias)
        self.k: nn.Linear = nn.Linear(features, features, bias=qkv_bias)
        self.v: nn.Linear = nn.Linear(features, features, bias=qkv_bias)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(proj_drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, 1, D)."""
        q, k, v = self.q(x[:, :1]), self.k(x), self.v(x)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0)
        return self.proj_drop(self.proj(merge_heads(heads)))
