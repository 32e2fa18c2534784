"""PP-HGNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Config,
    Depth,
    KernelSize,
    ModelConfig,
    Rate,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.hgnet.model import HighPerfGpuNet


class HGStage(Config):
    """One stage of blocks."""

    mid_chs: Channels
    """Channels of the convolutions in a row."""
    out_chs: Channels
    """Output channels of each block."""
    blocks: Depth
    """Number of blocks."""
    layers: Depth
    """Number of convolutions in a row, in each block."""
    kernel_size: KernelSize = 3
    """Kernel of the convolutions in a row; odd."""
    light: bool = False
    """Convolutions in a row that are a 1x1 one and a depthwise one."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.kernel_size % 2 == 0:
            yield Conflict(
                f"'kernel_size' must be odd, so that maps keep their size; got {self.kernel_size}",
                "kernel_size",
            )


class HGNetConfig(ModelConfig, Builds["HighPerfGpuNet"]):
    """A high-performance network for GPUs, PP-HGNet (https://github.com/PaddlePaddle/PaddleClas),
    whose blocks see the outputs of a row of convolutions together (as VoVNet's,
    https://arxiv.org/abs/1904.09730)."""

    stem_type: Literal["v1", "v2"]
    """Stem and aggregation of the first version, with squeeze-and-excitation in each block, or of
    the second."""
    stem_chs: Annotated[tuple[Channels, ...], Field(min_length=2, max_length=8)]
    """Output channels of each convolution of the first version's stem; of the second's, which has
    two branches, those of the first and of the last one."""
    stages: tuple[HGStage, HGStage, HGStage, HGStage]
    """The stages; each but the first subsamples before its blocks."""
    head_hidden_size: Channels | None = 2048
    """Outputs of a 1x1 convolution after the pooling; None for no such layer."""
    use_lab: bool = False
    """A learned factor and a learned shift of the whole map after each activation, but for those of
    the first version's stem."""
    global_pool: Literal["", "avg", "max", "avgmax"] = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0 along all
    blocks, of which the first of each stage has no residual connection."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.stem_type == "v2" and (len(self.stem_chs) != 2 or self.stem_chs[0] < 2):
            yield Conflict(
                "'stem_chs' of 'stem_type' = 'v2' are two numbers, of which the first is halved "
                f"and so at least 2; got {self.stem_chs}",
                "stem_chs",
            )
        if self.stem_type == "v2" and any(stage.out_chs < 2 for stage in self.stages):
            yield Conflict(
                "'out_chs' in 'stages' must be at least 2 where 'stem_type' is 'v2', whose blocks "
                "halve it",
                "stages",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(stage.out_chs, 4 << number, f"stages.{number}")
            for number, stage in enumerate(self.stages)
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its blocks' numbers."""
        rates = iter(
            drop_path_rates(self.drop_path_rate, sum(stage.blocks for stage in self.stages))
        )
        in_channels, plans = self.stem_chs[-1], []
        for number, stage in enumerate(self.stages):
            blocks = tuple(
                BlockPlan(
                    in_channels=stage.out_chs if block else in_channels,
                    width=stage.mid_chs,
                    out_channels=stage.out_chs,
                    layers=stage.layers,
                    kernel_size=stage.kernel_size,
                    light=stage.light,
                    residual=block > 0,
                    drop_path_rate=next(rates),
                )
                for block in range(stage.blocks)
            )
            plans.append(StagePlan(in_channels, number > 0, blocks))
            in_channels = stage.out_chs
        return tuple(plans)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    width: int
    """Channels of the convolutions in a row."""
    out_channels: int
    layers: int
    """Number of convolutions in a row."""
    kernel_size: int
    light: bool
    """Whether a convolution in the row is a 1x1 one and a depthwise one."""
    residual: bool
    """Whether the input is added to the output."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    subsamples: bool
    """Whether a depthwise convolution halves the resolution first."""
    blocks: tuple[BlockPlan, ...]
