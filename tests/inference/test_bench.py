"""Times of engines, and charts of them."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from PIL import Image

import typedvision as tv
from typedvision.inference.bench import BenchFailure, BenchRow, bench, percentile, ratios
from typedvision.inference.chart import png, svg


def row(engine: str, median: float, model: str = "a<b") -> BenchRow:
    return BenchRow(model, 2, engine, engine, median, median, 2 / median, None, 0.0, None)


def test_processes_are_interleaved_and_a_failure_is_a_row() -> None:
    plain, failed = bench(["test_resnet"], ["plain", "tensorrt"], img_size=32, threads=1, rounds=2)
    assert isinstance(plain, BenchRow)
    assert 0 < plain.median <= plain.p95
    assert plain.images_per_second == 1 / plain.median
    assert plain.memory is None or plain.memory > 10
    assert isinstance(failed, BenchFailure)
    assert "engine must be" in failed.error


def test_what_cannot_be_measured() -> None:
    with pytest.raises(tv.UnknownNameError):
        list(bench(["no_such_model"], ["plain"]))
    with pytest.raises(tv.OptimizeError, match="cannot be run"):
        list(bench(["test_resnet"], ["plain"], timm="/nowhere/python"))


def test_percentiles_and_ratios() -> None:
    assert percentile(range(1, 101), 95) == 95
    assert percentile([3.0], 95) == 3.0
    rows = [row("plain", 4.0), row("eager", 2.0), row("plain", 9.0, "c"), row("eager", 1.0, "c")]
    assert ratios(rows, "plain") == pytest.approx({"plain": 1.0, "eager": 18**0.5})
    assert ratios(rows, "timm") == {}


def test_charts_are_drawn() -> None:
    rows = [row("plain", 4.0), row("eager", 2.0)]
    document = ElementTree.fromstring(svg(rows))
    texts = [element.text for element in document.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a<b, batch 2: images per second", "plain", "0.5", "eager", "1.0"]
    image = Image.open(io.BytesIO(png(rows)))
    assert image.format == "PNG"
    assert len(image.getcolors(10_000) or ()) > 2
