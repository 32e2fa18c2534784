"""EfficientViT of MIT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
    ModelConfig,
    Ratio,
    planned,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.efficientvit_mit.model import EfficientVit

LARGE_RATIO = 4
"""Hidden channels of a block of a large model, for each of its own."""
LARGE_ATTENTION_RATIO = 6
"""Hidden channels of the convolutions beside attention in a large model, for each of their own."""


class EfficientVitConfig(ModelConfig, Builds["EfficientVit"]):
    """An EfficientViT (https://arxiv.org/abs/2205.14756): linear attention over several scales."""

    large: bool = False
    """Have the blocks of the large models (L1 to L3), full convolutions at high resolution and
    attention in the last stage only; those of B0 to B3 otherwise."""
    widths: tuple[Channels, Channels, Channels, Channels, Channels] = (8, 16, 32, 64, 128)
    """Channels of the stem and of each stage."""
    depths: tuple[Depth, Depth, Depth, Depth, Depth] = (1, 2, 2, 2, 2)
    """Number of blocks of the stem and of each stage; the block that subsamples counts in the first
    two stages where `large` is false, and nowhere else."""
    head_dim: Channels = 32
    """Channels of a query, a key and a value, in each attention head."""
    expand_ratio: Ratio = 4
    """Hidden channels of a convolutional block for each that comes in, where `large` is false."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation; 1e-5 in any case behind the convolution of the
    head."""
    act_layer: Activation = "hard_swish"
    """Activation; where `large` is false, the head has `hard_swish` in any case."""
    head_widths: tuple[Channels, Channels] = (1024, 1280)
    """Outputs of the convolution before the pooling, and of the layer behind it."""
    global_pool: Literal["avg", "max", "avgmax"] = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.large and self.expand_ratio != 4:
            yield Conflict(
                "'expand_ratio' means nothing where 'large' is true: leave it out", "expand_ratio"
            )
        if any(width < self.head_dim for width in self.widths[4 if self.large else 3 :]):
            yield Conflict(
                f"'head_dim' must be at most the 'widths' of the stages with attention; got "
                f"{self.head_dim} of {self.widths}",
                "head_dim",
            )
        elif any(conv.hidden < 1 for conv in self._convolutions()):
            yield Conflict("'expand_ratio' leaves no hidden channel: raise it", "expand_ratio")

    def _convolutions(self) -> Iterator[ConvPlan]:
        stem, stages = self.plan()
        for block in (*stem, *(block for stage in stages for block in stage)):
            yield block.conv if isinstance(block, AttentionPlan) else block

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return halving_levels(self.widths[1:])

    @planned
    def plan(self) -> tuple[tuple[ConvPlan, ...], tuple[StagePlan, ...]]:
        """The blocks of the stem behind its first convolution, and those of each stage."""
        width = self.widths[0]
        block = ConvPlan("plain" if self.large else "separable", width, width, width)
        stage = self._large_stage if self.large else self._stage
        return (block,) * self.depths[0], tuple(stage(index) for index in range(4))

    def _stage(self, index: int) -> StagePlan:
        """A stage of B0 to B3."""
        before, width = self.widths[index : index + 2]
        attends, depth = index >= 2, self.depths[index + 1]
        inner, outer = (round(channels * self.expand_ratio) for channels in (width, before))
        first = ConvPlan("inverted", before, outer, width, stride=2, normed=not attends)
        if not attends:
            return first, *((ConvPlan("inverted", width, inner, width),) * (depth - 1))
        conv = ConvPlan("inverted", width, inner, width, normed=False)
        return first, *((AttentionPlan(width // self.head_dim, self.head_dim, conv),) * depth)

    def _large_stage(self, index: int) -> StagePlan:
        """A stage of L1 to L3."""
        before, width = self.widths[index : index + 2]
        attends, normed, depth = index == 3, index < 2, self.depths[index + 1]
        kind: ConvKind = "fused" if index < 2 else "inverted"
        ratio = LARGE_ATTENTION_RATIO if attends else LARGE_RATIO
        first = ConvPlan(kind, before, 4 * ratio * before, width, stride=2, normed=normed)
        conv = ConvPlan(kind, width, ratio * width, width, normed=normed)
        if not attends:
            return first, *((conv,) * depth)
        return first, *((AttentionPlan(width // self.head_dim, self.head_dim, conv),) * depth)


ConvKind = Literal["separable", "plain", "fused", "inverted"]


@dataclass(frozen=True, slots=True)
class ConvPlan:
    """A convolutional block."""

    kind: ConvKind
    """A depthwise and a pointwise convolution, two full ones, a full and a pointwise one, or a
    depthwise one between pointwise ones."""
    in_channels: int
    hidden: int
    channels: int
    stride: int = 1
    """Where it is 1, there is a shortcut."""
    normed: bool = True
    """Whether each convolution is normalised; the last one is in any case, the others have a bias
    otherwise."""


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """Attention, and a convolutional block."""

    num_heads: int
    """Heads of each scale."""
    head_dim: int
    conv: ConvPlan


StagePlan = tuple[ConvPlan | AttentionPlan, ...]
