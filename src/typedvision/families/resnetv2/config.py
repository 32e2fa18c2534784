"""ResNet V2 as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    norm_conflicts,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.resnetv2.model import ResNetV2

StemType = Literal["", "fixed", "same", "deep", "deep_fixed", "deep_same", "tiered"]
NormName = Literal[ConvNormAct, "frntlu"]


class ResNetV2Config(ModelConfig, Builds["ResNetV2"]):
    """A residual network whose blocks normalise first (https://arxiv.org/abs/1603.05027), and Big
    Transfer (https://arxiv.org/abs/1912.11370), whose convolutions are standardised."""

    layers: tuple[Depth, Depth, Depth, Depth]
    """Number of blocks of each stage."""
    channels: tuple[Channels, Channels, Channels, Channels] = (256, 512, 1024, 2048)
    """Output channels of each stage, before `width_factor`."""
    width_factor: Ratio = 1
    """Factor of all channels, which are then rounded to multiples of 8."""
    stem_chs: Channels = 64
    """Output channels of the stem, before `width_factor`."""
    stem_type: StemType = ""
    """One 7x7 convolution; three 3x3 ones (`deep`), or three of growing width (`tiered`). Its max
    pooling pads with what no maximum is; with zeros (`fixed`), as Big Transfer does; or below and
    right alone (`same`)."""
    avg_down: bool = False
    """Subsample the shortcut by average pooling before its convolution (ResNet-D)."""
    preact: bool = True
    """Normalise before each convolution, and once after the last block; or after each, as the first
    ResNet does."""
    basic: bool = False
    """Make blocks of two 3x3 convolutions, and not of 1x1, 3x3 and 1x1 ones."""
    bottle_ratio: Ratio = 0.25
    """Channels inside of a block, as a share of its output channels."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: NormName = "groupnorm"
    """Normalisation; `frntlu` is filter response normalisation with its own threshold
    (https://arxiv.org/abs/1911.09737)."""
    conv_layer: Literal["conv2d", "std_conv2d"] = "std_conv2d"
    """Convolution; the weights of `std_conv2d` are standardised before use
    (https://arxiv.org/abs/1903.10520)."""
    conv_eps: Eps | None = None
    """Added to the variance of standardised weights; None for 1e-6."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""
    zero_init_last: bool = False
    """Initialise the last convolution of each residual branch to 0, or its normalisation where that
    comes last, so that blocks are the identity at first."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.basic and not self.preact:
            yield Conflict(
                "'preact' must be true where 'basic' is: such blocks normalise first", "preact"
            )
        if self.conv_eps is not None and self.conv_layer == "conv2d":
            yield Conflict(
                "'conv_eps' means nothing to 'conv_layer' = 'conv2d': leave it out, or convolve by "
                "'std_conv2d'",
                "conv_eps",
            )
        yield from norm_conflicts(self.norm_layer, self._normalized())

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem before its pooling, and the four stages."""
        plan = self.plan()
        number = "" if len(plan.stem) == 1 else str(len(plan.stem))
        last = f"stem.conv{number}" if self.preact else f"stem.act{number}"
        return FeatureSpec(plan.stem[-1], 2, last), *(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(plan.stages)
        )

    @planned
    def plan(self) -> ResNetV2Plan:
        """Every block with its numbers."""
        stem = self._stem()
        steps = staged((1, 2, 2, 2), reduction=4, output_stride=self.output_stride)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.layers)))
        in_channels, stages = stem[-1], []
        for channels, depth, step in zip(self.channels, self.layers, steps, strict=True):
            out_channels = round_channels(channels * self.width_factor)
            blocks = []
            for first in (True, *(False,) * (depth - 1)):
                stride = step.stride if first else 1
                first_dilation = step.first_dilation if first else step.dilation
                changes = in_channels != out_channels or first_dilation != step.dilation
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        width=round_channels(out_channels * self.bottle_ratio),
                        out_channels=out_channels,
                        stride=stride,
                        first_dilation=first_dilation,
                        dilation=step.dilation,
                        project=changes or stride != 1,
                        drop_path_rate=next(rates),
                    )
                )
                in_channels = out_channels
            stages.append(StagePlan(tuple(blocks), out_channels, step.reduction))
        return ResNetV2Plan(stem, tuple(stages))

    def _stem(self) -> tuple[int, ...]:
        """Output channels of each convolution of the stem."""
        width = round_channels(self.stem_chs * self.width_factor)
        match self.stem_type.partition("_")[0]:
            case "deep":
                return width // 2, width // 2, width
            case "tiered":
                return 3 * width // 8, width // 2, width
            case _:
                return (width,)

    def _normalized(self) -> Iterator[int]:
        """The number of channels of each map that is normalised."""
        plan = self.plan()
        yield from plan.stem[:-1] if self.preact else plan.stem
        for stage in plan.stages:
            yield stage.channels
            for block in stage.blocks:
                yield from (block.in_channels, block.width)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One residual block, with every number decided."""

    in_channels: int
    width: int
    """Channels inside of the block."""
    out_channels: int
    stride: int
    """Stride of the 3x3 convolution that subsamples."""
    first_dilation: int
    """Dilation of the 3x3 convolution that subsamples."""
    dilation: int
    """Dilation of the other 3x3 convolutions, and of the average on the shortcut."""
    project: bool
    """Whether the shortcut has a convolution."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of residual blocks."""

    blocks: tuple[BlockPlan, ...]
    channels: int
    """Output channels."""
    reduction: int
    """Input pixels for each position of its output."""


@dataclass(frozen=True, slots=True)
class ResNetV2Plan:
    """The whole network, with every number decided."""

    stem: tuple[int, ...]
    """Output channels of each convolution of the stem."""
    stages: tuple[StagePlan, ...]
