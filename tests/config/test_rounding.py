"""Rounding numbers of channels."""

from __future__ import annotations

from typedvision.config.rounding import round_channels


def test_rounding_never_takes_more_than_a_tenth() -> None:
    assert [round_channels(channels) for channels in (1, 12, 19.2, 28.8, 44)] == [8, 16, 24, 32, 48]
    assert round_channels(19.2, round_limit=0.0) == 16
