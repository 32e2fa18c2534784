"""Learned tables of positions, and of the distances between them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from typedvision.config.names import Resampling


def resample_position_table(
    table: Tensor,
    old_grid: tuple[int, int],
    new_grid: tuple[int, int],
    mode: Resampling = "bicubic",
) -> Tensor:
    """A table for another grid of patches.

    Args:
        table: (1, P + h * w, D); the P embeddings in front, of tokens that are no patches, stay
            as they are.
        old_grid: rows and columns (h, w) of the patches that the table is for.
        new_grid: rows and columns of the patches that it shall be for.
        mode: how it is interpolated; antialiased where that is bicubic.

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
    image = F.interpolate(image, new_grid, mode=mode, antialias=mode == "bicubic")
    return torch.cat((prefix, image.flatten(2).transpose(1, 2).to(table.dtype)), dim=1)


def resample_position_map(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """A table of the positions of a map, (1, h, w, D), for another grid of patches, (1, *grid, D);
    bicubic with antialiasing."""
    old = table.shape[1], table.shape[2]
    return resample_position_table(table.flatten(1, 2), old, grid).reshape(1, *grid, -1)


def resample_distance_table(
    table: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    """A table of the distances of two positions, whichever the direction, for another grid; bicubic
    with antialiasing.

    Args:
        table: (heads, h * w).
        old_grid: rows and columns (h, w) that the table is for.
        new_grid: rows and columns that it shall be for.

    Returns:
        The new table, (heads, h' * w').
    """
    return resample_position_table(table.T[None], old_grid, new_grid)[0].T.contiguous()


def resample_axis_table(table: Tensor, count: int) -> Tensor:
    """A table of the distances along an axis, (D, width), for so many of them, (count, width), by
    linear interpolation."""
    if table.shape[0] == count:
        return table
    # Interpolation in half precision is coarse, and not there on every device.
    dtype = table.dtype if table.dtype == torch.float64 else torch.float32
    lines = F.interpolate(table.T[None].to(dtype), count, mode="linear")
    return lines[0].T.to(table.dtype).contiguous()


def relative_position_index(window: tuple[int, int], class_token: bool = False) -> Tensor:
    """Where a table of relative positions holds each pair of the tokens of a window.

    Args:
        window: rows and columns (h, w).
        class_token: whether a token without a place stands in front. What it makes of the others,
            they of it, and it of itself are the last three rows of the table.

    Returns:
        The row of the table for each two tokens, (h w, h w), of (2h - 1) (2w - 1) rows; with a
        class token (1 + h w, 1 + h w), of three rows more.
    """
    rows, columns = window
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    down = y.reshape(-1, 1) - y.reshape(1, -1) + rows - 1
    right = x.reshape(-1, 1) - x.reshape(1, -1) + columns - 1
    index = down * (2 * columns - 1) + right
    if not class_token:
        return index
    distances = relative_position_rows(window)
    index = F.pad(index, (1, 0, 1, 0), value=distances)
    index[1:, 0] = distances + 1
    index[0, 0] = distances + 2
    return index


def relative_position_rows(window: tuple[int, int], class_token: bool = False) -> int:
    """Rows of a table of relative positions in a window of (h, w) tokens: one for each distance of
    two, (2h - 1) (2w - 1); with a class token three more."""
    rows, columns = window
    return (2 * rows - 1) * (2 * columns - 1) + (3 if class_token else 0)


def resample_relative_table(
    table: Tensor, old_window: tuple[int, int], new_window: tuple[int, int]
) -> Tensor:
    """A table of relative positions for another window, by linear interpolation.

    The old distances are taken to stand further and further apart, so that near neighbours keep
    what they learned (https://arxiv.org/abs/2106.08254, in its code).

    Args:
        table: ((2h - 1) (2w - 1) + E, heads); the E rows at the end, of a token without a place,
            stay as they are.
        old_window: rows and columns (h, w) of the window that the table is for.
        new_window: rows and columns of the window that it shall be for.

    Returns:
        The new table, ((2h' - 1) (2w' - 1) + E, heads).
    """
    if new_window == old_window:
        return table
    dtype = table.dtype if table.dtype == torch.float64 else torch.float32
    down, right = (
        _distance_weights(old, new).to(table.device, dtype)
        for old, new in zip(old_window, new_window, strict=True)
    )
    distances = down.shape[1] * right.shape[1]
    square = table[:distances].to(dtype).reshape(down.shape[1], right.shape[1], -1)
    resampled = torch.einsum("ai, bj, ijh -> abh", down, right, square)
    return torch.cat((resampled.flatten(0, 1).to(table.dtype), table[distances:]))


def resample_relative_map(
    table: Tensor, old_window: tuple[int, int], new_window: tuple[int, int]
) -> Tensor:
    """A map of relative positions for another window, resampled as `resample_relative_table` does.

    Args:
        table: (heads, 2h - 1, 2w - 1).
        old_window: rows and columns (h, w) of the window that the map is for.
        new_window: rows and columns of the window that it shall be for.

    Returns:
        The new map, (heads, 2h' - 1, 2w' - 1).
    """
    rows = resample_relative_table(table.flatten(1).T, old_window, new_window)
    return rows.T.reshape(-1, *(2 * side - 1 for side in new_window))


def _distance_weights(old: int, new: int) -> Tensor:
    """The share of each old distance in each new one, (2 new - 1, 2 old - 1)."""
    if old == 1:  # knows no distance but 0
        return torch.ones(2 * new - 1, 1)
    growth = _growth(old - 1, new - 1)
    steps = torch.tensor([growth**i for i in range(old - 1)], dtype=torch.float64)
    known = torch.cat((-steps.cumsum(0).flip(0), steps.new_zeros(1), steps.cumsum(0)))
    wanted = torch.arange(1 - new, new, dtype=torch.float64).clamp(known[0], known[-1])
    above = torch.searchsorted(known, wanted).clamp(min=1)
    below = above - 1
    share = (wanted - known[below]) / (known[above] - known[below])
    each = torch.eye(len(known), dtype=torch.float64)
    return torch.lerp(each[below], each[above], share[:, None])


def _growth(steps: int, reach: int) -> float:
    """The factor of each step over the last, in [1.01, 1.5], with which they reach that far."""
    low, high = 1.01, 1.5
    growth = low
    for _ in range(19):  # to a millionth
        growth = (low + high) / 2
        if sum(growth**i for i in range(steps)) > reach:
            high = growth
        else:
            low = growth
    return growth
