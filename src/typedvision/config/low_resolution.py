"""The base of configs whose last two stages attend at a low resolution, between convolutional
blocks (https://arxiv.org/abs/2409.03460)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from typedvision.config.base import (
    Channels,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    norm_conflicts,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

BlockCount = Annotated[int, Field(ge=0, le=1_024)]
LocalNorm = Literal["proj", "depth_proj", "all"]
"""Which convolutions of an unfused block are normalised: the one that projects; the depthwise one,
too; all three."""
Upsampling = Literal["transpose", "nearest"]
"""How a map is brought back to its resolution: by a transposed convolution, or by repetition."""

_FUSED_BELOW = 256
"""Blocks beside attention are not fused from so many channels on."""
_HEAD_CHANNELS = 30
"""Least channels of an attention head, where there are several."""


class LowResolutionConfig(ModelConfig):
    """What configs of LowFormer's lineage share."""

    groups_project: ClassVar[bool] = False
    """Whether convolutions that project have groups, too, in blocks that are not fused."""

    width_list: tuple[Channels, Channels, Channels, Channels, Channels]
    """Channels of the stem and of each stage."""
    depth_list: tuple[BlockCount, Depth, Depth, BlockCount, BlockCount]
    """Number of residual blocks of the stem and of each stage; that which subsamples counts in the
    first two stages, and comes besides in the last two."""
    head_widths: tuple[Channels, Channels] = (1536, 1600)
    """Channels of the convolution before the pooling, and of the layer after it."""
    expand_ratio: Ratio = 4
    """Inner channels of a convolutional block for each of its input."""
    stem_expand_ratio: Ratio = 2
    """That of the stem's blocks."""
    downsample_expand_ratios: tuple[Ratio, Ratio, Ratio, Ratio] | None = None
    """That of the block with which each stage subsamples; None for `expand_ratio`."""
    expand_groups: Annotated[int, Field(ge=1, le=1_024)] = 1
    """Groups of the convolutions that expand."""
    fused_conv: bool = False
    """Whether blocks expand by one full convolution, and not by a pointwise and a depthwise one
    (section 3.2); those beside attention only below 256 channels. So does attention bring its
    resolution back."""
    attn_mlp_ratio: Annotated[int, Field(ge=1, le=1_024)] = 4
    """Hidden channels of the MLP for each of its own."""
    norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation of the convolutions."""
    act_layer: Activation = "hard_swish"
    """Activation of the convolutions and the head."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each MLP."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        convs = self.plan().convs()
        for conv in convs:
            counts = (
                conv.in_channels,
                conv.hidden,
                *((conv.out_channels,) if self.groups_project and not conv.fused else ()),
            )
            if conv.hidden < 1:
                yield Conflict("an 'expand_ratio' leaves a block no inner channel", "expand_ratio")
                return
            if any(count % self.expand_groups for count in counts):
                yield Conflict(
                    f"'expand_groups' = {self.expand_groups} must divide the channels of each "
                    f"block; got {conv.in_channels} and {conv.hidden}",
                    "expand_groups",
                )
                return
        channels = [count for conv in convs for count in (conv.out_channels, conv.hidden)]
        yield from norm_conflicts(
            self.norm_layer, [self.width_list[0], self.head_widths[0], *channels]
        )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(channels, 4 * 2**index, f"stages.{index}")
            for index, channels in enumerate(self.width_list[1:])
        )

    @planned
    def plan(self) -> LowResolutionPlan:
        """Every block with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depth_list)))
        width, depth = self.width_list[0], self.depth_list[0]
        stem = [self._residual(width, self.stem_expand_ratio, next(rates)) for _ in range(depth)]
        ratios = self.downsample_expand_ratios or (self.expand_ratio,) * 4
        stages: list[StagePlan] = []
        for index, (channels, depth, ratio) in enumerate(
            zip(self.width_list[1:], self.depth_list[1:], ratios, strict=True)
        ):
            attends = index >= 2
            down = ConvPlan(
                in_channels=width,
                out_channels=channels,
                hidden=round(width * ratio),
                stride=2,
                fused=self._fuses_down(attends),
                drop_path_rate=0.0 if attends else next(rates),
            )
            rest = depth if attends else depth - 1
            convs = [self._residual(channels, self.expand_ratio, next(rates)) for _ in range(rest)]
            if attends:
                convs = [self._local(conv) for conv in convs]
            stages.append(StagePlan(down, tuple(convs), self._attention(channels, index)))
            width = channels
        return LowResolutionPlan(tuple(stem), tuple(stages))

    def _fuses_down(self, attends: bool) -> bool:
        """Whether the block is fused with which a stage, that attends or does not, subsamples."""
        return self.fused_conv

    def _residual(self, width: int, ratio: float, rate: float) -> ConvPlan:
        return ConvPlan(width, width, round(width * ratio), 1, self.fused_conv, rate)

    def _local(self, conv: ConvPlan) -> ConvPlan:
        """A residual block as it stands beside attention."""
        fused = conv.fused and conv.in_channels < _FUSED_BELOW
        return replace(conv, fused=fused, bias=True)

    def _attention(self, width: int, stage: int) -> AttentionPlan | None:
        if stage < 2:
            return None
        heads = max(1, width // 2 // _HEAD_CHANNELS)
        stride = 2 if stage == 2 else 1
        return AttentionPlan(width, heads, width // heads // 2, stride, 2 * stride + 1)


@dataclass(frozen=True, slots=True)
class ConvPlan:
    """One convolutional block, with every number decided."""

    in_channels: int
    out_channels: int
    hidden: int
    stride: int
    fused: bool
    """Whether it expands by one full convolution."""
    drop_path_rate: float
    kernel_size: int = 3
    """Side of the kernel that is not pointwise."""
    bias: bool = False
    """Whether convolutions that expand have a bias."""
    norm: LocalNorm = "proj"
    """What is normalised where the block is not fused, and then has no bias."""


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """The attention of a stage's blocks."""

    channels: int
    num_heads: int
    head_dim: int
    stride: int
    """Positions of the map for each at which attention is computed, in each direction."""
    kernel_size: int
    """Side of the kernel that subsamples."""
    upsample: Upsampling = "transpose"


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A block that subsamples, and others."""

    down: ConvPlan
    convs: tuple[ConvPlan, ...]
    attention: AttentionPlan | None
    """That of the other blocks; None where they are convolutional alone."""


@dataclass(frozen=True, slots=True)
class LowResolutionPlan:
    """The whole network, with every number decided."""

    stem: tuple[ConvPlan, ...]
    """The blocks behind the stem's convolution."""
    stages: tuple[StagePlan, ...]

    def convs(self) -> list[ConvPlan]:
        """Every convolutional block."""
        return [*self.stem, *(conv for stage in self.stages for conv in (stage.down, *stage.convs))]
