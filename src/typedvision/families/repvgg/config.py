"""RepVGG as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from typedvision.config.base import (
    Builds,
    Channels,
    Config,
    Count,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.repvgg.model import RepVGG


class SqueezeExciteArgs(Config):
    """Channels inside of squeeze-and-excitation."""

    rd_ratio: Ratio = 1 / 16
    """Channels inside, as a share of those outside."""
    rd_divisor: Channels = 8
    """What divides the channels inside."""


class RepVGGConfig(ModelConfig, Builds["RepVGG"]):
    """A RepVGG (https://arxiv.org/abs/2101.03697): 3x3 convolutions alone, once it is trained."""

    depths: tuple[Depth, Depth, Depth, Depth]
    """Number of blocks of each stage (table 2)."""
    dims: tuple[Channels, Channels, Channels, Channels]
    """Channels of each stage."""
    stem_chs: Channels = 64
    """Channels of the block before the stages."""
    num_features: Count = 0
    """Channels of a 1x1 convolution after the stages; 0 for no such layer."""
    width_factor: Ratio = 1.0
    """Factor of all these channels."""
    groups: Channels = 1
    """Groups of the convolutions of every second block (section 3.4)."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    act_layer: Activation = "relu"
    """Activation of each block."""
    attn_layer: Literal["se"] | None = None
    """Attention over channels at the end of each block."""
    attn_kwargs: SqueezeExciteArgs = SqueezeExciteArgs()
    """How wide the attention is."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's convolutions beside its shortcut; grows linearly
    from 0."""
    inference_mode: bool = False
    """Whether each block is one convolution, which `typedvision.fuse` makes of the branches that it
    has in training."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for block in self.plan().blocks:
            if block.in_channels % block.groups or block.out_channels % block.groups:
                yield Conflict(
                    f"'groups' = {self.groups} cannot divide the {block.in_channels} and "
                    f"{block.out_channels} channels of a block: choose other 'dims'",
                    "groups",
                )
                break
        if self.attn_layer is None and self.attn_kwargs != SqueezeExciteArgs():
            yield Conflict(
                "'attn_kwargs' has no effect without an attention: set 'attn_layer' to 'se', or "
                "leave it out",
                "attn_kwargs",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, the first three stages, and what follows the fourth."""
        plan = self.plan()
        stem = FeatureSpec(plan.stem.out_channels, 2, "stem")
        *stages, last = (
            FeatureSpec(stage[-1].out_channels, reduction, f"stages.{index}")
            for index, (stage, reduction) in enumerate(
                zip(plan.stages, plan.reductions, strict=True)
            )
        )
        return stem, *stages, FeatureSpec(plan.features, last.stride, "final_conv")

    @planned
    def plan(self) -> RepVGGPlan:
        """Every block with its numbers."""
        in_channels = max(round(self.stem_chs * self.width_factor), 1)
        stem = BlockPlan(self.in_chans, in_channels, 2, 1, 1, False, 0.0)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        steps = list(staged((2, 2, 2, 2), reduction=2, output_stride=self.output_stride))
        number, stages = 0, []
        for depth, dim, step in zip(self.depths, self.dims, steps, strict=True):
            channels, blocks = round_channels(dim * self.width_factor), []
            for position in range(depth):
                stride = step.stride if position == 0 else 1
                dilation = step.first_dilation if position == 0 else step.dilation
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        out_channels=channels,
                        stride=stride,
                        dilation=dilation,
                        groups=self.groups if number % 2 else 1,
                        identity=in_channels == channels
                        and stride == 1
                        and dilation == step.dilation,
                        drop_path_rate=next(rates),
                    )
                )
                in_channels, number = channels, number + 1
            stages.append(tuple(blocks))
        last = round(self.num_features * self.width_factor)
        return RepVGGPlan(
            stem=stem,
            stages=tuple(stages),
            reductions=tuple(step.reduction for step in steps),
            last_channels=last,
            features=last or in_channels,
        )


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    in_channels: int
    out_channels: int
    stride: int
    dilation: int
    groups: int
    identity: bool
    """Whether there is a shortcut."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class RepVGGPlan:
    """The whole network, with every number decided."""

    stem: BlockPlan
    stages: tuple[tuple[BlockPlan, ...], ...]
    reductions: tuple[int, ...]
    """Input pixels for each position of the output of each stage."""
    last_channels: int
    """Output channels of the convolution after the stages; 0 for none."""
    features: int
    """Channels of the last feature map."""

    @property
    def blocks(self) -> tuple[BlockPlan, ...]:
        """Every block of every stage."""
        return tuple(block for stage in self.stages for block in stage)
