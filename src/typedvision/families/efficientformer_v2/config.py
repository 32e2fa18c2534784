"""EfficientFormerV2 as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Count,
    Depth,
    Eps,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    norm_conflicts,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.efficientformer_v2.model import EfficientFormerV2

MAX_STAGES = 8
FIRST_ATTENTION = 2
"""The first stage with attention, which attends at half its resolution."""

Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
Widths = Annotated[tuple[Channels, ...], Field(min_length=1, max_length=MAX_STAGES)]
Switches = Annotated[tuple[bool, ...], Field(min_length=1, max_length=MAX_STAGES)]
Ratios = Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=1_024)]
StageRatios = Annotated[tuple[Ratio | Ratios, ...], Field(min_length=1, max_length=MAX_STAGES)]
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]


class EfficientFormerV2Config(ModelConfig, Builds["EfficientFormerV2"]):
    """An EfficientFormerV2 (https://arxiv.org/abs/2212.08059): convolutional blocks, and attention
    in the last blocks of the stages at low resolution."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    depths: Depths = (2, 2, 6, 4)
    """Number of blocks of each stage."""
    embed_dims: Widths = (32, 48, 96, 176)
    """Channels of each stage."""
    downsamples: Switches | None = None
    """Whether each stage subsamples first; None for all but the first."""
    mlp_ratios: Ratio | StageRatios = 4.0
    """Hidden channels of the MLPs for each of their own: one number for all blocks, or one each
    stage, or one each block of a stage."""
    num_vit: Count = 0
    """How many of the blocks of each stage from the third on, the last ones, have attention; all
    where there are fewer."""
    norm_layer: Literal["batchnorm2d", "groupnorm", "groupnorm1", "layernorm2d", "rmsnorm2d"] = (
        "batchnorm2d"
    )
    """Normalisation; attention has batch normalisations in any case."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation; 1e-5 in any case in attention."""
    act_layer: Activation = "gelu"
    """Activation."""
    layer_scale_init_value: Factor = 1e-5
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239)."""
    distillation: bool = True
    """Have a second classifier for distillation (https://arxiv.org/abs/2012.12877); the logits are
    the mean of both."""
    global_pool: Literal["", "avg"] = "avg"
    """How the last feature map becomes a vector."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability in the MLPs."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if uneven := uneven_stages(self, "embed_dims", "depths", "downsamples", "mlp_ratios"):
            yield from uneven
            return
        for ratios, depth in zip(self._stage_ratios(), self.depths, strict=True):
            if len(ratios) != depth:
                yield Conflict(
                    f"'mlp_ratios' must have one number for each block of a stage: {depth}; got "
                    f"{len(ratios)}",
                    "mlp_ratios",
                )
                return
        yield from self._channel_conflicts()
        yield from self._grid_conflicts()

    def _channel_conflicts(self) -> Iterator[Conflict]:
        if self.embed_dims[0] < 2:
            yield Conflict(
                "'embed_dims' must be at least 2 in the first stage: the first convolution has "
                "half of them",
                "embed_dims",
            )
        changes = (before != after for before, after in pairwise(self.embed_dims))
        for subsamples, change in zip(self._subsampling()[1:], changes, strict=True):
            if change and not subsamples:
                yield Conflict(
                    "'embed_dims' must stay as they are where 'downsamples' is false", "embed_dims"
                )
                break
        hidden = [block.hidden for stage in self.plan() for block in stage.blocks]
        if min(hidden) < 1:
            yield Conflict("'mlp_ratios' leaves no hidden channel: raise it", "mlp_ratios")
            return
        channels = (self.embed_dims[0] // 2, *self.embed_dims, *hidden)
        yield from norm_conflicts(self.norm_layer, channels)

    def _grid_conflicts(self) -> Iterator[Conflict]:
        for stage in self.plan():
            attends = any(block.attends for block in stage.blocks)
            if attends and stage.halves and any(side % 2 for side in stage.grid):
                yield Conflict(
                    f"'img_size' = {self.img_size} makes a map of {stage.grid[0]} x "
                    f"{stage.grid[1]} positions where attention halves it: both must be even",
                    "img_size",
                )
                return
            if attends and max(stage.attention_grid) < 2:
                yield Conflict(
                    f"'img_size' must leave attention more than one position; got {self.img_size}",
                    "img_size",
                )
                return

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`: the biases of attention are of its positions."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stages."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    def _subsampling(self) -> tuple[bool, ...]:
        """Whether each stage subsamples first."""
        return self.downsamples or (False, *(True,) * (len(self.embed_dims) - 1))

    def _stage_ratios(self) -> tuple[tuple[float, ...], ...]:
        """The ratio of each block of each stage."""
        given = self.mlp_ratios
        stages = given if isinstance(given, tuple) else (given,) * len(self.depths)
        return tuple(
            stage if isinstance(stage, tuple) else (stage,) * depth
            for stage, depth in zip(stages, self.depths, strict=True)
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        sides = to_pair(self.img_size)
        before, in_channels, reduction = _divided(sides, 4), self.embed_dims[0], 4
        stages: list[StagePlan] = []
        for index, (channels, ratios, subsamples) in enumerate(
            zip(self.embed_dims, self._stage_ratios(), self._subsampling(), strict=True)
        ):
            reduction *= 2 if subsamples else 1
            grid, halves = _divided(sides, reduction), index == FIRST_ATTENTION
            without = len(ratios) - self.num_vit if index >= FIRST_ATTENTION else len(ratios)
            blocks = tuple(
                BlockPlan(int(channels * ratio), place >= without, next(rates))
                for place, ratio in enumerate(ratios)
            )
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    channels=channels,
                    in_grid=before,
                    grid=grid,
                    attention_grid=_divided(grid, 2) if halves else grid,
                    halves=halves,
                    subsamples=subsamples,
                    subsampling_attends=subsamples and index > FIRST_ATTENTION,
                    reduction=reduction,
                    blocks=blocks,
                )
            )
            in_channels, before = channels, grid
        return tuple(stages)


def _divided(sides: tuple[int, int], divisor: int) -> tuple[int, int]:
    """Both divided, rounded up."""
    return -(-sides[0] // divisor), -(-sides[1] // divisor)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block."""

    hidden: int
    """Hidden channels of the MLP."""
    attends: bool
    """Whether attention stands before the MLP."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    in_grid: tuple[int, int]
    """Rows and columns before the subsampling."""
    grid: tuple[int, int]
    """Rows and columns of positions."""
    attention_grid: tuple[int, int]
    """Rows and columns that attention sees."""
    halves: bool
    """Whether attention sees the map at half its resolution."""
    subsamples: bool
    """Whether the map is halved before the blocks."""
    subsampling_attends: bool
    """Whether that is done by attention, too."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    blocks: tuple[BlockPlan, ...]
