"""Write real images by class: scikit-learn's digits, or crops of its two photographs.

python images.py {digits,photographs} FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

CROP = 64  # pixels


def digits() -> Iterator[tuple[str, Image.Image]]:
    """1,797 handwritten digits of 8 x 8 pixels, each with its class."""
    data = load_digits()
    for image, label in zip(data.images, data.target, strict=True):
        yield str(label), Image.fromarray((image * 15.9).astype(np.uint8))


def photographs() -> Iterator[tuple[str, Image.Image]]:
    """Crops of the photograph of a temple and of that of a flower, each with its class."""
    for name, pixels in zip(("temple", "flower"), load_sample_images().images, strict=True):
        image = Image.fromarray(pixels)
        for top in range(0, image.height - CROP, CROP // 2):
            for left in range(0, image.width - CROP, CROP // 2):
                yield name, image.crop((left, top, left + CROP, top + CROP))


def write(kind: str, folder: Path) -> None:
    """Write `train/CLASS/*.png` and `val/CLASS/*.png`: every fifth image is for validation."""
    for number, (name, image) in enumerate({"digits": digits, "photographs": photographs}[kind]()):
        place = folder / ("val" if number % 5 == 4 else "train") / name
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{number:04}.png")


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
