"""What is particular to CSATv2."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.csatv2.config import CSATv2Config
from typedvision.families.csatv2.model import brightness_and_colours, cosines, zigzag

TINY = CSATv2Config(dims=(8, 12), depths=(1, 2), transformer_depths=(0, 1), num_classes=3)

CONFLICTS: list[tuple[dict[str, object], str]] = [
    ({"dims": (12, 16)}, "a multiple of 8"),
    ({"dims": (8, 12, 16)}, "depths"),
    ({"transformer_depths": (2, 1)}, "depths"),
    ({"in_chans": 1}, "red, green and blue"),
]


@pytest.mark.parametrize(("options", "words"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], words: str) -> None:
    assert words in conflict(TINY, options)


def test_images_are_whole_blocks() -> None:
    model = tv.create_model(TINY, seed=0)
    with pytest.raises(tv.UsageError, match="multiples of 8 x 8 pixels"):
        model(torch.zeros(1, 3, 60, 64))


def test_frequencies_keep_the_energy_and_stand_in_zigzag() -> None:
    waves = cosines(8)
    assert torch.allclose(waves @ waves.T, torch.eye(8, dtype=torch.float64), atol=1e-12)
    assert zigzag(3) == [0, 1, 3, 6, 4, 2, 5, 7, 8]


def test_grey_has_brightness_and_no_colour() -> None:
    grey = (0.5 - torch.tensor((0.485, 0.456, 0.406))) / torch.tensor((0.229, 0.224, 0.225))
    seen = brightness_and_colours(grey.reshape(1, 3, 1, 1)).flatten()
    assert torch.allclose(seen, torch.tensor((127.5, 128.0, 128.0)))
