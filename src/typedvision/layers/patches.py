"""Patches of images of several sizes, side by side.

Shapes: N images, C channels, H x W pixels, L patches of the image that has the most, V values of a
patch: its pixels row by row, each with its channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from typedvision.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Patches of N images, as many of each as the largest has.

    Raises:
        UsageError: a tensor has another shape, or `valid` is not of bool.
    """

    values: Tensor
    """The patches, (N, L, V); zeros where an image has no more."""
    coordinates: Tensor
    """Row and column of each patch in its image, (N, L, 2); zeros where an image has no more."""
    valid: Tensor
    """Whether it is a patch of the image, (N, L), of bool."""

    def __post_init__(self) -> None:
        values, coordinates, valid = (
            tuple(part.shape) for part in (self.values, self.coordinates, self.valid)
        )
        if len(values) != 3 or coordinates != (*values[:2], 2) or valid != values[:2]:
            raise UsageError(
                "patches are values (N, L, V), coordinates (N, L, 2) and valid (N, L); "
                f"got {values}, {coordinates} and {valid}"
            )
        if self.valid.dtype != torch.bool:
            raise UsageError(f"valid must be of torch.bool; got {self.valid.dtype}")

    @classmethod
    def of(cls, images: Sequence[Tensor], patch_size: tuple[int, int]) -> Patches:
        """The patches of images, each (C, H, W) with a size of its own.

        Args:
            images: at least one; of one number of channels, in whole patches.
            patch_size: height and width of a patch.

        Raises:
            UsageError: there is no image, or one is not of whole patches.
        """
        return cls.join([_of_one(image, patch_size) for image in images])

    @classmethod
    def join(cls, parts: Sequence[Patches]) -> Patches:
        """The images of several batches as one, padded to the image that has the most patches: the
        `collate_fn` of a `DataLoader` whose samples are patches.

        Args:
            parts: at least one; of one size of patches.

        Raises:
            UsageError: there is none, or their patches have another number of values.
        """
        if not parts:
            raise UsageError("there must be at least one image")
        if len(sizes := {part.values.shape[2] for part in parts}) > 1:
            raise UsageError(f"patches must be of one size; got some of {sorted(sizes)} values")
        longest = max(part.valid.shape[1] for part in parts)
        spare = [longest - part.valid.shape[1] for part in parts]
        pairs = list(zip(parts, spare, strict=True))
        return cls(
            torch.cat([F.pad(part.values, (0, 0, 0, more)) for part, more in pairs]),
            torch.cat([F.pad(part.coordinates, (0, 0, 0, more)) for part, more in pairs]),
            torch.cat([F.pad(part.valid, (0, more)) for part, more in pairs]),
        )

    def grids(self) -> list[tuple[int, int]]:
        """Rows and columns of patches of each image."""
        last = self.coordinates.amax(1).tolist()
        return [(row + 1, column + 1) for row, column in last]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Patches:
        """These patches on a device, their values of a dtype."""
        values = self.values.to(device, dtype or self.values.dtype)
        return Patches(values, self.coordinates.to(device), self.valid.to(device))


def cut_patches(x: Tensor, patch_size: tuple[int, int]) -> Tensor:
    """The patches of images (N, C, H, W), row by row, (N, L, V)."""
    (count, channels, height, width), (tall, wide) = x.shape, patch_size
    x = x.reshape(count, channels, height // tall, tall, width // wide, wide)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, tall * wide * channels)


def _of_one(image: Tensor, patch_size: tuple[int, int]) -> Patches:
    """The patches of one image (C, H, W)."""
    (height, width), (tall, wide) = image.shape[1:], patch_size
    if height % tall or width % wide:
        raise UsageError(
            f"images must be in multiples of {tall} x {wide} pixels; got "
            f"{height} x {width}: resize them"
        )
    values = cut_patches(image[None], patch_size)
    rows = torch.arange(height // tall, device=image.device)
    columns = torch.arange(width // wide, device=image.device)
    valid = torch.ones(values.shape[:2], dtype=torch.bool, device=image.device)
    return Patches(values, torch.cartesian_prod(rows, columns)[None], valid)


torch.fx.wrap("cut_patches")  # looks at sizes, which a symbolic trace cannot
