"""LowFormer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    planned,
    undivided_channels,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.lowformer.model import LowFormer

BlockCount = Annotated[int, Field(ge=0, le=1_024)]

_FUSED_BELOW = 256
"""Blocks beside attention are not fused from so many channels on."""
_HEAD_CHANNELS = 30
"""Least channels of an attention head, where there are several."""


class LowFormerConfig(ModelConfig, Builds["LowFormer"]):
    """A LowFormer (https://arxiv.org/abs/2409.03460): attention at a low resolution."""

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
    """Groups of the convolutions that expand, and of those that project where they are not
    fused."""
    fused_conv: bool = True
    """Whether blocks expand by one full convolution, and not by a pointwise and a depthwise one
    (section 3.2); those beside attention only below 256 channels. So does attention bring its
    resolution back."""
    attn: bool = True
    """Whether the blocks of the last two stages have attention."""
    attn_mlp: bool = True
    """Whether they have an MLP, and normalise what they attend to."""
    attn_mlp_ratio: Annotated[int, Field(ge=1, le=1_024)] = 4
    """Hidden channels of the MLP for each of its own."""
    norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation of the convolutions."""
    act_layer: Activation = "hard_swish"
    """Activation of the convolutions and the head."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each MLP."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for name, value in (("attn_mlp_ratio", 4), ("proj_drop_rate", 0.0)):
            if not self.attn_mlp and getattr(self, name) != value:
                yield Conflict(
                    f"'{name}' means nothing where 'attn_mlp' is false: leave it out", name
                )
        if self.attn and min(self.width_list[3:]) < 2:
            yield Conflict("'width_list' must be at least 2 where 'attn' is true", "width_list")
        if self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax': the layer behind it takes one feature for "
                "each channel; pool by 'avgmax'",
                "global_pool",
            )
        convs = self.plan().convs()
        for conv in convs:
            counts = (conv.in_channels, conv.hidden, *(() if conv.fused else (conv.out_channels,)))
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
        yield from undivided_channels(
            self.norm_layer, [self.width_list[0], self.head_widths[0], *channels]
        )
        if self.norm_layer == "simplenorm2d" and min(self.width_list[0], *channels) < 2:
            yield Conflict("'norm_layer' = 'simplenorm2d' takes at least 2 channels", "norm_layer")

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(channels, 4 * 2**index, f"stages.{index}")
            for index, channels in enumerate(self.width_list[1:])
        )

    @planned
    def plan(self) -> LowFormerPlan:
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
            rate = 0.0 if attends else next(rates)
            hidden = round(width * ratio)
            down = ConvPlan(width, channels, hidden, 2, fused=self.fused_conv, drop_path_rate=rate)
            rest = depth if attends else depth - 1
            convs = (
                self._residual(channels, self.expand_ratio, next(rates), attends=attends)
                for _ in range(rest)
            )
            stages.append(StagePlan(down, tuple(convs), self._attention(channels, index)))
            width = channels
        return LowFormerPlan(tuple(stem), tuple(stages))

    def _residual(
        self, width: int, ratio: float, rate: float, *, attends: bool = False
    ) -> ConvPlan:
        fused = self.fused_conv and not (attends and width >= _FUSED_BELOW)
        return ConvPlan(width, width, round(width * ratio), 1, fused=fused, drop_path_rate=rate)

    def _attention(self, width: int, stage: int) -> AttentionPlan | None:
        if stage < 2:
            return None
        heads = max(1, width // 2 // _HEAD_CHANNELS)
        return AttentionPlan(width, heads, width // heads // 2, stride=2 if stage == 2 else 1)


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


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """The attention of a stage's blocks."""

    channels: int
    num_heads: int
    head_dim: int
    stride: int
    """Positions of the map for each at which attention is computed, in each direction."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A block that subsamples, and others."""

    down: ConvPlan
    convs: tuple[ConvPlan, ...]
    attention: AttentionPlan | None
    """That of the other blocks; None where they are convolutional alone."""


@dataclass(frozen=True, slots=True)
class LowFormerPlan:
    """The whole network, with every number decided."""

    stem: tuple[ConvPlan, ...]
    """The blocks behind the stem's convolution."""
    stages: tuple[StagePlan, ...]

    def convs(self) -> list[ConvPlan]:
        """Every convolutional block."""
        return [*self.stem, *(conv for stage in self.stages for conv in (stage.down, *stage.convs))]
