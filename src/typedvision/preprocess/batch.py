"""What the transforms share: their fields, and one image or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from typedvision.config.image import ImageSpec
from typedvision.errors import ImageError, UsageError, shown
from typedvision.preprocess.decode import ImageInput

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Result = TypeVar("Result")
"""What a transform makes of one image, or of several."""


def each(
    one: Callable[[ImageInput], Result],
    images: ImageInput | Sequence[ImageInput],
    together: Callable[[list[Result]], Result],
) -> Result:
    """Apply the transform of one image to one, or to each of several and put the results
    `together`."""
    if not is_several(images):
        return one(images)
    results = []
    for place, image in enumerate(images):
        try:
            results.append(one(image))
        except ImageError as error:
            raise ImageError(f"{error.summary} (image {place} of the batch)") from error
    return together(results)


def is_several(images: ImageInput | Sequence[ImageInput]) -> TypeIs[Sequence[ImageInput]]:
    """Whether it is several images: a sequence of them, or a tensor (N, C, H, W)."""
    if isinstance(images, Tensor):
        return images.ndim == 4
    return isinstance(images, Sequence) and not isinstance(images, str)


def stacked(images: list[Tensor], image_spec: ImageSpec) -> Tensor:
    """Images (C, H, W) of the size of a spec as one batch, (N, C, H, W), of none, too."""
    return torch.stack(images) if images else torch.empty(0, image_spec.channels, *image_spec.size)


def check_fields(image_spec: object, max_pixels: object) -> None:
    """Check the fields that every transform has.

    Raises:
        UsageError: a field has a wrong type or value; the message names it.
    """
    if not isinstance(image_spec, ImageSpec):
        raise UsageError(
            "image_spec must be an ImageSpec, such as the `image` of a model's spec; "
            f"got {shown(image_spec)}"
        )
    if type(max_pixels) is not int or max_pixels < 1:
        raise UsageError(f"max_pixels must be an integer of at least 1; got {shown(max_pixels)}")


def normalize(values: Tensor, image_spec: ImageSpec) -> Tensor:
    """Normalise values (C, H, W) in [0, 1] by the mean and the standard deviation of a spec."""
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (image_spec.mean, image_spec.std))
    return (values - mean) / std
