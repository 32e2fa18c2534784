"""`predict`: what a model says of pictures, as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import torch
from PIL import Image
from torch import Tensor

from typedvision.architecture.image_model import ImageModel, check_whole
from typedvision.errors import ImageError, UsageError, WeightsError, shown
from typedvision.preprocess.decode import Picture, name_of
from typedvision.preprocess.transform import make_transform


@dataclass(frozen=True, slots=True)
class ClassScore:
    """A class, and how sure a model is of it."""

    index: int
    """Position of the class in the classifier."""
    name: str | None
    """Its name, where the model's spec has names."""
    probability: float
    """Share of the softmax over all classes, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one picture."""

    picture: Picture
    """The picture, as it was given."""
    classes: tuple[ClassScore, ...]
    """The most probable classes, the first one first; none where there is an error."""
    error: ImageError | WeightsError | None = None
    """Why there are none."""


def predict(
    model: ImageModel,
    pictures: Iterable[Picture],
    *,
    top: int = 5,
    batch_size: int = 32,
    workers: int = 2,
) -> Iterator[Prediction]:
    """The most probable classes of pictures, one after the other in their order.

    Pictures are taken from `pictures` as they are needed, and the next batch is read while the
    model computes. One that cannot be read is a prediction with an error, and the others follow.

    Args:
        model: with weights and a classifier; it is set to evaluation, and stays so.
        pictures: paths, Pillow images, or tensors (C, H, W) of uint8.
        top: how many classes of each picture; all, where there are fewer.
        batch_size: how many pictures the model is given at once.
        workers: threads that read pictures.

    Raises:
        UsageError: the model has no weights or no classifier, a number is below 1, or something
            is no picture.
    """
    if not isinstance(model, ImageModel):
        raise UsageError(
            f"predict takes a model that create_model made; got {type(model).__name__}"
        )
    check_whole(model)
    if not model.num_classes:
        raise UsageError("the model has no classifier: build it with num_classes")
    if next(model.parameters()).is_meta:
        raise UsageError("the model is a skeleton without weights: load them first")
    if isinstance(pictures, str | Tensor | Image.Image):
        raise UsageError("predict takes several pictures: write predict(model, [picture])")
    for name, value in (("top", top), ("batch_size", batch_size), ("workers", workers)):
        if type(value) is not int or value < 1:
            raise UsageError(f"{name} must be an integer of at least 1; got {shown(value)}")
    return _predictions(model.eval(), iter(pictures), top, batch_size, workers)


def _predictions(
    model: ImageModel, pictures: Iterator[Picture], top: int, batch_size: int, workers: int
) -> Iterator[Prediction]:
    transform = make_transform(model)

    def read(picture: Picture) -> Tensor | ImageError:
        try:
            values = transform(picture)
        except ImageError as error:
            return error
        if values.ndim != 3:
            raise UsageError("one of predict's pictures is several: give them one after the other")
        return values

    with ThreadPoolExecutor(workers) as pool:

        def begin() -> list[tuple[Picture, Future[Tensor | ImageError]]]:
            return [(one, pool.submit(read, one)) for one in islice(pictures, batch_size)]

        ahead = begin()
        while ahead:
            batch, ahead = ahead, begin()
            yield from _of_batch(model, [(one, result.result()) for one, result in batch], top)


def _of_batch(
    model: ImageModel, batch: list[tuple[Picture, Tensor | ImageError]], top: int
) -> Iterator[Prediction]:
    inputs = [result for _, result in batch if isinstance(result, Tensor)]
    scores = iter(_scores(model, torch.stack(inputs), top) if inputs else ())
    for picture, result in batch:
        if isinstance(result, ImageError):
            yield Prediction(picture, (), result)
            continue
        classes = next(scores)
        error = f"the model's output for {name_of(picture)} is not finite"
        yield Prediction(picture, classes, None if classes else WeightsError(error))


@torch.inference_mode()
def _scores(model: ImageModel, x: Tensor, top: int) -> list[tuple[ClassScore, ...]]:
    """The best classes of each picture of (N, C, H, W); none where the output is not finite."""
    weight = next(model.parameters())
    probabilities = model(x.to(weight.device, weight.dtype)).float().softmax(-1).cpu()
    values, indices = probabilities.topk(min(top, model.num_classes))
    names = model.spec.class_names
    return [
        tuple(
            ClassScore(index, names[index] if names else None, value)
            for value, index in zip(row, places, strict=True)
        )
        if finite
        else ()
        for row, places, finite in zip(
            values.tolist(), indices.tolist(), values.isfinite().all(-1).tolist(), strict=True
        )
    ]
