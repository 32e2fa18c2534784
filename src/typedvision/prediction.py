"""`predict`: classify images while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeVar

import torch
from PIL import Image
from torch import Tensor

from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.wrapped import Wrapper, unwrapped, whole_model
from typedvision.config.names import EngineName
from typedvision.errors import ImageError, UsageError, WeightsError, shown
from typedvision.inference.model import InferenceModel
from typedvision.inference.optimize import optimize
from typedvision.layers.patches import Patches
from typedvision.preprocess.batch import is_several
from typedvision.preprocess.decode import ImageInput, name_of
from typedvision.preprocess.transform import make_transform
from typedvision.registry.spec import ModelSpec

Input = TypeVar("Input", Tensor, Patches)
"""What a transform makes of one image."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """A class and its probability."""

    index: int
    """Index of the class among the outputs of the classifier."""
    name: str | None
    """Name of the class; None where the model's spec has no names of classes."""
    probability: float
    """Probability of the class by the softmax over all classes, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most probable classes of one image, or the error that it met."""

    image: ImageInput
    """The image, as it was given."""
    classes: tuple[ClassScore, ...]
    """The most probable classes in descending order; empty where there is an error."""
    error: ImageError | WeightsError | None = None
    """Why there are no classes; None where there are."""


def predict(
    model: ImageModel | Wrapper | InferenceModel,
    images: Iterable[ImageInput],
    *,
    top: int = 5,
    batch_size: int = 32,
    workers: int = 2,
    engine: EngineName | Literal["auto"] | None = None,
    max_seq_len: int | None = None,
) -> Iterator[Prediction]:
    """Classify images: one prediction after the other, in the order of the images.

    Images are taken from `images` as they are needed, and the next batch is read while the model
    computes. An image that cannot be read gives a prediction with an error, and the others follow.

    Args:
        model: a model with weights and a classifier, which is set to evaluation mode, and stays so;
            or what `optimize` made of one.
        images: paths, Pillow images, or tensors (C, H, W) of uint8.
        top: number of classes of each image; all classes where the model has fewer.
        batch_size: number of images in a batch of the model.
        workers: number of threads that read images.
        engine: optimise the model for this engine and batch size first, as `optimize` does; by
            default PyTorch runs it as it is.
        max_seq_len: classify patches of each image's own aspect ratio, at most so many, by a model
            that takes `Patches`; by default, images are brought to one size.

    Raises:
        OptimizeError: the engine cannot run the model.
        UsageError: the model has no weights or no classifier, gives classes for each position and
            not for the image, a number is below 1, an argument is not an image, or `max_seq_len`
            is given for a model that takes images only, or on an engine.
    """
    run = model if isinstance(model, InferenceModel) else whole_model(unwrapped(model), "predict")
    if not run.spec.config.num_classes:
        raise UsageError("the model has no classifier: build it with num_classes")
    if getattr(run.spec.config, "global_pool", None) == "":
        raise UsageError(
            "the model gives classes for each position and not for the image: build it with "
            "another 'global_pool' than ''"
        )
    if isinstance(run, ImageModel) and next(run.parameters()).is_meta:
        raise UsageError("the model is on the meta device, without weights: load them first")
    if isinstance(images, str | Tensor | Image.Image):
        raise UsageError("predict takes several images: write predict(model, [image])")
    for name, value in (("top", top), ("batch_size", batch_size), ("workers", workers)):
        if type(value) is not int or value < 1:
            raise UsageError(f"{name} must be an integer of at least 1; got {shown(value)}")
    rest = (run.spec, iter(images), top, batch_size, workers)
    if max_seq_len is not None:
        if isinstance(run, InferenceModel) or engine is not None:
            raise UsageError("an engine takes images of one size: max_seq_len goes without it")
        patches, eager = make_transform(run.spec, max_seq_len=max_seq_len), _eager(run.eval())
        return _predictions(patches, lambda parts: eager(Patches.join(parts)), *rest)
    if engine is not None:
        if isinstance(run, InferenceModel):
            raise UsageError(f"{run.engine} runs this model already: engine needs the model itself")
        run = optimize(run, engine, batch_size=batch_size)
    runs = run if isinstance(run, InferenceModel) else _eager(run.eval())
    return _predictions(make_transform(run.spec), lambda parts: runs(torch.stack(parts)), *rest)


def _eager(model: ImageModel) -> Callable[[Tensor | Patches], Tensor]:
    weight = next(model.parameters())
    return lambda x: model(x.to(weight.device, weight.dtype))


def _predictions(
    transform: Callable[[ImageInput], Input],
    run: Callable[[list[Input]], Tensor],
    spec: ModelSpec,
    images: Iterator[ImageInput],
    top: int,
    batch_size: int,
    workers: int,
) -> Iterator[Prediction]:
    def read(image: ImageInput) -> Input | ImageError:
        if is_several(image):
            raise UsageError(
                "predict takes single images, one after the other; got a batch as one of them"
            )
        try:
            return transform(image)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:

        def submit() -> list[tuple[ImageInput, Future[Input | ImageError]]]:
            return [(one, pool.submit(read, one)) for one in islice(images, batch_size)]

        ahead = submit()
        while ahead:
            batch, ahead = ahead, submit()
            read_batch = [(one, result.result()) for one, result in batch]
            yield from _of_batch(run, spec, read_batch, top)


def _of_batch(
    run: Callable[[list[Input]], Tensor],
    spec: ModelSpec,
    batch: list[tuple[ImageInput, Input | ImageError]],
    top: int,
) -> Iterator[Prediction]:
    inputs = [result for _, result in batch if not isinstance(result, ImageError)]
    scores = iter(_scores(run, inputs, spec, top) if inputs else ())
    for image, result in batch:
        if isinstance(result, ImageError):
            yield Prediction(image, (), result)
            continue
        classes = next(scores)
        error = f"the model's output for {name_of(image)} is not finite"
        yield Prediction(image, classes, None if classes else WeightsError(error))


@torch.inference_mode()
def _scores(
    run: Callable[[list[Input]], Tensor], inputs: list[Input], spec: ModelSpec, top: int
) -> list[tuple[ClassScore, ...]]:
    """The most probable classes of each input; none where the output is not finite."""
    probabilities = run(inputs).float().softmax(-1).cpu()
    values, indices = probabilities.topk(min(top, probabilities.shape[-1]))
    names = spec.class_names
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
