"""Attention with a learned bias for each distance of two positions, whichever the direction
(https://arxiv.org/abs/2104.01136, section 4.2).

Shapes: h x w positions of keys, T positions of queries, A attention heads.
"""

from __future__ import annotations

from abc import ABC
from functools import partial

import torch
from torch import Tensor, nn

from typedvision.layers.init import Initializers, values, zeros
from typedvision.layers.position import resample_distance_table


class DistanceAttention(nn.Module, ABC):
    """An attention over a grid that learns a bias for each distance; a family computes the rest.

    Args:
        num_heads: A.
        grid: h and w.
        step: rows and columns between two queries; there is a query for each key by default.
        saved: whether checkpoints hold the index, too, which the grid determines.
    """

    attention_bias_idxs: Tensor

    def __init__(
        self, num_heads: int, grid: tuple[int, int], step: int = 1, *, saved: bool = False
    ) -> None:
        super().__init__()
        self.num_heads: int = num_heads
        self.grid: tuple[int, int] = grid
        self.step: int = step
        rows, columns = grid
        self.attention_biases: nn.Parameter = nn.Parameter(torch.empty(num_heads, rows * columns))
        queries = -(-rows // step) * -(-columns // step)
        index = torch.empty(queries, rows * columns, dtype=torch.long)
        self.register_buffer("attention_bias_idxs", index, persistent=saved)

    def initializers(self) -> Initializers:
        """Biases of 0."""
        compute = partial(distance_index, self.grid, self.step)
        return {"attention_biases": zeros, "attention_bias_idxs": values(compute)}

    @torch.no_grad()
    def set_grid(self, grid: tuple[int, int]) -> None:
        """Attend over another grid; what was learned of distances is resampled.

        Args:
            grid: h and w.
        """
        if grid == self.grid:
            return
        table = resample_distance_table(self.attention_biases, self.grid, grid)
        self.attention_biases = nn.Parameter(table)
        index = distance_index(grid, self.step)
        self.attention_bias_idxs = index.to(self.attention_biases.device)
        self.grid = grid

    def bias(self) -> Tensor:
        """What is added to the attention of each query to each key, (A, T, h w)."""
        return self.attention_biases[:, self.attention_bias_idxs]


def distance_index(grid: tuple[int, int], step: int = 1) -> Tensor:
    """Which distance is that of each query to each key of a grid, (T, h w), as a number below h w.

    Args:
        grid: rows and columns (h, w) of keys.
        step: rows and columns between two queries.
    """
    rows, columns = grid
    keys = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    queries = torch.cartesian_prod(torch.arange(0, rows, step), torch.arange(0, columns, step))
    down, right = (queries[:, None] - keys[None]).abs().unbind(-1)
    return down * columns + right
