"""StarNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.starnet.model import StarNet


class StarNetConfig(ModelConfig, Builds["StarNet"]):
    """A StarNet (https://arxiv.org/abs/2403.19967): two linear layers whose outputs are
    multiplied."""

    base_dim: Channels = 32
    """Channels of the first stage; each other stage has twice those of the one before."""
    depths: tuple[Depth, Depth, Depth, Depth] = (3, 3, 12, 5)
    """Number of blocks of each stage (table 6)."""
    mlp_ratio: Annotated[int, Field(ge=1, le=1_024)] = 4
    """Channels that are multiplied inside a block, for each of its own."""
    act_layer: Activation = "relu6"
    """Activation of the stem, and of one factor of each product."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return halving_levels(stage.channels for stage in self.plan())

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        in_channels, stages = 32, []
        for index, depth in enumerate(self.depths):
            channels = self.base_dim * 2**index
            rows = tuple(islice(rates, depth))
            stages.append(StagePlan(in_channels, channels, self.mlp_ratio * channels, rows))
            in_channels = channels
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks, behind a convolution that subsamples."""

    in_channels: int
    channels: int
    hidden: int
    """Channels that are multiplied inside a block."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
