"""From pictures to a model's input: `make_transform`, and the transform that it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, overload

import torch
from torch import Tensor

from typedvision.architecture.image_model import ImageModel
from typedvision.config.image import ImageSpec
from typedvision.errors import ImageError, UsageError, shown
from typedvision.preprocess.decode import MAX_PIXELS, Picture, decode, to_tensor
from typedvision.preprocess.resize import fit, resized
from typedvision.registry.spec import ModelSpec, spec_for

if TYPE_CHECKING:
    from typedvision.preprocess.training import TrainingTransform


@dataclass(frozen=True, slots=True)
class EvaluationTransform:
    """Pictures as a model expects them when it is used.

    They are resampled by Pillow, from 8-bit values to 8-bit values, and get the same numbers as a
    file, as Pillow's pictures and as tensors. What EXIF says of their orientation is done; a
    transparent part shows the colour that it has; of 16 bits the upper 8 count.
    """

    image: ImageSpec
    """What the model expects."""
    max_pixels: int = MAX_PIXELS
    """Refuse a larger picture; nor will one be resized to more."""

    def __post_init__(self) -> None:
        check_fields(self.image, self.max_pixels)

    def __call__(self, pictures: Picture | Sequence[Picture]) -> Tensor:
        """One picture as (C, H, W), or several as (N, C, H, W), float32, on the CPU.

        Args:
            pictures: a path, a picture of Pillow, a tensor (C, H, W) of uint8; or a sequence of
                them, or a tensor (N, C, H, W).

        Raises:
            ImageError: naming the picture that cannot be read, and the reason.
            UsageError: something is no picture.
        """
        return each(self._one, pictures, self.image)

    def _one(self, picture: Picture) -> Tensor:
        becomes = partial(resized, self.image)
        images = decode(picture, self.image.channels, self.max_pixels, becomes)
        size = becomes(images[0].height, images[0].width)
        fills = _fills(self.image, len(images))
        fitted = [
            fit(image, size, self.image, fill) for image, fill in zip(images, fills, strict=True)
        ]
        return normalize(to_tensor(fitted).float() / 255, self.image)


@overload
def make_transform(
    model: ImageModel | ModelSpec | ImageSpec | str,
    *,
    training: Literal[False] = False,
    max_pixels: int = MAX_PIXELS,
) -> EvaluationTransform: ...


@overload
def make_transform(
    model: ImageModel | ModelSpec | ImageSpec | str,
    *,
    training: Literal[True],
    seed: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> TrainingTransform: ...


@overload
def make_transform(
    model: ImageModel | ModelSpec | ImageSpec | str,
    *,
    training: bool,
    seed: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> EvaluationTransform | TrainingTransform: ...


def make_transform(
    model: ImageModel | ModelSpec | ImageSpec | str,
    *,
    training: bool = False,
    seed: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> EvaluationTransform | TrainingTransform:
    """What turns pictures into the input of a model.

    Args:
        model: a model, the spec of a model or of its pictures, or a name (`"resnet50"`,
            `"resnet50.a1_in1k"`).
        training: with random crops and flips.
        seed: of a training transform: the same seed gives the same crops; by default PyTorch's.
        max_pixels: refuse a larger picture.

    Returns:
        A transform that says what it does when it is printed, and can be pickled.

    Raises:
        UnknownNameError: nobody publishes the name.
        UsageError: `model` is something else, or an evaluation transform is given a seed.
    """
    from typedvision.preprocess.training import TrainingTransform

    image = _image_spec(model)
    if training:
        return TrainingTransform(image, seed=seed, max_pixels=max_pixels)
    if seed is not None:
        raise UsageError("nothing is random in an evaluation transform: seed needs training=True")
    return EvaluationTransform(image, max_pixels)


def each(
    one: Callable[[Picture], Tensor], pictures: Picture | Sequence[Picture], image: ImageSpec
) -> Tensor:
    """What a transform of one picture gives for one, or for each of several, stacked."""
    if isinstance(pictures, Tensor):
        if pictures.ndim != 4:
            return one(pictures)
        pictures = list(pictures)
    if isinstance(pictures, str) or not isinstance(pictures, Sequence):
        return one(pictures)
    results = []
    for place, picture in enumerate(pictures):
        try:
            results.append(one(picture))
        except ImageError as error:
            raise ImageError(f"{error.summary} (picture {place} of the batch)") from error
    return torch.stack(results) if results else torch.empty(0, image.channels, *image.size)


def check_fields(image: object, max_pixels: object) -> None:
    """Refuse what cannot be a field of a transform.

    Raises:
        UsageError: naming it.
    """
    if not isinstance(image, ImageSpec):
        raise UsageError(
            f"image must be an ImageSpec, such as the `image` of a model's spec; got {shown(image)}"
        )
    if type(max_pixels) is not int or max_pixels < 1:
        raise UsageError(f"max_pixels must be an integer of at least 1; got {shown(max_pixels)}")


def normalize(values: Tensor, image: ImageSpec) -> Tensor:
    """Values (C, H, W) in [0, 1] with a spec's mean and deviation."""
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (image.mean, image.std))
    return (values - mean) / std


def _image_spec(model: object) -> ImageSpec:
    if isinstance(model, str):
        model = spec_for(model, {})
    if isinstance(model, ImageModel):
        model = model.spec
    if isinstance(model, ModelSpec):
        model = model.image
    if isinstance(model, ImageSpec):
        return model
    raise UsageError(
        "make_transform takes a model, a ModelSpec, an ImageSpec or a name; "
        f"got {type(model).__name__}"
    )


def _fills(image: ImageSpec, parts: int) -> list[tuple[int, ...]]:
    """For each image of a picture, its colour where the model's crop is larger than it."""
    mean = image.mean if len(image.mean) > 1 else image.mean * image.channels
    padded = image.crop_mode == "border"
    colour = tuple(min(255, max(0, round(255 * value))) if padded else 0 for value in mean)
    return [colour] if parts == 1 else [(value,) for value in colour]
