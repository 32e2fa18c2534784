"""From tokens to a vector, (N, T, D) to (N, D).

Shapes: N images, T tokens, D features, h heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.config.names import TokenPool
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.init import Initializers, trunc_normal


class GlobalTokenPool(nn.Module):
    """The first token, or the mean, maximum or both of all; `""` leaves the tokens as they are."""

    kind: TokenPool

    def __init__(self, kind: TokenPool) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, D)."""
        match self.kind:
            case "":
                return x
            case "token":
                return x[:, 0]
            case "avg":
                return x.mean(1)
            case "max":
                return x.amax(1)
            case "avgmax":
                return 0.5 * (x.mean(1) + x.amax(1))

    def extra_repr(self) -> str:
        """The kind of pooling."""
        return repr(self.kind)


class AttentionPool(nn.Module):
    """One learned query attends to all tokens (https://arxiv.org/abs/2106.04560, appendix A).

    Args:
        features: D.
        num_heads: h.
        norm: normalisation before the MLP.
        mlp: the MLP that follows.
    """

    def __init__(self, features: int, num_heads: int, norm: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.latent: nn.Parameter = nn.Parameter(torch.empty(1, 1, features))
        self.q: nn.Linear = nn.Linear(features, features)
        self.kv: nn.Linear = nn.Linear(features, 2 * features)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.norm = norm
        self.mlp = mlp

    def initializers(self) -> Initializers:
        """A normal query of about unit length."""
        std = self.latent.shape[-1] ** -0.5
        return {"latent": trunc_normal(std, low=-2.0 * std, high=2.0 * std)}

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, T, D) to (N, D).

        Args:
            x: the tokens.
            mask: which tokens are attended to, true for those, (N, 1, 1, T); None for all.
        """
        q = self.q(self.latent.expand(x.shape[0], -1, -1))
        k, v = self.kv(x).chunk(2, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        x = self.proj(merge_heads(attend(q, k, v, bias=mask)))
        return (x + self.mlp(self.norm(x))).squeeze(1)


class RefinedTokenPool(nn.Module):
    """The first token after an attention without parameters ("patch representation refinement",
    Locality-Attending Vision Transformer, ICLR 2026)."""

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, D)."""
        heads = split_heads(x, self.num_heads)
        return merge_heads(attend(heads[:, :, :1], heads, heads)).squeeze(1)
