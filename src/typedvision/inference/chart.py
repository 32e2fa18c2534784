"""A chart of engines beside each other: bars of images per second, as SVG or PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from typedvision.inference.bench import BenchRow

_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d")
_BAR, _GAP, _TITLE, _MARGIN = 18, 14, 22, 16
_LABEL, _WIDTH, _NUMBER = 110, 520, 110
_SIZE = 12  # of the letters


class _Bar(NamedTuple):
    top: int
    length: int
    colour: str


class _Text(NamedTuple):
    left: int
    top: int
    text: str


def svg(rows: Sequence[BenchRow]) -> str:
    """The chart as a document of SVG.

    Args:
        rows: at least one; the bars of a model and batch stand together.
    """
    bars, texts, width, height = _layout(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="{_SIZE}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *(
            f'<rect x="{_MARGIN + _LABEL}" y="{bar.top}" width="{bar.length}" '
            f'height="{_BAR - 4}" fill="{bar.colour}"/>'
            for bar in bars
        ),
        *(
            f'<text x="{text.left}" y="{text.top + _SIZE}">{escape(text.text)}</text>'
            for text in texts
        ),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def png(rows: Sequence[BenchRow]) -> bytes:
    """The chart as a PNG file.

    Args:
        rows: at least one; the bars of a model and batch stand together.
    """
    bars, texts, width, height = _layout(rows)
    image = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(_SIZE)
    for bar in bars:
        left = _MARGIN + _LABEL
        draw.rectangle((left, bar.top, left + bar.length, bar.top + _BAR - 4), bar.colour)
    for text in texts:
        draw.text((text.left, text.top), text.text, "black", font)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _layout(rows: Sequence[BenchRow]) -> tuple[list[_Bar], list[_Text], int, int]:
    engines = list(dict.fromkeys(row.engine for row in rows))
    bars: list[_Bar] = []
    texts: list[_Text] = []
    top = _MARGIN
    for model, batch_size in dict.fromkeys((row.model, row.batch_size) for row in rows):
        group = [row for row in rows if (row.model, row.batch_size) == (model, batch_size)]
        most = max(row.images_per_second for row in group)
        texts.append(_Text(_MARGIN, top, f"{model}, batch {batch_size}: images per second"))
        top += _TITLE
        for row in group:
            length = max(1, round(_WIDTH * row.images_per_second / most))
            colour = _COLOURS[engines.index(row.engine) % len(_COLOURS)]
            bars.append(_Bar(top, length, colour))
            texts.append(_Text(_MARGIN, top, row.engine))
            number = f"{row.images_per_second:,.1f}"
            texts.append(_Text(_MARGIN + _LABEL + length + 6, top, number))
            top += _BAR
        top += _GAP
    return bars, texts, 2 * _MARGIN + _LABEL + _WIDTH + _NUMBER, top + _MARGIN - _GAP
