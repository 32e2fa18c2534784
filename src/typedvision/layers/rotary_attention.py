"""Self-attention of the patches of a map, with rotary positions.

Shapes: N images, h x w patches, L = h w, A attention heads, D features, d = D / A.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.rotary import apply_rope


class RotaryMapAttention(nn.Module):
    """Multi-head self-attention whose queries and keys have a rotary embedding of their patch
    (https://arxiv.org/abs/2104.09864).

    Args:
        features: D.
        num_heads: A.
        attn_drop: dropout probability of the attention weights.
        proj_drop: dropout probability after the output projection.
    """

    def __init__(
        self, features: int, num_heads: int, *, attn_drop: float = 0.0, proj_drop: float = 0.0
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.qkv: nn.Linear = nn.Linear(features, 3 * features)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(proj_drop)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape, with the patches' rotary embedding, (2, L, d / 2)."""
        q, k, v = self.qkv(x.flatten(1, 2)).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        q, k = apply_rope(q, rope, halves=True), apply_rope(k, rope, halves=True)
        y = merge_heads(attend(q, k, v, self.attn_drop if self.training else 0.0))
        return self.proj_drop(self.proj(y)).reshape(x.shape)
