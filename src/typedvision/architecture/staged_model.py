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

    stem_name: ClassVar[str] = "stem"
    """The module that gives the first stage its map."""
    last_layer: ClassVar[str | None] = None
    """What follows the stages and belongs to the last group of blocks; None where nothing does."""
    stages: nn.Sequential
    """Each halves the map, or keeps its size; its blocks stand in its `blocks`."""

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self._finish(self.stages(self._embed(x)))

    def _embed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the first stage's input."""
        stem: nn.Module = getattr(self, self.stem_name)
        return stem(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The output of each stage."""
        x = self._embed(x)
        for stage in self.stages:
            x = stage(x)
            yield x

    def no_weight_decay(self) -> set[str]:
        """The biases of attention for the distances of positions."""
        return {key for key, _ in self.named_parameters() if key.endswith("attention_biases")}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        stem = f"^{self.stem_name}"
        if coarse:
            return {"stem": stem, "blocks": r"^stages\.(\d+)"}
        blocks: list[tuple[str, tuple[int, ...] | None]] = [
            (r"^stages\.(\d+)\.downsample", (0,)),
            (r"^stages\.(\d+)\.blocks\.(\d+)", None),
        ]
        if self.last_layer:
            blocks.append((f"^{self.last_layer}", LAST_GROUP))
        return {"stem": stem, "blocks": blocks}
