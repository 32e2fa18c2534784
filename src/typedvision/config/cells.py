"""The numbers of networks of searched cells: each cell sees the maps of two before it."""

from __future__ import annotations

from dataclasses import dataclass

from typedvision.config.features import FeatureSpec


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One cell, with every number decided."""

    name: str
    last_channels: int
    """Channels of the map before the last one."""
    channels: int
    """Channels of the last map."""
    width: int
    """Channels of each branch."""
    out_channels: int
    """Channels of the output."""
    stride: int
    is_first: bool
    """Whether the cell sees the first convolution's map alone."""
    follows_reduction: bool
    """Whether the map before the last one is twice as large as the last one."""
    is_aside: bool = False
    """Whether the next cell sees, beside this cell's output, not its input but the map before."""


def cell_levels(first_conv: str, plan: tuple[CellPlan, ...]) -> tuple[FeatureSpec, ...]:
    """The first convolution's map, what the cells that subsample see, and the last map."""
    levels = [
        FeatureSpec(cell.channels, 2 ** (number + 2), f"{cell.name}.conv_1x1.act")
        for number, cell in enumerate(cell for cell in plan[1:] if cell.stride == 2)
    ]
    first = FeatureSpec(plan[0].channels, 2, first_conv, margin=1)
    return (first, *levels, FeatureSpec(plan[-1].out_channels, 32, "act"))
