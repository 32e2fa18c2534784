"""Rotary positions (https://arxiv.org/abs/2104.09864): each head's queries and keys are turned by
angles that grow with the position, so that their products depend on distances only.

The features of a head are pairs, each turned by an angle of its own.

Shapes: N images, h heads, T tokens, of which the last L are patches, d features of each head.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor, nn

from typedvision.layers.init import Inits

Grid = tuple[int, int]
"""Rows and columns of patches."""


class CoordinateNoise(nn.Module):
    """Moves and stretches the positions at random while training
    (https://arxiv.org/abs/2508.10104, section 3.2).

    Args:
        shift: greatest distance that each axis is moved by.
        jitter: greatest factor, and one over the least, that each axis is stretched by.
        rescale: greatest factor, and one over the least, that both axes are stretched by.
    """

    def __init__(
        self, shift: float | None = None, jitter: float | None = None, rescale: float | None = None
    ) -> None:
        super().__init__()
        self.shift = shift
        self.jitter = jitter
        self.rescale = rescale

    def forward(self, positions: Tensor) -> Tensor:
        """(L, 2) to the same shape."""
        if not self.training:
            return positions
        if self.shift is not None:
            positions = positions + positions.new_empty(2).uniform_(-self.shift, self.shift)
        for factor, axes in ((self.jitter, 2), (self.rescale, 1)):
            if factor is not None:
                bound = math.log(factor)
                positions = positions * positions.new_empty(axes).uniform_(-bound, bound).exp()
        return positions

    def extra_repr(self) -> str:
        """The three bounds."""
        return f"shift={self.shift}, jitter={self.jitter}, rescale={self.rescale}"


class RotaryEmbedding(nn.Module, ABC):
    """The angle of each pair of features at each patch.

    Args:
        width: d.
        temperature: the slowest pairs turn about this many times slower than the fastest.
        columns_first: whether the first half of the pairs is for the columns.
        noise: what moves the positions while training; None for nothing.
    """

    def __init__(
        self,
        width: int,
        temperature: float,
        *,
        columns_first: bool = False,
        noise: CoordinateNoise | None = None,
    ) -> None:
        super().__init__()
        self.width = width
        self.temperature = temperature
        self.columns_first = columns_first
        self.noise: nn.Module = noise or nn.Identity()

    @abstractmethod
    def forward(self, grid: Grid, like: Tensor) -> Tensor:
        """The angles, (L, d / 2), for a grid of patches, on the device of `like`."""

    def _positions(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Every two coordinates of the axes, (L, 2)."""
        y, x = (axis.flatten() for axis in torch.meshgrid(rows, columns, indexing="ij"))
        moved: Tensor = self.noise(torch.stack((x, y) if self.columns_first else (y, x), dim=-1))
        return moved

    def _speeds(self, count: int, like: Tensor) -> Tensor:
        """The angle per unit of distance of so many pairs, from 1 almost to 1 / temperature."""
        share = torch.arange(count, device=like.device, dtype=_precise(like)) / count
        return self.temperature**-share

    def extra_repr(self) -> str:
        """Features and temperature."""
        return f"{self.width}, temperature={self.temperature:g}, xy={self.columns_first}"


class AxialRotaryEmbedding(RotaryEmbedding):
    """Half of the pairs turn with the row, half with the column.

    Args:
        width: d, a multiple of 4.
        temperature: as above.
        reference: the grid whose patches are one apart; others are stretched to its size. None
            for none: patches are always one apart.
        offset: position of the first row and column.
        columns_first: as above.
        noise: as above.
    """

    def __init__(
        self,
        width: int,
        temperature: float,
        *,
        reference: Grid | None = None,
        offset: float = 0.0,
        columns_first: bool = False,
        noise: CoordinateNoise | None = None,
    ) -> None:
        super().__init__(width, temperature, columns_first=columns_first, noise=noise)
        self.reference = reference
        self.offset = offset

    def forward(self, grid: Grid, like: Tensor) -> Tensor:
        """The angles, (L, d / 2), for a grid of patches, on the device of `like`."""
        steps = [_steps(count, like) + self.offset for count in grid]
        if self.reference is not None:
            sides = zip(steps, grid, self.reference, strict=True)
            steps = [step / count * wanted for step, count, wanted in sides]
        positions = self._positions(*steps)
        return (positions[:, :, None] * self._speeds(self.width // 4, like)).flatten(1)


class CenteredRotaryEmbedding(RotaryEmbedding):
    """The same with an image that reaches from -1 to 1 on each axis, and angles in whole turns
    (DINOv3, https://arxiv.org/abs/2508.10104).

    Args:
        width: d, a multiple of 4.
        temperature: as above.
        offset: number of patches that the image is moved by.
        columns_first: as above.
        noise: as above.
    """

    def __init__(
        self,
        width: int,
        temperature: float,
        *,
        offset: float = 0.0,
        columns_first: bool = False,
        noise: CoordinateNoise | None = None,
    ) -> None:
        super().__init__(width, temperature, columns_first=columns_first, noise=noise)
        self.offset = offset

    def forward(self, grid: Grid, like: Tensor) -> Tensor:
        """The angles, (L, d / 2), for a grid of patches, on the device of `like`."""
        centers = (2 * (_steps(count, like) + 0.5 + self.offset) / count - 1 for count in grid)
        turns = self._positions(*centers)[:, :, None] * self._speeds(self.width // 4, like)
        return 2 * math.pi * turns.flatten(1)


class InterleavedRotaryEmbedding(RotaryEmbedding):
    """Pairs take turns: time, row, column, time, ... (https://arxiv.org/abs/2511.21631); images
    have no time, so that a third of the pairs stands still.

    Args:
        width: d, an even number.
        temperature: as above.
        section: how many pairs each of the three has at most, those past it being time's; None
            for no limit. The first number is not looked at.
        noise: as above.
    """

    def __init__(
        self,
        width: int,
        temperature: float,
        *,
        section: tuple[int, int, int] | None = None,
        noise: CoordinateNoise | None = None,
    ) -> None:
        super().__init__(width, temperature, noise=noise)
        limits = (width, width, width) if section is None else section
        pairs = range(width // 2)
        self.axes: list[int] = [i % 3 if i < 3 * limits[i % 3] else 0 for i in pairs]

    def forward(self, grid: Grid, like: Tensor) -> Tensor:
        """The angles, (L, d / 2), for a grid of patches, on the device of `like`."""
        positions = self._positions(*(_steps(count, like) for count in grid))
        still = torch.zeros_like(positions[:, :1])
        axes = torch.tensor(self.axes, device=like.device)
        return torch.cat((still, positions), dim=1)[:, axes] * self._speeds(self.width // 2, like)


class MixedRotaryEmbedding(RotaryEmbedding):
    """Each head of each block learns its own directions and speeds
    (https://arxiv.org/abs/2403.13298, section 3.2).

    Args:
        width: d, a multiple of 4.
        temperature: as above, to begin with.
        depth: B, the number of blocks.
        num_heads: h.
        columns_first: as above.
        noise: as above.
    """

    def __init__(
        self,
        width: int,
        temperature: float,
        *,
        depth: int,
        num_heads: int,
        columns_first: bool = False,
        noise: CoordinateNoise | None = None,
    ) -> None:
        super().__init__(width, temperature, columns_first=columns_first, noise=noise)
        self.freqs: nn.Parameter = nn.Parameter(torch.empty(2, depth, num_heads, width // 2))

    def inits(self) -> Inits:
        """For each head two directions at right angles, one of them at random; usual speeds."""

        def fill(freqs: Tensor, generator: Generator) -> None:
            depth, heads, count = freqs.shape[1:]
            angle = torch.rand(depth, heads, 1, generator=generator) * 2 * math.pi
            speeds = self._speeds(count // 2, freqs)
            for axis, begin in enumerate((0.0, -math.pi / 2)):  # cos, and sin by cos
                along, across = angle + begin, angle + begin + math.pi / 2
                freqs[axis] = torch.cat((speeds * along.cos(), speeds * across.cos()), dim=-1)

        return {"freqs": fill}

    def forward(self, grid: Grid, like: Tensor) -> Tensor:
        """The angles of every block and head, (B, h, L, d / 2)."""
        positions = self._positions(*(_steps(count, like) for count in grid))
        return torch.einsum("la, abhp -> bhlp", positions, self.freqs.to(positions.dtype))


def choose_patches(angles: Tensor, chosen: Tensor) -> Tensor:
    """The angles of some patches of each image.

    Args:
        angles: (..., L, d / 2).
        chosen: which patches, (N, M).

    Returns:
        The angles, (N, 1, M, d / 2); where `angles` are those of every block and head,
        (B, N, h, M, d / 2).
    """
    picked = angles[..., chosen, :]
    return picked.unsqueeze(1) if angles.ndim == 2 else picked.transpose(1, 2)


def rotation(angles: Tensor, dtype: torch.dtype) -> Tensor:
    """What `rotate` turns by: the cosines and the sines of the angles, (2, ..., L, d / 2)."""
    return torch.stack((angles.cos(), angles.sin())).to(dtype)


def rotate(x: Tensor, turn: Tensor, *, halves: bool) -> Tensor:
    """Turn the features of the last L tokens; those in front have no position.

    Args:
        x: queries or keys, (N, h, T, d).
        turn: cosine and sine for each pair, (2, L, d / 2), (2, h, L, d / 2) or
            (2, N, h or 1, L, d / 2).
        halves: whether a pair is one feature of each half, and not two neighbours.
    """
    cos, sin = turn.to(x.dtype)
    front, width = x.shape[-2] - turn.shape[-2], turn.shape[-1]
    pairs = x[:, :, front:].reshape(*x.shape[:2], -1, *((2, width) if halves else (width, 2)))
    axis = -2 if halves else -1
    first, second = pairs.unbind(axis)
    turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=axis)
    return torch.cat((x[:, :, :front], turned.flatten(-2)), dim=-2)


def _precise(like: Tensor) -> torch.dtype:
    """The type to compute angles in: half precision would blur far positions."""
    return torch.float64 if like.dtype == torch.float64 else torch.float32


def _steps(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device, dtype=_precise(like))
