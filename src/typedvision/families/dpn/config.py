"""DPN as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    norm_conflicts,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.dpn.model import DPN

WIDTHS = (64, 128, 256, 512)
"""Channels of each stage's residual path, in a small network; a large one has four times as
many."""


class DPNConfig(ModelConfig, Builds["DPN"]):
    """A dual path network (https://arxiv.org/abs/1707.01629): some channels of a map are a residual
    path, to which blocks add, and the others a dense one, which they make longer."""

    k_sec: tuple[Depth, Depth, Depth, Depth] = (3, 4, 20, 3)
    """Number of blocks of each stage."""
    inc_sec: tuple[Channels, Channels, Channels, Channels] = (16, 32, 24, 128)
    """Channels that each block adds to the dense path, by stage."""
    k_r: Channels = 96
    """Channels inside of the first stage's blocks; each stage doubles them."""
    groups: Channels = 32
    """Groups of the 3x3 convolutions."""
    small: bool = False
    """A residual path of a quarter of the channels, and a 3x3 kernel instead of a 7x7 one in the
    stem."""
    num_init_features: Channels = 64
    """Output channels of the stem."""
    b: bool = False
    """Separate last convolutions for both paths, behind one normalisation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation in the stem and before the pooling; blocks have batch normalisations."""
    act_layer: Activation = "relu"
    """Activation in the stem and before the pooling; blocks have ReLU."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; nothing, and there are logits for each
    position."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.k_r % self.groups:
            yield Conflict(
                f"'k_r' = {self.k_r} channels cannot be divided into 'groups' = {self.groups}: "
                "choose other ones",
                "groups",
            )
        channels = (self.num_init_features, self.plan()[-1][-1].out_channels)
        yield from norm_conflicts(self.norm_layer, channels)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, and the four stages."""
        plan = self.plan()
        return FeatureSpec(self.num_init_features, 2, "features.conv1_1"), *(
            FeatureSpec(
                blocks[-1].out_channels, 4 << stage, f"features.conv{stage + 2}_{len(blocks)}"
            )
            for stage, blocks in enumerate(plan)
        )

    @planned
    def plan(self) -> tuple[tuple[BlockPlan, ...], ...]:
        """Every block of each stage with its numbers."""
        in_channels, stages = self.num_init_features, []
        for stage, (depth, added) in enumerate(zip(self.k_sec, self.inc_sec, strict=True)):
            residual = WIDTHS[stage] * (1 if self.small else 4)
            blocks = []
            for number in range(depth):
                first = number == 0
                out_channels = residual + 3 * added if first else in_channels + added
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        width=self.k_r << stage,
                        residual=residual,
                        added=added,
                        out_channels=out_channels,
                        project=first,
                        stride=2 if first and stage > 0 else 1,
                    )
                )
                in_channels = out_channels
            stages.append(tuple(blocks))
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One dual path block, with every number decided."""

    in_channels: int
    width: int
    """Channels of its 3x3 convolution."""
    residual: int
    """Channels of the residual path."""
    added: int
    """Channels that it adds to the dense path; what projects starts it with twice as many."""
    out_channels: int
    project: bool
    """Whether a convolution makes both paths of the input."""
    stride: int
