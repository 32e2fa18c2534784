"""Neighbouring patches side by side."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def merge_patches(x: Tensor, side: int, *, channels_first: bool = False) -> Tensor:
    """Each square of patches as one token.

    Args:
        x: patches, (N, h, w, D); padded with zeros below and right to whole squares.
        side: rows and columns of a square, s.
        channels_first: whether a token's features are D groups of s s, and not s s groups of D.

    Returns:
        The tokens, row by row, (N, M, s s D).
    """
    x = F.pad(x, (0, 0, 0, -x.shape[2] % side, 0, -x.shape[1] % side))
    count, rows, columns, features = x.shape
    x = x.reshape(count, rows // side, side, columns // side, side, features)
    order = (0, 1, 3, 5, 2, 4) if channels_first else (0, 1, 3, 2, 4, 5)
    return x.permute(order).reshape(count, -1, side * side * features)
