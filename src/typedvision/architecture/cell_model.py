"""`CellModel`, the abstract base of networks of searched cells."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.config.base import ModelConfig
from typedvision.config.cells import CellPlan
from typedvision.config.names import ConvPool
from typedvision.layers.nas import first_conv


class CellModel(PooledModel, ABC):
    """A convolution and a row of cells, each of which sees the maps of two before it; pooling and a
    linear classifier.

    Shapes: N images, C channels in, D channels out, H x W positions, K classes.

    Args:
        cfg: the model's config.
        plan: the cells.
        cell: makes a cell, which is called with the two maps.
        global_pool: how the last map becomes a vector.
    """

    classifier_name: ClassVar[str] = "last_linear"
    last_linear: nn.Linear | nn.Identity
    first_conv: ClassVar[str]
    """Name of the first convolution."""

    def __init__(
        self,
        cfg: ModelConfig,
        plan: tuple[CellPlan, ...],
        cell: Callable[[CellPlan], nn.Module],
        global_pool: ConvPool,
    ) -> None:
        super().__init__(cfg)
        self.num_features: int = plan[-1].out_channels
        self.cell_names: tuple[str, ...] = tuple(one.name for one in plan)
        self.cells_aside: tuple[str, ...] = tuple(one.name for one in plan if one.is_aside)
        self.level_cells: tuple[str, ...] = tuple(one.name for one in plan[1:] if one.stride == 2)

        self.add_module(self.first_conv, first_conv(cfg.in_chans, plan[0].channels))
        for one in plan:
            self.add_module(one.name, cell(one))
        self.act: nn.ReLU = nn.ReLU()
        self._replace_classifier(cfg.num_classes, global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        last = x = getattr(self, self.first_conv)(x)
        yield x
        for name in self.cell_names:
            cell = getattr(self, name)
            if name in self.level_cells:
                yield cell.conv_1x1.act(x)
            before = last if name in self.cells_aside else x
            last, x = before, cell(last, x)
        yield self.act(x)

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """What the cell in which the level lies makes of the map before."""
        cell, _, inside = level.partition(".")
        if not inside or not hasattr(getattr(self, cell), "conv_prev_1x1"):
            return ()
        return (f"{cell}.conv_prev_1x1",)
