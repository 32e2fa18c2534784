"""Whether a program computes what the model does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from typedvision.config.image import ImageSpec
from typedvision.config.names import EngineName
from typedvision.errors import OptimizeError, Problem

ImageKind = Literal["random", "natural", "given"]
"""Independent pixels; pixels with the spectrum of photographs; images of the caller's own."""

_FLOAT32 = torch.finfo(torch.float32).eps ** 0.5
_BOUNDS: dict[torch.dtype, float] = {
    torch.float64: _FLOAT32,
    torch.float32: _FLOAT32,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
    torch.int8: 2.5e-1,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a program is from the float32 model on some images."""

    images: ImageKind
    """Which images."""
    batch_size: int
    """How many."""
    largest: float
    """Largest difference from the model's outputs, as a share of the largest of these."""
    place: tuple[int, ...]
    """Where it is: the index of the image, and that of the output."""
    agreement: float
    """Share of the images whose largest output is the same one."""


class Sample(NamedTuple):
    """Images, and what the float32 model makes of them."""

    kind: ImageKind
    images: Tensor
    outputs: Tensor


def bound(engine: EngineName, dtype: torch.dtype) -> float:
    """The largest difference that is allowed, as a share of the largest output."""
    exact = engine == "eager" and dtype == torch.float32  # other sums in the order of others
    return 1e-4 if exact else _BOUNDS[dtype]


def random_images(count: int, spec: ImageSpec) -> Tensor:
    """Normalised images (N, C, H, W) of independent pixels; their number alone decides them."""
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, spec.channels, *spec.size, generator=generator)


def natural_images(count: int, spec: ImageSpec) -> Tensor:
    """Normalised images (N, C, H, W) with the spectrum of photographs, whose amplitudes fall with
    the frequency (https://doi.org/10.1364/JOSAA.4.002379); their number alone decides them."""
    generator = torch.Generator().manual_seed(count)
    height, width = spec.size
    noise = torch.randn(count, spec.channels, height, width, generator=generator)
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    falls = torch.hypot(rows, columns).clamp_min(1 / max(height, width))
    x = torch.fft.irfft2(torch.fft.rfft2(noise) / falls, s=(height, width))
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (spec.mean, spec.std))
    values: Tensor = (x - low) / (high - low).clamp_min(1e-6)
    return (values - mean) / std


def samples(
    model: Callable[[Tensor], Tensor],
    spec: ImageSpec,
    batch_size: int,
    given: Tensor | None,
    device: torch.device,
) -> list[Sample]:
    """Images of each kind with the model's outputs, in two sizes of batch.

    Args:
        model: the float32 model.
        spec: what the model expects of an image.
        batch_size: the first size of batch.
        given: the caller's own images, (N, C, H, W).
        device: where the model is.
    """
    other = 1 if batch_size > 1 else 2
    kinds: list[tuple[ImageKind, Tensor]] = [
        ("random", random_images(batch_size, spec)),
        ("natural", natural_images(batch_size, spec)),
        ("natural", natural_images(other, spec)),
    ]
    if given is not None:
        kinds.extend(("given", part) for part in torch.split(given, batch_size))
    with torch.inference_mode():
        return [
            Sample(kind, moved, model(moved))
            for kind, images in kinds
            for moved in (images.to(device, torch.float32),)
        ]


def difference(program: Callable[[Tensor], Tensor], sample: Sample) -> Difference:
    """How far a program is from the model on a sample."""
    kind, images, wanted = sample
    got = program(images)
    if got.shape != wanted.shape:
        raise OptimizeError(
            f"the program gives {tuple(got.shape)} where the model gives {tuple(wanted.shape)}"
        )
    scale = wanted.abs().max().clamp_min(torch.finfo(wanted.dtype).tiny)
    apart = ((got - wanted).abs() / scale).nan_to_num(float("inf"), float("inf"))
    place = torch.unravel_index(apart.argmax(), apart.shape)
    agree = got.flatten(1).argmax(1) == wanted.flatten(1).argmax(1)
    return Difference(
        kind,
        len(images),
        apart.max().item(),
        tuple(int(index) for index in place),
        agree.float().mean().item(),
    )


def check(found: Difference, engine: EngineName, limit: float) -> None:
    """Refuse a program that is too far from the model.

    Raises:
        OptimizeError: it is; the problem says where.
    """
    if found.largest <= limit:
        return
    image, *output = found.place
    where = f"output {tuple(output)} of image {image} of {found.batch_size} {found.images} images"
    message = (
        f"differs by {found.largest:.1e} of the largest output; at most {limit:.1e} is allowed"
    )
    raise OptimizeError(
        f"{engine} computes something else than the model: {where} {message}",
        [Problem((found.images, *found.place), "value", message, found.largest)],
    )
