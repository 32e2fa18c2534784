"""PNASNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, ModelConfig, planned, unpooled_classifier
from typedvision.config.cells import CellPlan, cell_levels
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
        return cell_levels("conv_0", self.plan())

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
                    out_channels=BRANCHES * width,
                    stride=stride,
                    is_first=not cells,
                    follows_reduction=follows,
                )
            )
            last_channels, channels = channels, cells[-1].out_channels
        return tuple(cells)
