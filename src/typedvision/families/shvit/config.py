"""SHViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.shvit.model import SHViT

BlockType = Literal["i", "s"]
"""A block without attention, or one with attention of a single head."""


class SHViTConfig(ModelConfig, Builds["SHViT"]):
    """A SHViT (https://arxiv.org/abs/2401.16456): three stages on few positions, whose attention
    has one head, and sees some of the channels."""

    embed_dim: tuple[Annotated[int, Field(ge=8, le=65_536)], Channels, Channels] = (128, 256, 384)
    """Channels of each stage; one that has as many as the stage before does not subsample."""
    partial_dim: tuple[Channels, Channels, Channels] = (32, 64, 96)
    """Channels that attention sees in each stage that has it."""
    qk_dim: tuple[Channels, Channels, Channels] = (16, 16, 16)
    """Features of its queries and keys."""
    depth: tuple[Depth, Depth, Depth] = (1, 2, 3)
    """Number of blocks of each stage."""
    types: tuple[BlockType, BlockType, BlockType] = ("s", "s", "s")
    """Whether the blocks of each stage attend (`s`) or not (`i`)."""
    norm_layer: ConvNorm = "groupnorm1"
    """Normalisation of what attention sees."""
    act_layer: Activation = "relu"
    """Activation; that inside the MLPs of blocks is always `relu`."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    inference_mode: bool = False
    """Whether convolutions have no shortcuts and normalisations any more; `typedvision.fuse` makes
    this form."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        attending = [stage for stage in self.plan() if stage.attends]
        if any(stage.seen > stage.channels for stage in attending):
            yield Conflict(
                f"'partial_dim' must not be larger than 'embed_dim' = {self.embed_dim} in any "
                "stage that attends",
                "partial_dim",
            )
        yield from norm_conflicts(self.norm_layer, (stage.seen for stage in attending))
        if self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax': the classifier takes one feature for each "
                "channel; pool by 'avgmax'",
                "global_pool",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The three stages."""
        levels, reduction = [], 16
        for index, stage in enumerate(self.plan()):
            reduction *= 1 if stage.in_channels is None else 2
            levels.append(FeatureSpec(stage.channels, reduction, f"stages.{index}"))
        return tuple(levels)

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        inputs = (self.embed_dim[0], *self.embed_dim[:-1])
        return tuple(
            StagePlan(
                in_channels=None if in_channels == channels else in_channels,
                channels=channels,
                depth=depth,
                attends=kind == "s",
                seen=seen,
                key_dim=keys,
            )
            for in_channels, channels, depth, kind, seen, keys in zip(
                inputs,
                self.embed_dim,
                self.depth,
                self.types,
                self.partial_dim,
                self.qk_dim,
                strict=True,
            )
        )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int | None
    """Channels of what the stage subsamples first; None where it does not."""
    channels: int
    depth: int
    attends: bool
    """Whether its blocks have attention."""
    seen: int
    """Channels that attention sees."""
    key_dim: int
    """Features of its queries and keys."""
