"""Swin Transformer V2 by Christoph Reich as data: what can vary, and every number that follows from
it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from typedvision.config.base import Builds, Count, Depth, Rate, planned, unpooled_classifier
from typedvision.config.features import FeatureSpec
from typedvision.config.problems import Conflict
from typedvision.config.windows import StageWindows, WindowConfig, WindowPlan, WindowSize

if TYPE_CHECKING:
    from typedvision.families.swinv2_cr.model import SwinTransformerV2Cr

Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]


class SwinV2CrConfig(WindowConfig, Builds["SwinTransformerV2Cr"]):
    """A Swin Transformer V2 (https://arxiv.org/abs/2111.09883, version 1), as Christoph Reich wrote
    it before its authors published theirs."""

    window_size: WindowSize | StageWindows | None = None
    """Rows and columns of tokens in a window: a number or (rows, columns) for all stages, or one of
    these for each; None for a share of the map of patches."""
    window_ratio: Depth = 8
    """What the rows and columns of patches are divided by, for a window, where `window_size` is
    None."""
    init_values: Factor | None = 0.0
    """Initial weights of the normalisations behind attention and MLP; None for 1."""
    extra_norm_period: Count = 0
    """Each so many blocks of a stage, one ends with a normalisation; 0 for none."""
    extra_norm_stage: bool = False
    """End each stage with a normalisation; the last one always does."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    weight_init: Literal["", "reset"] = "reset"
    """How linear layers are initialised: as PyTorch does (`reset`), or uniform of variance 2 /
    (inputs + outputs), with a classifier of zeros (`""`)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also windows with the map of patches."""
        yield from super().conflicts()
        yield from self.undivided_heads()
        yield from unpooled_classifier(self, self.global_pool)
        if self.window_size is None:
            grid = self.patch_grid()
            if 0 < min(grid) < self.window_ratio:
                yield Conflict(
                    f"'window_ratio' {self.window_ratio} must leave a window a token of the "
                    f"{grid[0]} x {grid[1]} patches: choose at most {min(grid)}, or set "
                    "'window_size'",
                    "window_ratio",
                )
        elif self.window_ratio != 8:
            yield Conflict(
                "'window_ratio' must be left out where 'window_size' says the windows",
                "window_ratio",
            )

    def windows(self) -> tuple[tuple[int, int], ...]:
        """The window of each stage, before it shrinks to the map."""
        if self.window_size is not None:
            return self.for_each_stage(self.window_size)
        rows, columns = (max(1, side // self.window_ratio) for side in self.patch_grid())
        return self.for_each_stage((rows, columns))

    def resized(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
        window_size: WindowSize | StageWindows | None = None,
    ) -> Self:
        """This config for another size; windows that are not given keep their share of the map.

        Raises:
            ConfigError: the sizes do not go together.
        """
        if self.window_size is not None or window_size is not None:
            return super().resized(img_size, patch_size, window_size)
        sizes = {"img_size": img_size, "patch_size": patch_size}
        return self.replace(**{name: size for name, size in sizes.items() if size is not None})

    def extra_norms(self, stage: int) -> tuple[bool, ...]:
        """Whether each block of a stage ends with a normalisation."""
        depth, period = self.depths[stage], self.extra_norm_period
        ends = self.extra_norm_stage or stage == len(self.depths) - 1
        return tuple(
            (period > 0 and number % period == 0) or (ends and number == depth)
            for number in range(1, depth + 1)
        )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return self.stage_features("stages")

    @planned
    def plan(self) -> WindowPlan:
        """Every stage and block with its numbers."""
        return self.planned_windows()
