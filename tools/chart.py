"""Draw the chart of a model as SVG: a box for each level, whose height grows with the size of its
map and whose width grows with its channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from typedvision.architecture.summary import LevelSummary, ModelSummary

_HEIGHT = 140.0  # of the box of the input; the others follow by the roots of their sides
_CHANNEL = 1.2  # width of a box of one channel; the others follow by the roots of their channels
_SLANT = (0.3, 0.18)  # depth of a box to the right and up, as shares of its height
_SLABS, _GAP = 12, 5.0  # largest number of boxes for equal levels, and the gap between them
_SPACE = 28.0  # between columns
_WORDS, _LETTER = 76.0, 7.6  # least width of a column, and of a letter of its name
_PAD, _MARGIN = 8.0, 108.0  # left of the names of the rows, and the width of that column
_MIDDLE = 126.0  # height of the arrows
_BELOW = 236.0  # top of the words
_BAR = 64.0  # a bar for the whole

_STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.row { text-anchor: start }
.name { font-weight: 600 }
.quiet { fill: #59636e }
.front { fill: #b6d4f5 } .top { fill: #dcebfb } .side { fill: #8bb8e8 }
.front, .top, .side { stroke: #35618f; stroke-linejoin: round }
.track { fill: #d1d9e0 } .parameters { fill: #2f81d6 } .multiply-adds { fill: #d9822b }
.arrow { stroke: #818b98; stroke-width: 1.5; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.quiet { fill: #9198a1 }
.front { fill: #2a5a8c } .top { fill: #3d76b0 } .side { fill: #1d4469 }
.front, .top, .side { stroke: #8bb8e8 }
.track { fill: #3d444d }
}
</style>"""


@dataclass(frozen=True, slots=True)
class _Boxes:
    """The boxes of a level: their number, the size of their fronts, and their depth."""

    count: int
    width: float
    height: float
    right: float
    up: float

    @property
    def whole_width(self) -> float:
        """Width of all the boxes together."""
        return self.count * (self.width + _GAP) - _GAP + self.right


def draw(summary: ModelSummary) -> str:
    """Draw the chart of a model, as the text of an SVG for light and dark pages."""
    spec = summary.spec
    name = spec.variant or spec.family
    image = LevelSummary("input", spec.image.size, spec.config.in_chans, 0, 0)
    elements = [_text(_PAD, 20.0, name, "row name"), *_row_names(summary)]
    x, end = _PAD + _MARGIN, 0.0
    for level in (image, *summary.folded()):
        boxes = _boxes(level, max(spec.image.size))
        column = max(boxes.whole_width, _WORDS, _LETTER * len(level.name))
        start = x + (column - boxes.whole_width) / 2
        if level is not image:
            elements.append(_arrow(end + 3, start - 3))
        elements += _drawn(boxes, start)
        elements += _words(level, summary, x + column / 2)
        x, end = x + column + _SPACE, start + boxes.whole_width
    width, height = round(x), round(_BELOW + 116)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">\n<title>{name}, level by level</title>'
    )
    return "\n".join([head, _STYLE, *elements, "</svg>\n"])


def short(number: int) -> str:
    """Write a number with three digits and a suffix: `25.6 M`."""
    if number < 1_000:
        return str(number)
    digits, power = f"{number:.2e}".split("e")
    thousands, rest = divmod(int(power), 3)
    return f"{float(digits) * 10**rest:.{2 - rest}f} {' kMGT'[thousands]}"


def _boxes(level: LevelSummary, pixels: int) -> _Boxes:
    width = max(3.0, _CHANNEL * math.sqrt(level.channels))
    if level.size is None:  # a vector
        return _Boxes(1, 5.0, 2 * width, 0.0, 0.0)
    height = _HEIGHT * math.sqrt(max(level.size) / pixels)
    width = width / 3 if level.repeats > 1 else width
    return _Boxes(min(level.repeats, _SLABS), width, height, _SLANT[0] * height, _SLANT[1] * height)


def _drawn(boxes: _Boxes, x: float) -> Iterator[str]:
    """Draw the boxes from the last to the first, so that each covers part of the next."""
    top = _MIDDLE - (boxes.height - boxes.up) / 2
    bottom = top + boxes.height
    high, low = top - boxes.up, bottom - boxes.up
    for number in reversed(range(boxes.count)):
        a = x + number * (boxes.width + _GAP)
        b = a + boxes.width
        c, d = a + boxes.right, b + boxes.right
        if boxes.right:
            yield _polygon("top", (a, top), (c, high), (d, high), (b, top))
            yield _polygon("side", (b, top), (d, high), (d, low), (b, bottom))
        yield _polygon("front", (a, top), (b, top), (b, bottom), (a, bottom))


def _polygon(kind: str, *points: tuple[float, float]) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon class="{kind}" points="{corners}"/>'


def _arrow(start: float, end: float) -> str:
    return f'<path class="arrow" d="M{start:.1f} {_MIDDLE:.1f}H{end:.1f}m-5 -4l5 4l-5 4"/>'


def _row_names(summary: ModelSummary) -> Iterator[str]:
    for row, (name, total) in enumerate(_costs(summary)):
        y = _BELOW + 56 + 36 * row
        yield _text(_PAD, y, name, "row")
        yield _text(_PAD, y + 15, short(total), "row quiet")


def _words(level: LevelSummary, summary: ModelSummary, x: float) -> Iterator[str]:
    shape = f"{level.channels}"
    if level.size is not None:
        shape = " &#215; ".join(map(str, (*level.size, level.channels)))
    yield _text(x, _BELOW, level.name, "name")
    yield _text(x, _BELOW + 17, shape, "quiet")
    if level.name == "input":
        return
    for row, ((kind, total), (_, count)) in enumerate(
        zip(_costs(summary), _costs(level), strict=True)
    ):
        y = _BELOW + 56 + 36 * row
        yield _text(x, y, short(count), "")
        yield _bar("track", x, y + 7, 1.0)
        yield _bar(kind, x, y + 7, count / total)


def _costs(of: LevelSummary | ModelSummary) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("parameters", of.parameters), ("multiply-adds", of.multiply_adds)


def _bar(kind: str, x: float, y: float, share: float) -> str:
    left, width = x - _BAR / 2, max(share * _BAR, 1.0 if share else 0.0)
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="5" rx="1"/>'
    )


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{words}</text>'
