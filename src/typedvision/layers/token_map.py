"""Tokens as the map that they are of, and a map as tokens.

Shapes: N images, P tokens in front of the patches, T = P + h w tokens, D features.
"""

from __future__ import annotations

from math import prod

import torch
import torch.fx
from torch import Tensor, nn


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def patch_map(x: Tensor, prefix: int, grids: tuple[tuple[int, int], ...]) -> Tensor:
    """The patches of (N, T, D) as a map (N, D, h, w).

    Args:
        x: the tokens.
        prefix: P, tokens in front that are no patches.
        grids: the rows and columns that a map can have, each for another number of patches.
    """
    patches = x[:, prefix:]
    grid = next(grid for grid in grids if prod(grid) == patches.shape[1])
    return patches.transpose(1, 2).reshape(x.shape[0], -1, *grid)


class MapTokens(nn.Module):
    """A map as tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to (N, T, D)."""
        return x.flatten(2).mT
