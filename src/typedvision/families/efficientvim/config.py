"""EfficientViM as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Channels, Depth, ModelConfig, Rate, Ratio, planned
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.efficientvim.model import EfficientViM

MAX_STAGES = 8
StageChannels = Annotated[tuple[Channels, ...], Field(min_length=1, max_length=MAX_STAGES)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]


class EfficientViMConfig(ModelConfig, Builds["EfficientViM"]):
    """An EfficientViM (https://arxiv.org/abs/2411.15241): stages whose blocks mix channels in a few
    hidden states, and a classifier for the states of each stage."""

    embed_dim: StageChannels = (128, 256, 512)
    """Channels of each stage; the first has at least 8."""
    depths: Depths = (2, 2, 2)
    """Number of blocks of each stage."""
    mlp_ratio: Ratio = 4.0
    """Hidden channels of the MLPs for each of their own."""
    ssd_expand: Ratio = 1.0
    """Channels that a hidden state has inside, for each of a block's."""
    state_dim: StageChannels = (49, 25, 9)
    """Number of hidden states of each stage's blocks."""
    distilled: bool = False
    """Have a second classifier beside each, for distillation (https://arxiv.org/abs/2012.12877);
    the logits are the mean of both."""
    global_pool: Literal["avg"] = "avg"
    """How hidden states and the last map become a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from uneven_stages(self, "embed_dim", "depths", "state_dim")
        if self.embed_dim[0] < 8:
            yield Conflict(
                f"'embed_dim' must have at least 8 channels first; got {self.embed_dim[0]}",
                "embed_dim",
            )
        narrowest = min(self.embed_dim)
        for name in ("mlp_ratio", "ssd_expand"):
            if int(narrowest * getattr(self, name)) < 1:
                yield Conflict(f"'{name}' leaves a block no channel inside: raise it", name)

    def features(self) -> tuple[FeatureSpec, ...]:
        """Every stage."""
        return halving_levels(self.embed_dim, 16)

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        return tuple(
            StagePlan(
                channels=channels,
                hidden=int(channels * self.mlp_ratio),
                states=states,
                inner=int(channels * self.ssd_expand),
                drop_path_rates=tuple(next(rates) for _ in range(depth)),
                out_channels=out_channels,
            )
            for channels, states, depth, out_channels in zip(
                self.embed_dim,
                self.state_dim,
                self.depths,
                (*self.embed_dim[1:], None),
                strict=True,
            )
        )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    states: int
    """Number of hidden states."""
    inner: int
    """Channels of a hidden state inside its mixer."""
    drop_path_rates: tuple[float, ...]
    """That of each block."""
    out_channels: int | None
    """Channels of the subsampled map that the next stage gets; None for no such."""
