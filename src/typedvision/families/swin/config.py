"""Swin Transformer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typedvision.config.base import Builds, Channels, planned
from typedvision.config.features import FeatureSpec
from typedvision.config.names import WeightInit
from typedvision.config.problems import Conflict
from typedvision.config.windows import StageWindows, WindowConfig, WindowPlan, WindowSize

if TYPE_CHECKING:
    from typedvision.families.swin.model import SwinTransformer


class SwinConfig(WindowConfig, Builds["SwinTransformer"]):
    """A Swin Transformer (https://arxiv.org/abs/2103.14030), and the ones that a search found
    (S3, https://arxiv.org/abs/2111.14725)."""

    head_dim: Channels | None = None
    """Features of each head; None for an equal share of the stage's."""
    window_size: WindowSize | StageWindows = 7
    """Rows and columns of tokens in a window: a number or (rows, columns) for all stages, or one of
    these for each. Two numbers are rows and columns."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    weight_init: WeightInit = ""
    """How linear layers are initialised: normal of deviation 0.02 (`""`), as ViT's JAX code does
    (`jax`, or `jax_nlhb` with the classifier's bias at -log(classes)), as MoCo v3 does (`moco`), or
    as PyTorch does (`reset`, or `skip`, which is stored as `reset`)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also heads without a feature."""
        yield from super().conflicts()
        widths = (self.embed_dim * 2**index for index in range(len(self.depths)))
        if not self.head_dim and any(
            width < heads for width, heads in zip(widths, self.num_heads, strict=False)
        ):
            yield Conflict(
                f"'num_heads' must leave each head a feature of 'embed_dim' {self.embed_dim}: "
                "choose fewer heads, or set 'head_dim'",
                "num_heads",
            )

    def windows(self) -> tuple[tuple[int, int], ...]:
        """The window of each stage, before it shrinks to the map."""
        return self.for_each_stage(self.window_size)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return self.stage_features("layers")

    @planned
    def plan(self) -> WindowPlan:
        """Every stage and block with its numbers."""
        return self.planned_windows()
