"""Adapted tensors are the peer's: `adaptations.json` holds what timm 1.0.31 makes of `wave`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from typedvision.layers.patch_embed import resample_patch_kernel
from typedvision.weights.adapt import adapt, convert_input_channels
from typedvision.weights.plan import Adaptation

EXPECTED: dict[str, list[float]] = json.loads(
    Path(__file__).with_name("adaptations.json").read_text("utf-8")
)


def wave(*shape: int) -> Tensor:
    """A tensor of no symmetry that anyone can make."""
    steps = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(steps * 0.7 + 0.3).float().reshape(shape)


def sizes(text: str) -> tuple[int, int]:
    height, width = map(int, text.split("x"))
    return height, width


def result_of(case: str) -> Tensor:
    match case.split():
        case ["input_channels", count]:
            return convert_input_channels(wave(2, 3, 2, 2), int(count))
        case ["patch_kernel", old, new, "bicubic" | "bilinear" as mode]:
            shape = torch.Size([2, 1, *sizes(new)])
            how = Adaptation(("patch_kernel",), "", resampling=mode)
            return adapt(wave(2, 1, *sizes(old)), how, shape)
        case ["position_table", prefix, side, new, "bicubic" | "bilinear" as mode]:
            grids = (int(side), int(side)), sizes(new)
            height, width = sizes(new)
            shape = torch.Size([1, int(prefix) + height * width, 3])
            table = wave(1, int(prefix) + int(side) ** 2, 3)
            how = Adaptation(("position_table",), "", grids, mode)
            return adapt(table, how, shape)
        case ["relative_table", side, new, *extra]:
            grids = (int(side), int(side)), sizes(new)
            more = int(extra[0]) if extra else 0
            table = wave((2 * int(side) - 1) ** 2 + more, 2)
            shape = torch.Size([math.prod(2 * length - 1 for length in grids[1]) + more, 2])
            return adapt(table, Adaptation(("relative_table",), "", grids), shape)
    raise AssertionError(case)


@pytest.mark.parametrize("case", EXPECTED)
def test_as_timm(case: str) -> None:
    expected = torch.tensor(EXPECTED[case])
    torch.testing.assert_close(result_of(case).flatten(), expected, rtol=1e-5, atol=3e-6)


def test_half_precision_is_adapted_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = wave(4, 3, 4, 4).bfloat16()
    for made, exact in (
        (convert_input_channels(weight, 1), convert_input_channels(weight.float(), 1)),
        (resample_patch_kernel(weight, (6, 6)), resample_patch_kernel(weight.float(), (6, 6))),
    ):
        assert made.dtype == torch.bfloat16
        assert torch.equal(made, exact.bfloat16())


def test_grey_answers_as_colour_did() -> None:
    weight, grey = wave(4, 3, 3, 3), wave(1, 1, 8, 8)
    colour = torch.conv2d(grey.expand(1, 3, 8, 8), weight)
    torch.testing.assert_close(torch.conv2d(grey, convert_input_channels(weight, 1)), colour)


def test_stacked_pixels_are_converted_one_by_one() -> None:
    weight = wave(2, 4 * 3, 2, 2)
    grey = convert_input_channels(weight, 4, stacked_pixels=4)
    torch.testing.assert_close(grey, weight.reshape(2, 4, 3, 2, 2).sum(2))
