"""What a model expects of an image."""

from __future__ import annotations

import pytest

from typedvision.config.image import ImageSpec
from typedvision.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"size": 224}, ("size",)),
        ({"size": (0, 224)}, ("size", 0)),
        ({"size": (224, 10**9)}, ("size", 1)),
        ({"mean": ()}, ("mean",)),
        ({"mean": (0.5,) * 1_025}, ("mean",)),
        ({"mean": (float("nan"),)}, ("mean", 0)),
        ({"std": (0.0,)}, ("std", 0)),
        ({"std": (-1.0,)}, ("std", 0)),
        ({"crop_pct": 0.0}, ("crop_pct",)),
        ({"crop_pct": 2.01}, ("crop_pct",)),
        ({"interpolation": "cubic"}, ("interpolation",)),
        ({"crop_mode": "centre"}, ("crop_mode",)),
        ({"path": "x"}, ("path",)),
        ({"channels": 0}, ("channels",)),
        ({"mean": (0.5, 0.5)}, ("mean",)),
        ({"channels": 5, "std": (0.5,)}, ("channels",)),
        ({"channels": 5, "mean": (0.5,)}, ("channels",)),
    ],
)
def test_it_is_bounded(options: dict[str, object], path: tuple[str | int, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        ImageSpec.from_options(options)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_channels_are_as_many_as_there_are_values() -> None:
    assert ImageSpec().channels == 3
    assert ImageSpec(mean=(0.5,)).channels == 3
    assert ImageSpec(mean=(0.5,), std=(0.5,)).channels == 1
    assert ImageSpec(mean=[0.5] * 5, std=(0.5,)).channels == 5
    assert ImageSpec(mean=(0.5,), std=(0.5,), channels=4).channels == 4


def test_other_channels_have_the_average_of_these() -> None:
    spec = ImageSpec(mean=(0.1, 0.2, 0.6), std=(0.2, 0.2, 0.5))
    assert spec.for_channels(3) is spec
    one = spec.for_channels(1)
    assert one.channels == 1
    assert one.mean == pytest.approx((0.3,))
    assert one.std == pytest.approx((0.3,))
    assert one.for_channels(5) == one.replace(channels=5)
    assert spec.for_channels(5) == one.for_channels(5)
