"""Rotary embeddings of positions (https://arxiv.org/abs/2104.09864), which make the products of
queries and keys depend on distances only.

The features of a head are pairs. Each pair is a complex number, multiplied by one of modulus 1,
whose phase is the position times the pair's frequency.

Shapes: N images, h heads, T tokens, of which the last L are patches, d features of each head.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor, nn

from typedvision.config.rotary import RopePlan
from typedvision.layers.init import Initializers

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
    """The rotary embedding of each patch.

    Args:
        width: d.
        temperature: about the ratio of the highest frequency to the lowest.
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

    def forward(self, grid: Grid, like: Tensor) -> Tensor:
        """The cosine and the sine of each pair's phase, (2, L, d / 2); (2, B, h, L, d / 2) where
        each head of each block has its own.

        Args:
            grid: rows and columns of patches.
            like: a tensor of the dtype and on the device that the result shall have.
        """
        phases = self._phases(grid, like)
        return torch.stack((phases.cos(), phases.sin())).to(like.dtype)

    @abstractmethod
    def _phases(self, grid: Grid, like: Tensor) -> Tensor:
        """The phase of each pair in radians, in full precision."""

    def _positions(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Every two coordinates of the axes, (L, 2)."""
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        y, x = y.flatten(), x.flatten()
        moved: Tensor = self.noise(torch.stack((x, y) if self.columns_first else (y, x), dim=-1))
        return moved

    def _frequencies(self, count: int, like: Tensor) -> Tensor:
        """Radians per unit of distance of so many pairs, from 1 almost to 1 / temperature."""
        return self.temperature ** -(_steps(count, like) / count)

    def extra_repr(self) -> str:
        """Features, temperature, and whether columns come first."""
        return f"{self.width}, temperature={self.temperature:g}, xy={self.columns_first}"


class AxialRotaryEmbedding(RotaryEmbedding):
    """Half of the pairs are for the row, half for the column.

    Args:
        width: d, a multiple of 4.
        temperature: about the ratio of the highest frequency to the lowest.
        reference: the grid whose patches are one apart; others are stretched to its size. None
            for none: patches are always one apart.
        offset: position of the first row and column.
        columns_first: whether the first half of the pairs is for the columns.
        noise: what moves the positions while training; None for nothing.
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

    def _phases(self, grid: Grid, like: Tensor) -> Tensor:
        """(L, d / 2)."""
        steps = [_steps(count, like) + self.offset for count in grid]
        if self.reference is not None:
            sides = zip(steps, grid, self.reference, strict=True)
            steps = [step / count * wanted for step, count, wanted in sides]
        positions = self._positions(*steps)
        return (positions[:, :, None] * self._frequencies(self.width // 4, like)).flatten(1)


class CenteredRotaryEmbedding(RotaryEmbedding):
    """Half of the pairs are for the row, half for the column, of an image that reaches from -1 to 1
    on each axis; frequencies are times 2 pi (DINOv3, https://arxiv.org/abs/2508.10104).

    Args:
        width: d, a multiple of 4.
        temperature: about the ratio of the highest frequency to the lowest.
        offset: number of patches that the image is moved by.
        columns_first: whether the first half of the pairs is for the columns.
        noise: what moves the positions while training; None for nothing.
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

    def _phases(self, grid: Grid, like: Tensor) -> Tensor:
        """(L, d / 2)."""
        centers = (2 * (_steps(count, like) + 0.5 + self.offset) / count - 1 for count in grid)
        positions = self._positions(*centers)
        cycles = positions[:, :, None] * self._frequencies(self.width // 4, like)
        return 2 * math.pi * cycles.flatten(1)


class InterleavedRotaryEmbedding(RotaryEmbedding):
    """Pairs are for time, row, column, time, ... alternately (https://arxiv.org/abs/2511.21631).

    The time of an image is 0, so that a third of the pairs stays as it is.

    Args:
        width: d, an even number.
        temperature: about the ratio of the highest frequency to the lowest.
        section: how many pairs each of the three has at most, those past it being time's; None
            for no limit. The first number is not looked at.
        noise: what moves the positions while training; None for nothing.
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

    def _phases(self, grid: Grid, like: Tensor) -> Tensor:
        """(L, d / 2)."""
        positions = self._positions(*(_steps(count, like) for count in grid))
        time = torch.zeros_like(positions[:, :1])
        axes = torch.tensor(self.axes, device=like.device)
        coordinates = torch.cat((time, positions), dim=1)[:, axes]
        return coordinates * self._frequencies(self.width // 2, like)


class MixedRotaryEmbedding(RotaryEmbedding):
    """Each head of each block learns the frequencies of its pairs on both axes
    (https://arxiv.org/abs/2403.13298, section 3.2).

    Args:
        width: d, a multiple of 4.
        temperature: about the ratio of the highest initial frequency to the lowest.
        depth: B, the number of blocks.
        num_heads: h.
        columns_first: whether the first frequency of a pair is that of the columns.
        noise: what moves the positions while training; None for nothing.
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

    def initializers(self) -> Initializers:
        """For each head two perpendicular directions, one of them random; in each, frequencies from
        1 almost to 1 / temperature."""

        def fill(freqs: Tensor, generator: Generator) -> None:
            depth, heads, count = freqs.shape[1:]
            direction = torch.rand(depth, heads, 1, generator=generator) * 2 * math.pi
            length = self._frequencies(count // 2, freqs)
            for axis, shift in enumerate((0.0, -math.pi / 2)):  # cos, and sin by cos
                along, across = direction + shift, direction + shift + math.pi / 2
                freqs[axis] = torch.cat((length * along.cos(), length * across.cos()), dim=-1)

        return {"freqs": fill}

    def _phases(self, grid: Grid, like: Tensor) -> Tensor:
        """(B, h, L, d / 2)."""
        positions = self._positions(*(_steps(count, like) for count in grid))
        return torch.einsum("la, abhp -> bhlp", positions, self.freqs.to(positions.dtype))


def rotary_embedding(plan: RopePlan) -> RotaryEmbedding:
    """The rotary embedding that a plan describes."""
    width, temperature = plan.width, plan.temperature
    noise = CoordinateNoise(plan.shift, plan.jitter, plan.rescale)
    match plan.kind:
        case "axial":
            return AxialRotaryEmbedding(
                width,
                temperature,
                reference=plan.reference,
                offset=plan.offset,
                columns_first=plan.columns_first,
                noise=noise,
            )
        case "dinov3":
            return CenteredRotaryEmbedding(
                width,
                temperature,
                offset=plan.offset,
                columns_first=plan.columns_first,
                noise=noise,
            )
        case "mixed":
            return MixedRotaryEmbedding(
                width,
                temperature,
                depth=plan.depth,
                num_heads=plan.num_heads,
                columns_first=plan.columns_first,
                noise=noise,
            )
        case "mrope":
            return InterleavedRotaryEmbedding(width, temperature, section=plan.section, noise=noise)


def choose_patches(rope: Tensor, chosen: Tensor) -> Tensor:
    """The rotary embedding of some patches of each image.

    Args:
        rope: the embedding of all patches, (2, L, d / 2) or (2, B, h, L, d / 2).
        chosen: which patches, (N, M).

    Returns:
        The embedding, (2, N, 1, M, d / 2); where `rope` is that of every block and head,
        (2, B, N, h, M, d / 2).
    """
    picked = rope[..., chosen, :]
    return picked.unsqueeze(2) if rope.ndim == 3 else picked.transpose(2, 3)


def apply_rope(x: Tensor, rope: Tensor, *, halves: bool) -> Tensor:
    """Multiply the pairs of features of the last L tokens; those in front have no position.

    Args:
        x: queries or keys, (N, h, T, d).
        rope: cosine and sine for each pair, (2, L, d / 2), (2, h, L, d / 2) or
            (2, N, h or 1, L, d / 2).
        halves: whether a pair is one feature of each half, and not two neighbours.
    """
    cos, sin = rope.to(x.dtype)
    (images, heads, tokens, _), count = x.shape, rope.shape[-2]
    front = tokens - count
    pairs = x[:, :, front:].reshape(images, heads, count, *((2, -1) if halves else (-1, 2)))
    axis = -2 if halves else -1
    first, second = pairs.unbind(axis)
    product = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=axis)
    return torch.cat((x[:, :, :front], product.flatten(-2)), dim=-2)


def _steps(count: int, like: Tensor) -> Tensor:
    """0, 1, ..., count - 1, on the device of `like`; half precision would blur far positions."""
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    return torch.arange(count, device=like.device, dtype=dtype)


torch.fx.wrap("_steps")  # looks at a dtype, which a symbolic trace cannot
