"""Biases of attention by how far two positions are apart in rows and in columns
(https://arxiv.org/abs/2112.01526, equation 4).

Shapes: N images, A attention heads, d features of each head, T queries, S keys.
"""

from __future__ import annotations

import torch
import torch.fx
from torch import Tensor

from typedvision.layers.position import resample_axis_table


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def axis_bias(
    q: Tensor,
    down: Tensor,
    right: Tensor,
    queries: tuple[int, int],
    keys: tuple[int, int],
) -> Tensor:
    """What the distances of patches add to the attention, (N, A, T, S).

    Args:
        q: queries, (N, A, T, d).
        down: the vector of each distance in rows, from above to below, (2 m - 1, d), where m is the
            larger of the numbers of rows; resampled for other grids.
        right: the vector of each distance in columns.
        queries: rows and columns of T.
        keys: rows and columns of S, of a map of the area that the queries are of.
    """
    q = q.reshape(q.shape[0], q.shape[1], *queries, -1)
    by_row = torch.einsum("nayxd, yzd -> nayxz", q, _vectors(down, queries[0], keys[0]))
    by_column = torch.einsum("nayxd, xzd -> nayxz", q, _vectors(right, queries[1], keys[1]))
    bias = by_row[..., :, None] + by_column[..., None, :]
    return bias.flatten(4).flatten(2, 3)


def axis_rows(queries: int, keys: int) -> int:
    """Rows of a table of the distances of so many queries and keys along an axis."""
    return 2 * max(queries, keys) - 1


def _vectors(table: Tensor, queries: int, keys: int) -> Tensor:
    """The vector for each query and key along an axis, (queries, keys, d)."""
    table = resample_axis_table(table, axis_rows(queries, keys))
    most = max(queries, keys)
    query = torch.arange(queries, device=table.device) * most // queries
    key = torch.arange(keys - 1, -1, -1, device=table.device) * most // keys
    return table[query[:, None] + key]
