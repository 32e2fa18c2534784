"""From images to the input of a model: `make_transform` and the evaluation transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, overload

from torch import Tensor

from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.wrapped import Wrapper, unwrapped
from typedvision.config.image import ImageSpec
from typedvision.errors import UsageError
from typedvision.preprocess.batch import check_fields, each, normalize, stacked
from typedvision.preprocess.decode import MAX_PIXELS, ImageInput, decode, to_tensor
from typedvision.preprocess.patches import PatchTransform
from typedvision.preprocess.resize import fit, resized
from typedvision.preprocess.training import PatchTrainingTransform, TrainingTransform
from typedvision.registry.spec import ModelSpec, spec_for


@dataclass(frozen=True, slots=True)
class EvaluationTransform:
    """Transform images into the input of a model that is evaluated.

    Pillow resamples 8-bit values to 8-bit values, whether an image is a file, a Pillow image or a
    tensor, so all three give equal numbers. The orientation that EXIF names is applied, transparent
    pixels keep their colour, and 16-bit values are reduced to their upper 8 bits.
    """

    image_spec: ImageSpec
    """What the model expects."""
    max_pixels: int = MAX_PIXELS
    """Refuse an image that has more pixels, or would have more once it is resized."""

    def __post_init__(self) -> None:
        check_fields(self.image_spec, self.max_pixels)

    def __call__(self, images: ImageInput | Sequence[ImageInput]) -> Tensor:
        """Transform one image to (C, H, W), or several to (N, C, H, W): float32, on the CPU.

        Args:
            images: a path, a Pillow image or a tensor (C, H, W) of uint8; or a sequence of these,
                or a tensor (N, C, H, W) of uint8.

        Raises:
            ImageError: an image cannot be read; the message names it and the reason.
            UsageError: an argument is not an image.
        """
        return each(self._one, images, lambda results: stacked(results, self.image_spec))

    def _one(self, image: ImageInput) -> Tensor:
        becomes = partial(resized, self.image_spec)
        parts = decode(image, self.image_spec.channels, self.max_pixels, becomes)
        size = becomes(parts[0].height, parts[0].width)
        fills = _fills(self.image_spec, len(parts))
        fitted = [
            fit(part, size, self.image_spec, fill) for part, fill in zip(parts, fills, strict=True)
        ]
        return normalize(to_tensor(fitted).float() / 255, self.image_spec)


@overload
def make_transform(
    model: ImageModel | Wrapper | ModelSpec | ImageSpec | str,
    *,
    training: Literal[False] = False,
    max_pixels: int = MAX_PIXELS,
) -> EvaluationTransform: ...


@overload
def make_transform(
    model: ImageModel | Wrapper | ModelSpec | ImageSpec | str,
    *,
    training: Literal[True],
    seed: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> TrainingTransform: ...


@overload
def make_transform(
    model: ImageModel | Wrapper | ModelSpec | ImageSpec | str,
    *,
    training: bool,
    seed: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> EvaluationTransform | TrainingTransform: ...


@overload
def make_transform(
    model: ImageModel | Wrapper | ModelSpec | str,
    *,
    training: Literal[False] = False,
    max_seq_len: int,
    max_pixels: int = MAX_PIXELS,
) -> PatchTransform: ...


@overload
def make_transform(
    model: ImageModel | Wrapper | ModelSpec | str,
    *,
    training: Literal[True],
    seed: int | None = None,
    max_seq_len: int,
    max_pixels: int = MAX_PIXELS,
) -> PatchTrainingTransform: ...


@overload
def make_transform(
    model: ImageModel | Wrapper | ModelSpec | str,
    *,
    training: bool,
    seed: int | None = None,
    max_seq_len: int,
    max_pixels: int = MAX_PIXELS,
) -> PatchTransform | PatchTrainingTransform: ...


def make_transform(
    model: ImageModel | Wrapper | ModelSpec | ImageSpec | str,
    *,
    training: bool = False,
    seed: int | None = None,
    max_seq_len: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> EvaluationTransform | TrainingTransform | PatchTransform | PatchTrainingTransform:
    """Make the transform from images to the input of a model.

    Args:
        model: a model, a `ModelSpec`, an `ImageSpec`, or a name (`"resnet50"`,
            `"resnet50.a1_in1k"`).
        training: whether the transform draws random crops and flips.
        seed: seed of the crops and flips of a training transform; by default PyTorch's generator
            draws them.
        max_seq_len: make patches of an image's own aspect ratio, at most so many, for a model that
            takes `Patches`; by default, make images of one size.
        max_pixels: refuse an image with more pixels.

    Returns:
        A transform, which can be pickled, and whose `repr` has all of its settings.

    Raises:
        UnknownNameError: no family publishes the name.
        UsageError: `model` is something else or takes no patches, a number makes no sense, or a
            transform without random crops is given a seed.
    """
    spec = _spec(model)
    image_spec = spec.image if isinstance(spec, ModelSpec) else spec
    if seed is not None and not training:
        raise UsageError("nothing is random in an evaluation transform: seed needs training=True")
    if max_seq_len is None:
        if training:
            return TrainingTransform(image_spec, seed=seed, max_pixels=max_pixels)
        return EvaluationTransform(image_spec, max_pixels)
    size = _patch_size(spec)
    if training:
        return PatchTrainingTransform(
            image_spec, size, max_seq_len, seed=seed, max_pixels=max_pixels
        )
    return PatchTransform(image_spec, size, max_seq_len, max_pixels)


def _spec(model: object) -> ModelSpec | ImageSpec:
    model = unwrapped(model)
    if isinstance(model, str):
        return spec_for(model, {})
    if isinstance(model, ImageModel):
        return model.spec
    if isinstance(model, ModelSpec | ImageSpec):
        return model
    raise UsageError(
        "make_transform takes a model, a ModelSpec, an ImageSpec or a name; "
        f"got {type(model).__name__}"
    )


def _patch_size(spec: ModelSpec | ImageSpec) -> tuple[int, int]:
    if isinstance(spec, ImageSpec):
        raise UsageError(
            "an ImageSpec has no size of patches: give make_transform the model, its spec or its "
            "name, or call PatchTransform(image_spec, patch_size, max_seq_len)"
        )
    patch_size = spec.config.input_patches()
    if patch_size is None:
        raise UsageError(
            f"max_seq_len is for models that take patches; this '{spec.family}' takes images only: "
            "leave it out"
        )
    return patch_size


def _fills(image_spec: ImageSpec, parts: int) -> list[tuple[int, ...]]:
    """The padding colour of each of the Pillow images that together have the channels."""
    mean = image_spec.mean if len(image_spec.mean) > 1 else image_spec.mean * image_spec.channels
    padded = image_spec.crop_mode == "border"
    colour = tuple(min(255, max(0, round(255 * value))) if padded else 0 for value in mean)
    return [colour] if parts == 1 else [(value,) for value in colour]
