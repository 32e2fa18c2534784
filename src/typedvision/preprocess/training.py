"""The training transform: a random part of the picture at the model's size, perhaps mirrored.

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
from typedvision.preprocess.decode import MAX_PIXELS, Picture, decode, to_tensor
from typedvision.preprocess.resize import resized
from typedvision.preprocess.transform import check_fields, each, normalize

_TRIES = 10


class _Draws:
    """Random numbers, of a seed or of PyTorch's own generator.

    In a worker of a `DataLoader` the worker's seed is added: it is another one in each worker and
    in each epoch, where a copied generator would repeat itself.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._worker_seed: int | None = None
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __reduce__(self) -> tuple[type[_Draws], tuple[int | None]]:
        return _Draws, (self._seed,)

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        worker = get_worker_info()
        if worker is not None and self._seed is not None and worker.seed != self._worker_seed:
            self._worker_seed = worker.seed
            self._generator = torch.Generator().manual_seed((self._seed + worker.seed) % 2**63)
        return low + (high - low) * torch.rand((), generator=self._generator).item()

    def whole(self, end: int) -> int:
        """A whole number in [0, end)."""
        return int(self.uniform(0, end))


@dataclass(frozen=True, slots=True)
class TrainingTransform:
    """Pictures as a model expects them when it is trained: a random part, resized, normalised.

    Pictures are read as `EvaluationTransform` reads them; resampling is PyTorch's, antialiased.
    """

    image: ImageSpec
    """What the model expects; its crop is not used."""
    scale: tuple[float, float] = (0.08, 1.0)
    """Share of the picture that the part has, at least and at most."""
    ratio: float = 4 / 3
    """How much longer or shorter than the model's the sides of the part may be."""
    flip: float = 0.5
    """Probability that the part is mirrored, left to right."""
    seed: int | None = None
    """The same seed draws the same parts; by default PyTorch's generator draws them. In workers of
    a `DataLoader`, its `generator` decides too."""
    max_pixels: int = MAX_PIXELS
    """Refuse a larger picture, and one so long and thin that evaluation would refuse it."""
    _draws: _Draws = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self.image, self.max_pixels)
        try:
            least, most = self.scale
            valid = 0 < least <= most <= 1 <= self.ratio < math.inf and 0 <= self.flip <= 1
        except (TypeError, ValueError):  # no numbers, or not two
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
        pixels = to_tensor(decode(picture, self.image.channels, self.max_pixels, becomes))
        top, left, height, width = self._part(pixels.shape[1], pixels.shape[2])
        part = pixels[None, :, top : top + height, left : left + width].contiguous()
        x = F.interpolate(part, self.image.size, mode=self.image.interpolation, antialias=True)[0]
        if self._draws.uniform(0, 1) < self.flip:
            x = x.flip(-1)
        return normalize(x.float() / 255, self.image)

    def _part(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random part of a picture of that height and width."""
        shape = self.image.size[1] / self.image.size[0]
        for _ in range(_TRIES):
            area = height * width * self._draws.uniform(*self.scale)
            stretch = math.log(self.ratio)
            aspect = shape * math.exp(self._draws.uniform(-stretch, stretch))
            h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
            if 0 < h <= height and 0 < w <= width:
                return self._draws.whole(height - h + 1), self._draws.whole(width - w + 1), h, w
        # Too long and thin for that: as much of the middle as has the model's shape.
        h = max(1, min(height, round(width / shape)))
        w = max(1, min(width, round(height * shape)))
        return (height - h) // 2, (width - w) // 2, h, w
