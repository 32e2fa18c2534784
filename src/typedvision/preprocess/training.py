"""The training transforms: a random crop, resized and randomly flipped, as an image of the input
size or as patches.

Source: "Going Deeper with Convolutions", https://arxiv.org/abs/1409.4842, section 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import get_worker_info

from typedvision.config.image import ImageSpec
from typedvision.errors import UsageError, shown
from typedvision.layers.patches import Patches
from typedvision.preprocess.batch import check_fields, each, normalize, stacked
from typedvision.preprocess.decode import MAX_PIXELS, ImageInput, decode, to_tensor
from typedvision.preprocess.patches import check_patches, size_in_patches
from typedvision.preprocess.resize import resized

_TRIES = 10


class _Draws:
    """Random numbers from a seed, or from PyTorch's global generator.

    In a worker of a `DataLoader` the seed of the worker is added, which differs in each worker and
    in each epoch; a copied generator would repeat itself.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._worker_seed: int | None = None
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __reduce__(self) -> tuple[type[_Draws], tuple[int | None]]:
        return _Draws, (self._seed,)

    def uniform(self, low: float, high: float) -> float:
        """Draw a number in [low, high)."""
        worker = get_worker_info()
        if worker is not None and self._seed is not None and worker.seed != self._worker_seed:
            self._worker_seed = worker.seed
            self._generator = torch.Generator().manual_seed((self._seed + worker.seed) % 2**63)
        return low + (high - low) * torch.rand((), generator=self._generator).item()

    def whole(self, end: int) -> int:
        """Draw an integer in [0, end)."""
        return int(self.uniform(0, end))

    def crop(
        self, pixels: Tensor, shape: float, scale: tuple[float, float], ratio: float
    ) -> Tensor:
        """Draw a part of an image (C, H, W): of a share of its area in `scale`, its width over its
        height within `ratio` of `shape`."""
        height, width = pixels.shape[1:]
        top, left, h, w = self._box(height, width, shape, scale, ratio)
        return pixels[:, top : top + h, left : left + w]

    def _box(
        self, height: int, width: int, shape: float, scale: tuple[float, float], ratio: float
    ) -> tuple[int, int, int, int]:
        """Top, left, height and width of a part."""
        for _ in range(_TRIES):
            area = height * width * self.uniform(*scale)
            stretch = math.log(ratio)
            aspect = shape * math.exp(self.uniform(-stretch, stretch))
            h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
            if 0 < h <= height and 0 < w <= width:
                return self.whole(height - h + 1), self.whole(width - w + 1), h, w
        # No part fits into so long and thin an image: the largest central one of that shape.
        h = max(1, min(height, round(width / shape)))
        w = max(1, min(width, round(height * shape)))
        return (height - h) // 2, (width - w) // 2, h, w

    def flipped(self, image: Tensor, probability: float) -> Tensor:
        """An image (C, H, W), flipped left to right with that probability."""
        return image.flip(-1) if self.uniform(0, 1) < probability else image


@dataclass(frozen=True, slots=True)
class TrainingTransform:
    """Transform images into the input of a model that is trained: random crop, flip, normalisation.

    Images are read as `EvaluationTransform` reads them. A crop is resampled by PyTorch,
    antialiased.
    """

    image_spec: ImageSpec
    """What the model expects; `crop_pct` and `crop_mode` are not used."""
    scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest area of the crop, as a share of the area of the image."""
    ratio: float = 4 / 3
    """Largest factor by which the aspect ratio of the crop differs from that of the input."""
    flip: float = 0.5
    """Probability that the crop is flipped, left to right."""
    seed: int | None = None
    """Seed of the random crops and flips; by default PyTorch's generator draws them. In the workers
    of a `DataLoader` they also depend on its `generator`."""
    max_pixels: int = MAX_PIXELS
    """Refuse an image with more pixels, or one so long and thin that evaluation would refuse it."""
    _draws: _Draws = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self.image_spec, self.max_pixels)
        _check_ranges(self.scale, self.ratio, self.flip, self.seed)
        object.__setattr__(self, "_draws", _Draws(self.seed))

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
        pixels = to_tensor(decode(image, self.image_spec.channels, self.max_pixels, becomes))
        height, width = size = self.image_spec.size
        crop = self._draws.crop(pixels, width / height, self.scale, self.ratio)
        return self._draws.flipped(_resampled(crop, size, self.image_spec), self.flip)


@dataclass(frozen=True, slots=True)
class PatchTrainingTransform:
    """Transform images into patches of their own aspect ratio to train on: random crop, flip,
    normalisation.

    A crop is resampled as `TrainingTransform` does, up or down, to whole patches: as many as
    `max_seq_len` allows.
    """

    image_spec: ImageSpec
    """What the model expects; `size`, `crop_pct` and `crop_mode` are not used."""
    patch_size: tuple[int, int]
    """Height and width of a patch in pixels."""
    max_seq_len: int
    """Largest number of patches of a crop."""
    scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest area of the crop, as a share of the area of the image."""
    ratio: float = 4 / 3
    """Largest factor by which the aspect ratio of the crop differs from that of the image."""
    flip: float = 0.5
    """Probability that the crop is flipped, left to right."""
    seed: int | None = None
    """Seed of the random crops and flips; by default PyTorch's generator draws them. In the workers
    of a `DataLoader` they also depend on its `generator`."""
    max_pixels: int = MAX_PIXELS
    """Refuse an image with more pixels."""
    _draws: _Draws = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self.image_spec, self.max_pixels)
        check_patches(self.patch_size, self.max_seq_len, self.max_pixels)
        _check_ranges(self.scale, self.ratio, self.flip, self.seed)
        object.__setattr__(self, "_draws", _Draws(self.seed))

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
        pixels = to_tensor(decode(image, self.image_spec.channels, self.max_pixels, becomes))
        height, width = pixels.shape[1:]
        crop = self._draws.crop(pixels, width / height, self.scale, self.ratio)
        size = becomes(crop.shape[1], crop.shape[2])
        x = self._draws.flipped(_resampled(crop, size, self.image_spec), self.flip)
        return Patches.of([x], self.patch_size)


def _resampled(crop: Tensor, size: tuple[int, int], image_spec: ImageSpec) -> Tensor:
    """A part (C, h, w) of an image, of uint8, resampled to a size and normalised."""
    x = F.interpolate(crop[None].contiguous(), size, mode=image_spec.interpolation, antialias=True)
    return normalize(x[0].float() / 255, image_spec)


def _check_ranges(scale: tuple[float, float], ratio: float, flip: float, seed: int | None) -> None:
    """Check what says how crops and flips are drawn.

    Raises:
        UsageError: a field has a wrong type or value; the message names it.
    """
    try:
        least, most = scale
        valid = 0 < least <= most <= 1 <= ratio < math.inf and 0 <= flip <= 1
    except (TypeError, ValueError):  # not numbers, or not two of them
        valid = False
    if not valid:
        raise UsageError(
            "scale is two shares in (0, 1], the smaller first; ratio is at least 1; "
            f"flip is in [0, 1]; got {shown(scale)}, {shown(ratio)} and {shown(flip)}"
        )
    if isinstance(seed, bool) or not isinstance(seed, int | None):
        raise UsageError(f"seed must be an integer; got {shown(seed)}")
