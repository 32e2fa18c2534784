"""PNASNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, ModelConfig, planned, unpooled_classifier
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.pnasnet.model import PNASNet5Large

STEM = 96
"""Output channels of the first convolution."""
BRANCHES = 5
"""Sums of two branches in a cell, whose channels are concatenated."""
WIDTH = 54
"""Channels of each branch in the first cell of the stem; each reduction doubles them."""
CELLS = 4
"""Cells at each of three resolutions."""


class PNASNetConfig(ModelConfig, Builds["PNASNet5Large"]):
    """PNASNet-5 (https://arxiv.org/abs/1712.00559): cells that a progressive search found."""

    pad_type: Literal["", "same"] = ""
    """Padding where a cell subsamples: symmetric, or TensorFlow's `same`."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The first convolution's map, what the cells that subsample see, and the last map."""
        plan = self.plan()
        levels = [
            FeatureSpec(cell.channels, 2 ** (number + 2), f"{cell.name}.conv_1x1.act")
            for number, cell in enumerate(cell for cell in plan[1:] if cell.stride == 2)
        ]
        first = FeatureSpec(STEM, 2, "conv_0", margin=1)
        return (first, *levels, FeatureSpec(plan[-1].out_channels, 32, "act"))

    @planned
    def plan(self) -> tuple[CellPlan, ...]:
        """Every cell with its numbers."""
        cells: list[CellPlan] = []
        last_channels, channels, width = STEM, STEM, WIDTH
        names = ["cell_stem_0", "cell_stem_1", *(f"cell_{number}" for number in range(3 * CELLS))]
        reductions = {"cell_stem_0", "cell_stem_1", "cell_4", "cell_8"}
        for name in names:
            follows = bool(cells) and cells[-1].stride == 2
            stride = 2 if name in reductions else 1
            if name in ("cell_stem_1", "cell_0", "cell_4", "cell_8"):
                width *= 2
            cells.append(
                CellPlan(
                    name=name,
                    last_channels=last_channels,
                    channels=channels,
                    width=width,
                    stride=stride,
                    follows_reduction=follows,
                )
            )
            last_channels, channels = channels, cells[-1].out_channels
        return tuple(cells)


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One cell, with every number decided."""

    name: str
    last_channels: int
    """Channels of the input of the cell before."""
    channels: int
    """Channels of the output of the cell before."""
    width: int
    """Channels of each branch."""
    stride: int
    follows_reduction: bool
    """Whether the cell before subsamples, so that its input is twice as large as its output."""

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return BRANCHES * self.width
