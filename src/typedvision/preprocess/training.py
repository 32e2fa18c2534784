"""The training transform: a random crop, resized to the input size and randomly flipped.

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
from typedvision.preprocess.batch import check_fields, each, normalize, stacked
from typedvision.preprocess.decode import MAX_PIXELS, ImageInput, decode, to_tensor
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
        try:
            least, most = self.scale
            valid = 0 < least <= most <= 1 <= self.ratio < math.inf and 0 <= self.flip <= 1
        except (TypeError, ValueError):  # not numbers, or not two of them
            valid = False
        if not valid:
            raise UsageError(
                "scale is two shares in (0, 1], the smaller first; ratio is at least 1; "
                "flip is in [0, 1]; "
                f"got {shown(self.scale)}, {shown(self.ratio)} and {shown(self.flip)}"
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | None):
            raise UsageError(f"seed must be an integer; got {shown(self.seed)}")
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
        top, left, height, width = self._crop(pixels.shape[1], pixels.shape[2])
        crop = pixels[None, :, top : top + height, left : left + width].contiguous()
        x = F.interpolate(
            crop, self.image_spec.size, mode=self.image_spec.interpolation, antialias=True
        )[0]
        if self._draws.uniform(0, 1) < self.flip:
            x = x.flip(-1)
        return normalize(x.float() / 255, self.image_spec)

    def _crop(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Draw a random crop of an image of this size: its top, left, height and width."""
        shape = self.image_spec.size[1] / self.image_spec.size[0]
        for _ in range(_TRIES):
            area = height * width * self._draws.uniform(*self.scale)
            stretch = math.log(self.ratio)
            aspect = shape * math.exp(self._draws.uniform(-stretch, stretch))
            h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
            if 0 < h <= height and 0 < w <= width:
                return self._draws.whole(height - h + 1), self._draws.whole(width - w + 1), h, w
        # No crop fits into so long and thin an image: the largest central one of the input's shape.
        h = max(1, min(height, round(width / shape)))
        w = max(1, min(width, round(height * shape)))
        return (height - h) // 2, (width - w) // 2, h, w
