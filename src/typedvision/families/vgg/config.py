"""VGG as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    ModelConfig,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.vgg.model import VGG

HIDDEN = 4096
"""Outputs of the second fully connected layer."""
POOLINGS = 7
"""Most poolings, which bring 224 pixels to one position."""
Layers = tuple[Channels | Literal["M"], ...]
"""Output channels of each convolution, and `M` for each max pooling."""


class VGGConfig(ModelConfig, Builds["VGG"]):
    """A row of 3x3 convolutions with poolings between them (https://arxiv.org/abs/1409.1556)."""

    cfg: Annotated[Layers, Field(min_length=1, max_length=128)]
    """The layers (a column of the paper's table 1): a number is a 3x3 convolution with so many
    output channels, `M` is a max pooling that halves the map."""
    mlp_ratio: Annotated[float, Field(ge=1 / HIDDEN, le=16.0)] = 1.0
    """Outputs of the first fully connected layer, for each of the second's 4096."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNorm | None = None
    """Normalisation after each convolution."""
    global_pool: ConvPool = "avg"
    """How the map of fully connected features becomes a vector; at 224 pixels it has one
    position."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.cfg[0] == "M":
            yield Conflict("'cfg' must start with a convolution, not with 'M'", "cfg")
        if self.cfg.count("M") > POOLINGS:
            yield Conflict(
                f"'cfg' must have at most {POOLINGS} 'M', which bring 224 pixels to one position; "
                f"got {self.cfg.count('M')}",
                "cfg",
            )
        channels = (layer for layer in self.cfg if layer != "M")
        yield from norm_conflicts(self.norm_layer, channels)
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map before each pooling, and the last of all."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"features.{stage.stop - 1}")
            for stage in self.plan()
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers; each but the first starts with a pooling."""
        stages: list[StagePlan] = []
        channels, stop = self.in_chans, 0
        for layer in (*self.cfg, "M"):
            if layer == "M":
                stages.append(StagePlan(channels, 2 ** len(stages), stop))
                stop += 1
            else:
                channels = layer
                stop += 3 if self.norm_layer else 2
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: the convolutions between two poolings, and the pooling before them."""

    channels: int
    """Output channels."""
    reduction: int
    """Input pixels for each position of its output."""
    stop: int
    """Number of layers of `features` up to its end."""
