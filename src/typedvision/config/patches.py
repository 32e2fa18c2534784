"""What the configs of models of patches share."""

from __future__ import annotations

from collections.abc import Iterator

from typedvision.config.base import to_pair
from typedvision.config.features import FeatureSpec
from typedvision.config.problems import Conflict

Sides = int | tuple[int, int]


def patch_conflicts(
    img_size: Sides, patch_size: Sides, *, pads_one_size: bool = False
) -> Iterator[Conflict]:
    """The conflicts of a size of images with that of their patches.

    Args:
        img_size: height and width in pixels; one number for a square.
        patch_size: height and width of a patch in pixels; one number for a square.
        pads_one_size: whether the model would pad images, and takes this size only.
    """
    sizes = list(zip(to_pair(img_size), to_pair(patch_size), strict=True))
    if any(image < patch for image, patch in sizes):
        yield Conflict(
            f"'img_size' {img_size} must be at least 'patch_size' {patch_size}: not one patch fits",
            "img_size",
        )
    if pads_one_size and any(image % patch for image, patch in sizes):
        yield Conflict(
            f"'img_size' {img_size} must be a multiple of 'patch_size' {patch_size} where "
            "'dynamic_img_pad' is true and 'dynamic_img_size' is not",
            "img_size",
        )


def token_levels(features: int, depth: int, patch_size: Sides) -> tuple[FeatureSpec, ...]:
    """The tokens after each block; all have one resolution."""
    stride = max(to_pair(patch_size))
    return tuple(FeatureSpec(features, stride, f"blocks.{index}") for index in range(depth))
