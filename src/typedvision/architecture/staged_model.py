"""`StagedModel`, the abstract base of models that are a stem and a row of stages."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel


class StagedModel(ImageModel, ABC):
    """A model whose stem makes a map of patches and whose stages each give a feature level.

    Shapes: N images, C channels of H x W pixels, D channels of the last map of h x w positions.
    """

    last_norm: ClassVar[str | None] = None
    """The normalisation behind the stages, which belongs to the last group of blocks; None where
    there is none."""
    stem: nn.Module
    """Gives the first stage its map."""
    stages: nn.Sequential
    """Each halves the map, or keeps its size; its blocks stand in its `blocks`."""

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self._finish(self.stages(self.stem(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The output of each stage."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            yield x

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        if coarse:
            return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}
        blocks: list[tuple[str, tuple[int, ...] | None]] = [
            (r"^stages\.(\d+)\.downsample", (0,)),
            (r"^stages\.(\d+)\.blocks\.(\d+)", None),
        ]
        if self.last_norm:
            blocks.append((f"^{self.last_norm}", LAST_GROUP))
        return {"stem": r"^stem", "blocks": blocks}
