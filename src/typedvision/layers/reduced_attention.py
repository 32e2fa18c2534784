"""Attention to a smaller map.

Shapes: N images, h x w positions of a map, D features.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.layers.attention import attend, merge_heads, split_heads


class ReducedAttention(nn.Module):
    """Every position of a map attends to those of a smaller one, which a convolution makes of it
    (https://arxiv.org/abs/2102.12122, section 3.3).

    Args:
        features: D.
        num_heads: attention heads.
        reduction: what the height and width of the map are divided by for keys and values.
        pooled: height and width that the map is pooled to instead (https://arxiv.org/abs/2106.13797,
            section 3.2); None where it is not.
        qkv_bias: whether queries, keys and values have a bias.
        attn_drop: dropout probability of the attention weights.
        proj_drop: dropout probability after the output projection.
    """

    def __init__(
        self,
        features: int,
        num_heads: int,
        *,
        reduction: int,
        pooled: int | None = None,
        qkv_bias: bool = True,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        reduction = reduction if pooled is None else 1
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.q: nn.Linear = nn.Linear(features, features, bias=qkv_bias)
        self.kv: nn.Linear = nn.Linear(features, 2 * features, bias=qkv_bias)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(proj_drop)
        self.pool: nn.Module = nn.Identity() if pooled is None else nn.AdaptiveAvgPool2d(pooled)
        self.reduces: bool = pooled is not None or reduction > 1
        if self.reduces:
            self.sr: nn.Conv2d = nn.Conv2d(features, features, reduction, stride=reduction)
            self.norm: nn.LayerNorm = nn.LayerNorm(features)
        self.act: nn.Module = nn.Identity() if pooled is None else nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        q = split_heads(self.q(x.flatten(1, 2)), self.num_heads)
        k, v = self.kv(self._reduced(x).flatten(1, 2)).chunk(2, dim=-1)
        k, v = split_heads(k, self.num_heads), split_heads(v, self.num_heads)
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0)
        return self.proj_drop(self.proj(merge_heads(heads))).reshape(x.shape)

    def _reduced(self, x: Tensor) -> Tensor:
        """The map that keys and values come from."""
        if not self.reduces:
            return x
        x = self.sr(self.pool(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        return self.act(self.norm(x))
