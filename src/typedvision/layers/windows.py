"""Windows of a map, and their shift (https://arxiv.org/abs/2103.14030, section 3.2).

Shapes: N images, h x w positions of a map, M windows of A tokens each (M counts those of all
images), D features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

APART = -100.0
"""Added to the attention between tokens that do not belong together; leaves exp(-100) of it."""


def in_windows(
    x: Tensor,
    window: tuple[int, int],
    shift: tuple[int, int],
    attention: Callable[[Tensor, Tensor | None], Tensor],
) -> Tensor:
    """Attention in the windows of a map (N, h, w, D); a shift moves them down and right, and around
    (figure 4).

    Args:
        x: the map.
        window: rows and columns of a window; maps are padded below and right to whole ones.
        shift: rows and columns that the windows are moved by.
        attention: takes the tokens of each window, (M, A, D), and what is added to the attention in
            each window of one image, (windows, A, A), or None.
    """
    rows, columns = x.shape[1:3]
    down, right = shift
    shifted = down > 0 or right > 0
    if shifted:
        x = x.roll((-down, -right), (1, 2))
    x = pad_to_windows(x, window)
    size = x.shape[1], x.shape[2]
    mask = shift_mask(size, window, shift, x) if shifted else None
    x = attention(split_windows(x, window), mask)
    x = join_windows(x, size, window)[:, :rows, :columns]
    return x.roll((down, right), (1, 2)) if shifted else x


def in_blocks(x: Tensor, window: tuple[int, int], attention: Callable[[Tensor], Tensor]) -> Tensor:
    """Attention in the windows of a map (N, h, w, D), which they divide evenly.

    Args:
        x: the map.
        window: rows and columns of a window.
        attention: takes the tokens of each window, (M, A, D).
    """
    size = x.shape[1], x.shape[2]
    return join_windows(attention(split_windows(x, window)), size, window)


def in_grid(x: Tensor, grid: tuple[int, int], attention: Callable[[Tensor], Tensor]) -> Tensor:
    """Attention in the sparse grids of a map (N, h, w, D), which they divide evenly: between tokens
    that are h / rows and w / columns apart (MaxViT, https://arxiv.org/abs/2204.01697, figure 3).

    Args:
        x: the map.
        grid: rows and columns of a grid.
        attention: takes the tokens of each grid, (M, A, D).
    """
    size = x.shape[1], x.shape[2]
    return join_grids(attention(split_grids(x, grid)), size, grid)


def pad_to_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """(N, h, w, D), padded with zeros below and right to a multiple of the window."""
    below, right = -x.shape[1] % window[0], -x.shape[2] % window[1]
    return F.pad(x, (0, 0, 0, right, 0, below)) if below or right else x


def split_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """The windows of maps (N, h, w, D), row by row, (M, A, D)."""
    (count, rows, columns, features), (tall, wide) = x.shape, window
    x = x.reshape(count, rows // tall, tall, columns // wide, wide, features)
    return x.transpose(2, 3).reshape(-1, tall * wide, features)


def join_windows(windows: Tensor, size: tuple[int, int], window: tuple[int, int]) -> Tensor:
    """The maps (N, h, w, D) of that size whose windows are (M, A, D)."""
    (rows, columns), (tall, wide), features = size, window, windows.shape[-1]
    x = windows.reshape(-1, rows // tall, columns // wide, tall, wide, features)
    return x.transpose(2, 3).reshape(-1, rows, columns, features)


def split_grids(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """The sparse grids of maps (N, h, w, D), of one image after the other, (M, A, D)."""
    (count, rows, columns, features), (tall, wide) = x.shape, grid
    x = x.reshape(count, tall, rows // tall, wide, columns // wide, features)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, tall * wide, features)


def join_grids(grids: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """The maps (N, h, w, D) of that size whose sparse grids are (M, A, D)."""
    (rows, columns), (tall, wide), features = size, grid, grids.shape[-1]
    x = grids.reshape(-1, rows // tall, columns // wide, tall, wide, features)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(-1, rows, columns, features)


def merge_corners(x: Tensor) -> Tensor:
    """Each 2 x 2 tokens of a map (N, h, w, D) side by side, (N, h / 2, w / 2, 4 D); the halves are
    rounded up (section 3.1)."""
    x = pad_to_windows(x, (2, 2))
    return torch.cat([x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], dim=-1)


class PatchMerging(nn.Module):
    """Each 2 x 2 tokens become one of twice the features (section 3.1).

    Args:
        features: D, of the tokens that are merged.
        norm: normalisation of the four side by side.
    """

    def __init__(self, features: int, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.reduction: nn.Linear = nn.Linear(4 * features, 2 * features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, h / 2, w / 2, 2 D); the halves are rounded up."""
        return self.reduction(self.norm(merge_corners(x)))


def shift_mask(
    size: tuple[int, int], window: tuple[int, int], shift: tuple[int, int], like: Tensor
) -> Tensor:
    """Keeps apart the tokens of a window that shifting brought together, (windows, A, A)."""
    below, right = (
        torch.arange(side, device=like.device) >= side - step
        for side, step in zip(size, shift, strict=True)
    )
    region = split_windows((2 * below[:, None] + right)[None, ..., None], window).squeeze(-1)
    apart = region[:, :, None] != region[:, None, :]
    return like.new_zeros(apart.shape).masked_fill(apart, APART)


def in_each_window(bias: Tensor, mask: Tensor | None, windows: int) -> Tensor:
    """A bias (1, heads, A, A) with the mask of each window, for M `windows` of all images: (M or 1,
    heads, A, A)."""
    if mask is None:
        return bias
    return (bias + mask[:, None]).repeat(windows // mask.shape[0], 1, 1, 1)


for _function in (
    "pad_to_windows",
    "split_windows",
    "join_windows",
    "split_grids",
    "join_grids",
    "shift_mask",
):
    torch.fx.wrap(_function)  # they look at sizes, which a symbolic trace cannot
