"""Attention over channels inside of a mobile block, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from typedvision.config.base import Config, Rate
from typedvision.config.names import Activation, ChannelAttention


class SqueezeExcite(Config):
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507) as mobile networks vary it."""

    gate_layer: Activation = "sigmoid"
    """What makes a gate of the last layer's output."""
    force_act_layer: Activation | None = None
    """Activation inside; None for the block's."""
    rd_divisor: Annotated[int, Field(ge=1, le=256)] = 1
    """The channels inside are rounded to a multiple of this number."""
    rd_round_limit: Rate = 0.9
    """Rounding never leaves less than this share of them."""


USUAL_SQUEEZE_EXCITE = SqueezeExcite()
"""What blocks have where nothing else is said."""


def _squeeze_excite(attention: object, union: ValidatorFunctionWrapHandler) -> object:
    """What is written as data is a `SqueezeExcite`, and its errors are those of one."""
    if isinstance(attention, Mapping):
        return SqueezeExcite.model_validate(attention)
    return union(attention)


BlockAttention = Annotated[
    ChannelAttention | SqueezeExcite | None,
    WrapValidator(_squeeze_excite),
]
"""An attention over channels inside of a block."""
