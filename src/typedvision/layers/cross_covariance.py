"""XCiT's bricks (https://arxiv.org/abs/2106.09681): attention between channels, and positions as
waves.

Shapes: N images, h x w positions, D features, A heads.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.layers.init import Initializers, ones


class CrossCovarianceAttention(nn.Module):
    """Attention between the channels of each head, by their covariance over the positions
    (section 3.1).

    Args:
        features: D.
        num_heads: A.
        qkv_bias: whether queries, keys and values have a bias.
        attn_drop: dropout probability of the attention weights.
        proj_drop: dropout probability after the output projection.
    """

    def __init__(
        self,
        features: int,
        num_heads: int,
        *,
        qkv_bias: bool = True,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.temperature: nn.Parameter = nn.Parameter(torch.empty(num_heads, 1, 1))
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=qkv_bias)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(proj_drop)

    def initializers(self) -> Initializers:
        """The temperatures."""
        return {"temperature": ones}

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        qkv = self.qkv(x).flatten(1, 2).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 4, 1)  # (N, A, D / A, h w) each
        q, k = F.normalize(q, dim=-1) * self.temperature, F.normalize(k, dim=-1)
        drop = self.attn_drop if self.training else 0.0
        heads = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, scale=1.0)
        return self.proj_drop(self.proj(heads.permute(0, 3, 1, 2).reshape(x.shape)))


class FourierPositions(nn.Module):
    """Sines and cosines of a position's row and column, projected to D features (section 3.4).

    Args:
        features: D.
    """

    HALF = 32  # numbers for the row, and for the column
    TEMPERATURE = 10_000.0
    EPS = 1e-6

    def __init__(self, features: int) -> None:
        super().__init__()
        self.token_projection: nn.Conv2d = nn.Conv2d(2 * self.HALF, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The positions of (N, h, w, D), (1, h, w, D)."""
        rows, columns = (self._waves(x.shape[axis], x) for axis in (1, 2))
        waves = torch.cat(
            (
                rows[:, None].expand(-1, x.shape[2], -1),
                columns[None].expand(x.shape[1], -1, -1),
            ),
            dim=-1,
        )
        return self.token_projection(waves.permute(2, 0, 1)[None]).permute(0, 2, 3, 1)

    def _waves(self, steps: int, like: Tensor) -> Tensor:
        """The sines and cosines of so many places, alternating, (steps, 32)."""
        dtype, device = self.token_projection.weight.dtype, like.device
        places = torch.arange(1, steps + 1, dtype=torch.float32, device=device)
        places = places / (steps + self.EPS) * (2 * math.pi)
        powers = torch.arange(0, self.HALF, 2, dtype=torch.float32, device=device) / self.HALF
        phases = places[:, None] / self.TEMPERATURE**powers
        return torch.stack((phases.sin(), phases.cos()), dim=-1).flatten(1).to(dtype)
