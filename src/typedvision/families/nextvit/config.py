"""Next-ViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    KernelSize,
    ModelConfig,
    Rate,
    Whole,
    norm_conflicts,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.nextvit.model import NextViT

Stride = Annotated[Literal[1, 2], Whole]
USUAL = 224
"""Height and width in pixels of an image that every model takes."""
GROUP = 5
"""Blocks of the third stage that end in a transformer block; what is over is left out."""
CONVOLVED = (96, 192, 384, 768)
"""Channels of each stage's convolution blocks (table 3)."""
ATTENDED = (96, 256, 512, 1024)
"""Channels of each stage's transformer blocks; the first stage has none."""


class NextVitConfig(ModelConfig, Builds["NextViT"]):
    """A network whose stages end in a transformer block, after blocks of convolutions
    (https://arxiv.org/abs/2207.05501)."""

    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    stem_chs: tuple[Channels, Channels, Channels] = (64, 32, 64)
    """Channels of the first convolutions; a fourth has as many as the third."""
    depths: tuple[Depth, Depth, Annotated[int, Field(ge=GROUP, le=1_024)], Depth] = (3, 4, 10, 3)
    """Number of blocks of each stage; the third has as many groups of five as fit."""
    strides: tuple[Stride, Stride, Stride, Stride] = (1, 2, 2, 2)
    """What the first block of each stage divides the resolution by."""
    sr_ratios: tuple[KernelSize, KernelSize, KernelSize, KernelSize] = (8, 4, 2, 1)
    """In each stage keys and values are means of this number squared of tokens, one after the other
    in the order of rows; the first stage has no attention, and its number no effect."""
    head_dim: Channels = 32
    """Channels of each head, of attentions and of convolutions by groups."""
    mix_block_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.75
    """Share of a transformer block's channels that attend; the others convolve. Rounded to a
    multiple of 32."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after an attention, and inside of each MLP."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.1
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation of maps, but for the patches before a transformer block, and for keys and
    values, which have that of batches."""
    act_layer: Activation = "relu"
    """Activation."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        channels = [*self.stem_chs]
        for stage in self.plan():
            for block in stage.blocks:
                channels += [block.features, block.attending, block.convolving]
        yield from norm_conflicts(self.norm_layer, (count for count in channels if count))
        for stage in self.plan():
            for block in stage.blocks:
                if block.attending and block.convolving < 1:
                    yield Conflict(
                        f"'mix_block_ratio' {self.mix_block_ratio} must leave channels that "
                        f"convolve, of {block.features}: choose a smaller one",
                        "mix_block_ratio",
                    )
                    return
                odd = [count for count in (block.attending, block.convolving) if count]
                if any(count % self.head_dim for count in odd):
                    yield Conflict(
                        f"'head_dim' {self.head_dim} must divide {' and '.join(map(str, odd))} "
                        "channels, whose shares 'mix_block_ratio' sets: choose 32",
                        "head_dim",
                    )
                    return
        for stage, ratio in zip(self.plan()[1:], self.sr_ratios[1:], strict=True):
            most = USUAL // stage.reduction
            if ratio > most:
                yield Conflict(
                    f"'sr_ratios' must leave keys of an image of {USUAL} pixels: at most {most} "
                    f"where a position has {stage.reduction}; got {ratio}",
                    "sr_ratios",
                )
                return

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return tuple(
            FeatureSpec(stage.blocks[-1].features, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = drop_path_rates(self.drop_path_rate, sum(self.depths))
        stages, channels, reduction, first = [], self.stem_chs[-1], 4, 0
        for index, (depth, stride) in enumerate(zip(self.depths, self.strides, strict=True)):
            reduction *= stride
            every = (0, depth, GROUP, depth)[index]
            count = depth // GROUP * GROUP if index == 2 else depth
            blocks = []
            for number in range(count):
                attends = every > 0 and (number + 1) % every == 0
                features = ATTENDED[index] if attends else CONVOLVED[index]
                attending = round_channels(int(features * self.mix_block_ratio), 32)
                blocks.append(
                    BlockPlan(
                        in_features=channels,
                        features=features,
                        stride=1 if number else stride,
                        attending=attending if attends else 0,
                        convolving=features - attending if attends else features,
                        reduction=self.sr_ratios[index] ** 2,
                        drop_path_rate=rates[first + number],
                    )
                )
                channels = features
            first += depth
            stages.append(StagePlan(reduction=reduction, blocks=tuple(blocks)))
        return tuple(stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """One block."""

    in_features: int
    features: int
    stride: int
    attending: int
    """Channels that attend; 0 for a block of convolutions."""
    convolving: int
    """Channels that convolve."""
    reduction: int
    """Tokens of which each key and value is the mean."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    reduction: int
    """Input pixels for each position of the map."""
    blocks: tuple[BlockPlan, ...]
