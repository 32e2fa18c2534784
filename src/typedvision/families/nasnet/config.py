"""NASNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, Channels, ModelConfig, planned, unpooled_classifier
from typedvision.config.cells import CellPlan, cell_levels
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.nasnet.model import NASNetALarge

NORMAL = 6
"""Maps that a normal cell concatenates."""
REDUCTION = 4
"""Maps that a reduction cell concatenates."""
CELLS = 6
"""Normal cells at each of three resolutions."""
FINEST = 16 * NORMAL
"""The last map's channels for each channel of a branch of the first cell, whose branches are the
narrowest: they double four times."""


class NASNetConfig(ModelConfig, Builds["NASNetALarge"]):
    """NASNet-A (https://arxiv.org/abs/1707.07012): cells that a search found."""

    stem_size: Channels = 96
    """Channels of the first convolution."""
    num_features: Channels = 4032
    """Channels of the last map, a multiple of 96."""
    pad_type: Literal["", "same"] = "same"
    """Padding where a cell subsamples: symmetric, or TensorFlow's `same`."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if self.num_features % FINEST:
            message = f"'num_features' must be a multiple of {FINEST}; got {self.num_features}"
            yield Conflict(message, "num_features")

    def features(self) -> tuple[FeatureSpec, ...]:
        """The first convolution's map, what the cells that subsample see, and the last map."""
        return cell_levels("conv0", self.plan())

    @planned
    def plan(self) -> tuple[CellPlan, ...]:
        """Every cell with its numbers."""
        cells: list[CellPlan] = []
        last_channels = channels = self.stem_size
        for name, width, stride in _cells(self.num_features // FINEST):
            cell = CellPlan(
                name=name,
                last_channels=last_channels,
                channels=channels,
                width=width,
                out_channels=(NORMAL if stride == 1 else REDUCTION) * width,
                stride=stride,
                is_first=not cells,
                follows_reduction=bool(cells) and cells[-1].stride == 2,
                is_aside=len(cells) > 1 and stride == 2,
            )
            if not cell.is_aside:
                last_channels = channels
            channels = cell.out_channels
            cells.append(cell)
        return tuple(cells)


def _cells(width: int) -> Iterator[tuple[str, int, int]]:
    """Name, channels of a branch and stride of each cell; `width` is the first one's channels."""
    yield "cell_stem_0", width, 2
    yield "cell_stem_1", 2 * width, 2
    for stage in range(3):
        if stage:
            yield f"reduction_cell_{stage - 1}", 4 * 2**stage * width, 2
        for number in range(CELLS):
            yield f"cell_{CELLS * stage + number}", 4 * 2**stage * width, 1
