"""EdgeNeXt as data: what can vary, and every number that follows from it."""

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
    Heads,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    planned,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.edgenext.model import EdgeNeXt

Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
Scales = Annotated[int, Field(ge=2, le=64)]


class EdgeNeXtConfig(ModelConfig, Builds["EdgeNeXt"]):
    """An EdgeNeXt (https://arxiv.org/abs/2206.10589): depthwise convolutions of growing kernels,
    and attention between channels at the end of a stage."""

    dims: tuple[Channels, Channels, Channels, Channels] = (24, 48, 88, 168)
    """Channels of each stage."""
    depths: tuple[Depth, Depth, Depth, Depth] = (3, 3, 9, 3)
    """Number of blocks of each stage."""
    global_block_counts: tuple[Count, Count, Count, Count] = (0, 1, 1, 1)
    """How many of them, the last ones, have attention."""
    kernel_sizes: tuple[KernelSize, KernelSize, KernelSize, KernelSize] = (3, 5, 7, 9)
    """Kernel of the depthwise convolutions of each stage, odd."""
    heads: tuple[Heads, Heads, Heads, Heads] = (8, 8, 8, 8)
    """Attention heads of each stage."""
    d2_scales: tuple[Scales, Scales, Scales, Scales] = (2, 2, 3, 4)
    """Groups of channels, in a block with attention, of which each but the last is convolved once
    more than the one after it."""
    use_pos_emb: tuple[bool, bool, bool, bool] = (False, True, False, False)
    """Whether the blocks with attention encode positions, in each stage."""
    ls_init_value: Ratio = 1e-6
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239)."""
    head_init_scale: Factor = 1.0
    """Factor of the classifier's initial weights."""
    expand_ratio: Ratio = 4
    """Hidden channels of a block's MLP for each of its own."""
    downsample_block: bool = False
    """Subsample in the first depthwise convolution of a stage, and not before the blocks."""
    conv_bias: bool = True
    """Whether the stem, the subsampling and the depthwise convolutions have a bias."""
    stem_type: Literal["patch", "overlap"] = "patch"
    """The first convolution: of separate 4x4 patches, or 9x9 with stride 4."""
    head_norm_first: bool = False
    """Normalise the last feature map before the pooling, and not what is pooled."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if any(size % 2 == 0 for size in self.kernel_sizes):
            yield Conflict(f"'kernel_sizes' must be odd; got {self.kernel_sizes}", "kernel_sizes")
        if self.global_pool == "catavgmax" and not self.head_norm_first:
            yield Conflict(
                "'global_pool' must not be 'catavgmax' where 'head_norm_first' is false: the "
                "normalisation after the pooling takes one feature for each channel",
                "global_pool",
            )
        if any(int(channels * self.expand_ratio) < 1 for channels in self.dims):
            yield Conflict("'expand_ratio' leaves no channel to an MLP: raise it", "expand_ratio")
        for stage in range(4):
            yield from self._attention_conflicts(stage)
        for stage in (1, 2, 3) if self.downsample_block else ():
            yield from self._subsampling_conflicts(stage)

    def _attention_conflicts(self, stage: int) -> Iterator[Conflict]:
        channels, count, scales = (
            self.dims[stage],
            self.global_block_counts[stage],
            self.d2_scales[stage],
        )
        if count > self.depths[stage]:
            yield Conflict(
                f"'global_block_counts' must be at most 'depths'; got {count} of "
                f"{self.depths[stage]} blocks in stage {stage}",
                "global_block_counts",
            )
        if count and channels % self.heads[stage]:
            yield Conflict(
                f"'heads' must divide 'dims'; got {self.heads[stage]} and {channels} in stage "
                f"{stage}",
                "heads",
            )
        if count and -(-channels // -(-channels // scales)) != scales:
            yield Conflict(
                f"'d2_scales' = {scales} cannot divide the {channels} of 'dims' in stage {stage} "
                "into so many groups: choose fewer",
                "d2_scales",
            )

    def _subsampling_conflicts(self, stage: int) -> Iterator[Conflict]:
        if self.global_block_counts[stage] == self.depths[stage]:
            yield Conflict(
                "'downsample_block' takes a block without attention in each stage: lower "
                f"'global_block_counts' of stage {stage}",
                "downsample_block",
            )
        if self.dims[stage] % self.dims[stage - 1]:
            yield Conflict(
                "'downsample_block' is a depthwise convolution: each of 'dims' must be a multiple "
                "of the one before",
                "dims",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return halving_levels(self.dims)

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        in_channels, stages = self.dims[0], []
        for index, (channels, depth, global_count, kernel_size) in enumerate(
            zip(self.dims, self.depths, self.global_block_counts, self.kernel_sizes, strict=True)
        ):
            stride = 1 if index == 0 else 2
            blocks: list[ConvPlan | AttentionPlan] = []
            hidden = int(channels * self.expand_ratio)
            for place in range(depth):
                rate = next(rates)
                if place >= depth - global_count:
                    attention = AttentionPlan(
                        channels,
                        hidden,
                        self.heads[index],
                        self.d2_scales[index],
                        self.use_pos_emb[index],
                        rate,
                    )
                    blocks.append(attention)
                    continue
                subsamples = self.downsample_block and place == 0
                blocks.append(
                    ConvPlan(
                        in_channels if subsamples else channels,
                        channels,
                        hidden,
                        kernel_size,
                        stride if subsamples else 1,
                        rate,
                    )
                )
            downsamples = stride > 1 and not self.downsample_block
            stages.append(StagePlan(in_channels, channels, downsamples, tuple(blocks)))
            in_channels = channels
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class ConvPlan:
    """A block with a depthwise convolution, with every number decided."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of its MLP."""
    kernel_size: int
    stride: int
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """A block with attention, with every number decided."""

    channels: int
    hidden: int
    """Hidden channels of its MLP."""
    num_heads: int
    scales: int
    """Groups of channels before the attention."""
    positions: bool
    """Whether positions are encoded."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    downsamples: bool
    """Whether a convolution that subsamples stands before the blocks."""
    blocks: tuple[ConvPlan | AttentionPlan, ...]
