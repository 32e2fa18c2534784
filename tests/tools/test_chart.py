from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

import typedvision as tv
from tools.chart import draw, short
from tools.family_page import typical_variant


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.00 k"),
        (9_536, "9.54 k"),
        (25_557_032, "25.6 M"),
        (999_600, "1.00 M"),
        (118_013_952, "118 M"),
        (4_089_184_256, "4.09 G"),
    ],
)
def test_three_digits(number: int, words: str) -> None:
    assert short(number) == words


def boxes(chart: str) -> list[tuple[float, float]]:
    """Width and height of the front of each box."""
    fronts = re.findall(r'class="front" points="([^"]+)"', chart)
    corners = [[tuple(map(float, point.split(","))) for point in f.split()] for f in fronts]
    return [(c[2][0] - c[0][0], c[2][1] - c[0][1]) for c in corners]


def test_boxes_are_as_high_as_the_maps_and_as_wide_as_the_channels() -> None:
    chart = draw(tv.summarize("resnet50"))
    ElementTree.fromstring(chart)  # is well-formed
    given, *levels, _head = boxes(chart)
    for (width, height), level in zip(levels, tv.summarize("resnet50").levels, strict=False):
        assert level.size is not None
        assert (height / given[1]) ** 2 == pytest.approx(level.size[0] / 224, rel=0.02)
        assert (width / levels[0][0]) ** 2 == pytest.approx(level.channels / 64, rel=0.02)


def test_words_and_bars_say_what_the_levels_cost() -> None:
    chart = draw(tv.summarize("resnet50"))
    words = [element.text for element in ElementTree.fromstring(chart).iter() if element.text]
    for wanted in ("resnet50", "layer4", "7 \u00d7 7 \u00d7 2048", "15.0 M", "809 M", "4.09 G"):
        assert wanted in words
    bars = re.findall(r'class="parameters" .*width="([\d.]+)"', chart)
    assert sum(map(float, bars)) == pytest.approx(64, abs=4)


def test_equal_blocks_are_drawn_one_by_one() -> None:
    assert len(boxes(draw(tv.summarize("test_vit")))) == 1 + 1 + 6 + 1
    deep = boxes(draw(tv.summarize("vit_large_patch16_224")))
    assert len(deep) == 1 + 1 + 12 + 1


def test_the_typical_variant_is_plain_and_published_many_times() -> None:
    assert typical_variant(tv.family("resnet")) == "resnet50"
    assert typical_variant(tv.family("vit")) == "vit_base_patch16_224"
