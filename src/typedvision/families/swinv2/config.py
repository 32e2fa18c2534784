"""Swin Transformer V2 as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from typedvision.config.base import Builds, planned, to_pair
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.windows import (
    MAX_STAGES,
    StageWindows,
    WindowConfig,
    WindowPlan,
    WindowSize,
)

if TYPE_CHECKING:
    from typedvision.families.swinv2.model import SwinTransformerV2

OldWindow = Annotated[int, Field(ge=0, le=128)]
OldWindows = Annotated[
    tuple[OldWindow | tuple[OldWindow, OldWindow], ...],
    Field(min_length=1, max_length=MAX_STAGES),
]


class SwinV2Config(WindowConfig, Builds["SwinTransformerV2"]):
    """A Swin Transformer V2 (https://arxiv.org/abs/2111.09883)."""

    window_size: WindowSize | StageWindows = 7
    """Rows and columns of tokens in a window: a number or (rows, columns) for all stages, or one of
    these for each. Two numbers are rows and columns."""
    pretrained_window_sizes: OldWindows = (0, 0, 0, 0)
    """The windows of each stage that the weights were trained with, in whose units distances are
    measured; 0 for the stage's own (section 3.3)."""
    qkv_bias: bool = True
    """Whether queries and values have a bias; keys have none."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also windows of the past with stages."""
        yield from super().conflicts()
        yield from self.undivided_heads()
        if len(self.pretrained_window_sizes) < len(self.depths):
            yield Conflict(
                "'pretrained_window_sizes' must have one value for each stage of 'depths': "
                f"{len(self.depths)}; got {len(self.pretrained_window_sizes)}",
                "pretrained_window_sizes",
            )

    def windows(self) -> tuple[tuple[int, int], ...]:
        """The window of each stage, before it shrinks to the map."""
        return self.for_each_stage(self.window_size)

    def old_windows(self) -> tuple[tuple[int, int], ...]:
        """The window of each stage that the weights were trained with; 0 for its own."""
        return tuple(to_pair(window) for window in self.pretrained_window_sizes)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return self.stage_features("layers")

    @planned
    def plan(self) -> WindowPlan:
        """Every stage and block with its numbers."""
        return self.planned_windows()
