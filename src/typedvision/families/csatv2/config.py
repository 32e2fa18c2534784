"""CSATv2 as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Count,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    planned,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.windows import MAX_STAGES

if TYPE_CHECKING:
    from typedvision.families.csatv2.model import CSATv2

BLOCK = 8
"""Height and width in pixels of what the stem transforms."""
MLP_RATIO = 4
"""Hidden channels of a block's MLP for each of its own."""

_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)


class CSATv2Config(ModelConfig, Builds["CSATv2"]):
    """A network whose stem is a discrete cosine transform, with spatial attention in ConvNeXt V2's
    blocks (https://arxiv.org/abs/2301.00808) and attention in the last stages."""

    dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (32, 72, 168, 386)
    """Channels of each stage; the first a multiple of 8, three quarters of which see the image's
    brightness and an eighth each of its two colour differences."""
    depths: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 2, 8, 6)
    """Number of blocks of each stage."""
    transformer_depths: Annotated[tuple[Count, ...], _PER_STAGE] = (0, 0, 2, 2)
    """How many of these, the last ones, are blocks of attention."""
    global_pool: Literal["", "avg", "max", "avgmax"] = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""
    transformer_drop_path: bool = False
    """Whether blocks of attention drop branches, too."""
    ls_init_value: Ratio | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.in_chans != 3:
            yield Conflict("'in_chans' must be 3: the stem takes red, green and blue", "in_chans")
        if self.dims[0] % 8:
            yield Conflict(
                f"'dims' must start with a multiple of 8, of which the stem makes shares; got "
                f"{self.dims[0]}",
                "dims",
            )
        count = len(self.depths)
        for name, numbers in (("dims", self.dims), ("transformer_depths", self.transformer_depths)):
            if len(numbers) != count:
                yield Conflict(
                    f"'{name}' has {len(numbers)} stages and 'depths' has {count}: give one value "
                    "for each stage",
                    name,
                )
        for depth, attending in zip(self.depths, self.transformer_depths, strict=False):
            if attending > depth:
                yield Conflict(
                    f"'transformer_depths' must be at most as many as 'depths' in each stage; got "
                    f"{attending} of {depth} blocks",
                    "transformer_depths",
                )
                return

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem and each stage."""
        stages = halving_levels(self.dims, BLOCK)
        return (FeatureSpec(self.dims[0], BLOCK, "stem_dct"), *stages)

    @planned
    def plan(self) -> CSATv2Plan:
        """Every block with its numbers."""
        pairs = zip(self.depths, self.transformer_depths, strict=True)
        kinds = [[False] * (depth - last) + [True] * last for depth, last in pairs]
        blocks = [attends for stage in kinds for attends in stage]
        dropping = len(blocks) if self.transformer_drop_path else blocks.count(False)
        rates = iter(drop_path_rates(self.drop_path_rate, dropping))
        in_channels, stages = self.dims[0], []
        for channels, stage in zip(self.dims, kinds, strict=True):
            plans = (
                BlockPlan(
                    attends, next(rates) if self.transformer_drop_path or not attends else 0.0
                )
                for attends in stage
            )
            stages.append(StagePlan(in_channels, channels, MLP_RATIO * channels, tuple(plans)))
            in_channels = channels
        eighth = self.dims[0] // 8
        return CSATv2Plan((6 * eighth, eighth, eighth), tuple(stages))


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block."""

    attends: bool
    """Whether it is a block of attention."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The blocks of one resolution."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    blocks: tuple[BlockPlan, ...]


@dataclass(frozen=True, slots=True)
class CSATv2Plan:
    """The whole network, with every number decided."""

    stem_channels: tuple[int, int, int]
    """The stem's channels of brightness, of blueness and of redness."""
    stages: tuple[StagePlan, ...]
