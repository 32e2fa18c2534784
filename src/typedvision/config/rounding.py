"""Numbers of channels that hardware likes."""

from __future__ import annotations


def round_channels(channels: float, divisor: int = 8, round_limit: float = 0.9) -> int:
    """The nearest multiple of `divisor` that is not less than `round_limit` of `channels`."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < round_limit * channels else rounded
