"""Learnt tables of position embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resample_position_table(
    table: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    """A table for another grid of patches, by antialiased bicubic interpolation.

    Args:
        table: (1, P + h * w, D); the P embeddings in front, of tokens that are no patches, stay
            as they are.
        old_grid: rows and columns (h, w) of the patches that the table is for.
        new_grid: rows and columns of the patches that it shall be for.

    Returns:
        The new table, (1, P + h' * w', D).
    """
    if new_grid == old_grid:
        return table
    count = table.shape[1] - old_grid[0] * old_grid[1]
    prefix, patches = table[:, :count], table[:, count:]
    # Interpolation in half precision is coarse, and not there on every device.
    dtype = table.dtype if table.dtype == torch.float64 else torch.float32
    image = patches.to(dtype).reshape(1, *old_grid, -1).permute(0, 3, 1, 2)
    image = F.interpolate(image, new_grid, mode="bicubic", antialias=True)
    return torch.cat((prefix, image.flatten(2).transpose(1, 2).to(table.dtype)), dim=1)
