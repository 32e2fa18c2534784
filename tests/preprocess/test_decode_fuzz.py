"""Whatever the bytes of an image are, reading them gives an image or an `ImageError`, soon.

`FUZZ_CASES` says how many of each format (`make fuzz`: 10,000).
"""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pytest
from PIL import Image

import typedvision as tv
from tests.figures import Figures
from tests.preprocess.images import sample_image

CASES = int(os.environ.get("FUZZ_CASES", "60"))
KIND = "images"
SECONDS = 5.0  # for one case, on a busy machine
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The file with some bytes changed, a piece doubled, or an end missing."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[place] = chance.choice((0, 1, 127, 128, 255))
            case 1:
                changed[place : place + 4] = chance.choice(
                    (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff")
                )
            case 2:
                changed[place:place] = changed[place : place + chance.randrange(64)]
            case _:
                del changed[max(place, 1) :]
    return bytes(changed)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_bytes_are_an_image_or_refused(kind: str, tmp_path: Path, figures: Figures) -> None:
    file, path, chance = io.BytesIO(), tmp_path / "image", random.Random(kind)
    sample_image(33, 21).save(file, kind)
    transform = tv.make_transform(tv.create_model("test_resnet", device="meta"))
    messages = list[str]()
    for _ in range(CASES):
        path.write_bytes(mutated(file.getvalue(), chance))
        with figures.case(kind):
            try:
                assert transform(path).isfinite().all()
                figures.accepted += 1
            except tv.ImageError as error:
                messages.append(str(error))
                figures.refused += 1
        assert figures.seconds < SECONDS
    assert figures.accepted
    assert messages
    assert all(str(path) in message for message in messages)
    with Image.open(file) as image:  # the file itself is one
        assert image.size == (33, 21)
