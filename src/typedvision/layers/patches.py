"""Patches of images of several sizes, side by side.

Shapes: N images, C channels, H x W pixels, L patches of the image that has the most, V values of a
patch: its pixels row by row, each with its channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from typedvision.errors import UsageError


@dataclass(frozen=True, slots=True)
class Patches:
    """Patches of N images, as many of each as the largest has."""

    values: Tensor
    """The patches, (N, L, V); zeros where an image has no more."""
    coordinates: Tensor
    """Row and column of each patch in its image, (N, L, 2); zeros where an image has no more."""
    valid: Tensor
    """Whether it is a patch of the image, (N, L)."""

    @classmethod
    def of(cls, images: Sequence[Tensor], patch_size: tuple[int, int]) -> Patches:
        """The patches of images, each (C, H, W) with a size of its own.

        Args:
            images: at least one; of one number of channels, in whole patches.
            patch_size: height and width of a patch.

        Raises:
            UsageError: there is no image, or one is not of whole patches.
        """
        if not images:
            raise UsageError("there must be at least one image")
        tall, wide = patch_size
        for image in images:
            if image.shape[1] % tall or image.shape[2] % wide:
                raise UsageError(
                    f"images must be in multiples of {tall} x {wide} pixels; got "
                    f"{image.shape[1]} x {image.shape[2]}: resize them"
                )
        values = [cut_patches(image[None], patch_size)[0] for image in images]
        places = [
            torch.cartesian_prod(
                torch.arange(image.shape[1] // tall), torch.arange(image.shape[2] // wide)
            ).to(image.device)
            for image in images
        ]
        valid = [torch.ones(len(each), dtype=torch.bool, device=each.device) for each in values]
        return cls(*(_padded(parts) for parts in (values, places, valid)))

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


def _padded(parts: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)


torch.fx.wrap("cut_patches")  # looks at sizes, which a symbolic trace cannot
