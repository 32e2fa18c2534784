"""The transform of a model that takes patches of an image's own aspect ratio.

Source: "Patch n' Pack: NaViT, a Vision Transformer for any Aspect Ratio and Resolution",
https://arxiv.org/abs/2307.06304; "SigLIP 2", https://arxiv.org/abs/2502.14786, section 2.4.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from typedvision.config.image import ImageSpec
from typedvision.errors import UsageError, shown
from typedvision.layers.patches import Patches
from typedvision.preprocess.batch import check_fields, each, normalize
from typedvision.preprocess.decode import MAX_PIXELS, ImageInput, decode, to_tensor
from typedvision.preprocess.resize import resampled

_MAX_SCALE = 100
"""Greatest factor by which an image is resized."""


@dataclass(frozen=True, slots=True)
class PatchTransform:
    """Transform images into patches of their own aspect ratio.

    An image is resized, up or down, to whole patches: as many as `max_seq_len` allows. Images are
    read and resampled as `EvaluationTransform` does; nothing is cropped or padded.
    """

    image_spec: ImageSpec
    """What the model expects; `size`, `crop_pct` and `crop_mode` are not used."""
    patch_size: tuple[int, int]
    """Height and width of a patch in pixels."""
    max_seq_len: int
    """Largest number of patches of an image."""
    max_pixels: int = MAX_PIXELS
    """Refuse an image that has more pixels, or would have more once it is resized."""

    def __post_init__(self) -> None:
        check_fields(self.image_spec, self.max_pixels)
        check_patches(self.patch_size, self.max_seq_len, self.max_pixels)

    def __call__(self, images: ImageInput | Sequence[ImageInput]) -> Patches:
        """Transform one image, or several of any sizes, to the patches of one batch: float32, on
        the CPU.

        Args:
            images: a path, a Pillow image or a tensor (C, H, W) of uint8; or a sequence of these,
                or a tensor (N, C, H, W) of uint8.

        Raises:
            ImageError: an image cannot be read; the message names it and the reason.
            UsageError: an argument is not an image, or there is none.
        """
        return each(self._one, images, Patches.join)

    def _one(self, image: ImageInput) -> Patches:
        becomes = partial(size_in_patches, patch_size=self.patch_size, max_seq_len=self.max_seq_len)
        parts = decode(image, self.image_spec.channels, self.max_pixels, becomes)
        size = becomes(parts[0].height, parts[0].width)
        pixels = to_tensor([resampled(part, size, self.image_spec) for part in parts])
        return Patches.of([normalize(pixels.float() / 255, self.image_spec)], self.patch_size)


def check_patches(patch_size: object, max_seq_len: object, max_pixels: int) -> None:
    """Check the fields of a transform to patches.

    Raises:
        UsageError: a field has a wrong type or value; the message names it.
    """
    if not (
        isinstance(patch_size, tuple)
        and len(patch_size) == 2
        and all(type(side) is int and side >= 1 for side in patch_size)
    ):
        raise UsageError(
            f"patch_size must be a height and a width in pixels; got {shown(patch_size)}"
        )
    if type(max_seq_len) is not int or max_seq_len < 1:
        raise UsageError(f"max_seq_len must be an integer of at least 1; got {shown(max_seq_len)}")
    tall, wide = patch_size
    if max_seq_len * tall * wide > max_pixels:
        raise UsageError(
            f"max_seq_len {max_seq_len:,} of patches of {tall} x {wide} pixels is more "
            f"than max_pixels {max_pixels:,}"
        )


def size_in_patches(
    height: int, width: int, patch_size: tuple[int, int], max_seq_len: int
) -> tuple[int, int]:
    """Height and width of the patches of `patch_grid`, in pixels."""
    rows, columns = patch_grid(height, width, patch_size, max_seq_len)
    return rows * patch_size[0], columns * patch_size[1]


def patch_grid(
    height: int, width: int, patch_size: tuple[int, int], max_seq_len: int
) -> tuple[int, int]:
    """Rows and columns of patches that cover an image at the largest scale at which `max_seq_len`
    patches do; at 100 times its size at most.

    Args:
        height: height of the image in pixels.
        width: its width.
        patch_size: height and width of a patch in pixels.
        max_seq_len: largest number of patches.
    """
    # Patches become more where a row or a column is full: the largest scale is one of those.
    tall, wide = patch_size[0] * width, patch_size[1] * height

    def columns_of(rows: int) -> int:
        return -(-rows * tall // wide)

    def rows_of(columns: int) -> int:
        return -(-columns * wide // tall)

    counts = range(1, max_seq_len + 1)
    rows = bisect_right(counts, max_seq_len, key=lambda count: count * columns_of(count))
    columns = bisect_right(counts, max_seq_len, key=lambda count: count * rows_of(count))
    if rows * tall >= columns * wide:
        columns = columns_of(rows)
    else:
        rows = rows_of(columns)
    return (
        min(rows, -(-_MAX_SCALE * height // patch_size[0])),
        min(columns, -(-_MAX_SCALE * width // patch_size[1])),
    )
