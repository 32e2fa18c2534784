"""The arithmetic of stages."""

from __future__ import annotations

from typedvision.config.base import Config
from typedvision.config.problems import Conflict
from typedvision.config.stages import uneven_stages


class Counted(Config):
    """Fields with a value for each stage."""

    depths: tuple[int, ...] = (2, 2)
    """Blocks of each stage."""
    widths: tuple[int, ...] = (8, 16)
    """Channels of each stage."""
    ratio: int | tuple[int, ...] | None = 4
    """Hidden channels for each channel; one for all stages, or one each."""


def test_every_field_that_does_not_follow_the_stages_is_a_conflict() -> None:
    assert uneven_stages(Counted(), "depths", "widths", "ratio") == ()
    assert uneven_stages(Counted(ratio=None), "depths", "ratio") == ()
    uneven = Counted(widths=(8,), ratio=(4, 4, 4))
    assert uneven_stages(uneven, "depths", "widths", "ratio", each="branch") == (
        Conflict("'widths' must have one value for each branch of 'depths': 2; got 1", "widths"),
        Conflict("'ratio' must have one value for each branch of 'depths': 2; got 3", "ratio"),
    )
