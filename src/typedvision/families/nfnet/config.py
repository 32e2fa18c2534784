"""Normalizer-free networks as data: what can vary, and every number that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Config,
    Depth,
    Eps,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ChannelAttention, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.nfnet.model import NormFreeNet

Nonlinear = Literal[
    "celu",
    "elu",
    "gelu",
    "leaky_relu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "tanh",
]
"""An activation whose factor is known."""

GAMMAS: dict[Nonlinear, float] = {
    "celu": 1.270926833152771,
    "elu": 1.2716004848480225,
    "gelu": 1.7015043497085571,
    "leaky_relu": 1.70590341091156,
    "relu": 1.7139588594436646,
    "relu6": 1.7131484746932983,
    "selu": 1.0008515119552612,
    "sigmoid": 4.803835391998291,
    "silu": 1.7881293296813965,
    "tanh": 1.5939117670059204,
}
"""What scales each activation of normal noise to a variance of 1 (NF-ResNet, section 4.1)."""

StemType = Literal[
    "", "deep", "deep_tiered", "deep_quad", "3x3", "7x7", "deep_pool", "3x3_pool", "7x7_pool"
]
Four = tuple[Channels, Channels, Channels, Channels]
_NOTHING_INSIDE: tuple[ChannelAttention, ...] = ("ese", "eca", "ceca")
"""Attentions that have no channels inside to reduce."""


class AttentionArgs(Config):
    """How the attention of every block is made."""

    rd_ratio: Ratio | None = None
    """Channels inside of the attention, as a share of those outside; None for the paper's."""
    rd_divisor: Annotated[Literal[8], Whole] = 8
    """The channels inside are a multiple of this."""


class NormFreeNetConfig(ModelConfig, Builds["NormFreeNet"]):
    """A residual network whose signal keeps its variance without normalisations: NF-ResNet and
    NF-RegNet (https://arxiv.org/abs/2101.08692), NFNet (https://arxiv.org/abs/2102.06171)."""

    depths: tuple[Depth, Depth, Depth, Depth]
    """Number of blocks of each stage."""
    channels: Four = (256, 512, 1536, 1536)
    """Output channels of each stage, before `width_factor`."""
    alpha: Annotated[float, Field(ge=0.0, le=16.0)] = 0.2
    """Factor of each residual branch."""
    stem_type: StemType = "3x3"
    """One convolution with stride 2 (`""` means 7x7); three 3x3 ones (`deep`; `deep_tiered` of
    growing width), or four with a stride of 4 in all (`deep_quad`); `_pool` for a max pooling
    after them."""
    stem_chs: Channels | None = None
    """Output channels of the stem, before `width_factor`; None for those of the first stage."""
    group_size: Channels | None = None
    """Channels of each group of the 3x3 convolutions; None for one group."""
    attn_layer: ChannelAttention | None = None
    """Attention over channels in each residual branch."""
    attn_kwargs: AttentionArgs = AttentionArgs()
    """How the attention is made."""
    attn_gain: Annotated[float, Field(ge=0.0, le=1_024.0)] = 2.0
    """Factor of the attention's output, which halves the signal by itself."""
    width_factor: Ratio = 1.0
    """Factor of all numbers of channels."""
    bottle_ratio: Ratio = 0.5
    """Channels inside of a block for each that it puts out, or with `reg` takes in."""
    num_features: Annotated[int, Field(ge=0, le=65_536)] = 0
    """Output channels of a last 1x1 convolution, before `width_factor`; 0 for none."""
    ch_div: Channels = 8
    """All numbers of channels are multiples of this."""
    reg: bool = False
    """Lay out blocks as RegNets do: widths by what goes in, attention after the 3x3 convolution."""
    extra_conv: bool = False
    """Whether each block has a second 3x3 convolution (NFNet, section 4)."""
    gamma_in_act: bool = False
    """Scale the activations, and not the weights of the convolutions after them."""
    same_padding: bool = False
    """Pad convolutions as TensorFlow does."""
    std_conv_eps: Eps = 1e-5
    """Added to the variance of the weights of a convolution's output channel."""
    skipinit: bool = False
    """Scale each residual branch by one learned number, at first 0, and not by the gains of its
    last convolution."""
    zero_init_fc: bool = False
    """Initialise the classifier's weights to 0."""
    act_layer: Nonlinear = "silu"
    """Activation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if self.attn_kwargs.rd_ratio is not None and (
            self.attn_layer is None or self.attn_layer in _NOTHING_INSIDE
        ):
            yield Conflict(
                f"'attn_kwargs' has nothing to reduce in 'attn_layer' = {self.attn_layer!r}: "
                "leave 'rd_ratio' out",
                "attn_kwargs",
            )
        if not all(conv.channels for conv in self.plan().stem):
            yield Conflict(
                f"'stem_chs' must give at least 8 channels where 'stem_type' is "
                f"'{self.stem_type}'; got {self.plan().stem[-1].channels}",
                "stem_chs",
            )
        yield from self._group_conflicts()

    def _group_conflicts(self) -> Iterator[Conflict]:
        blocks = [block for stage in self.plan().stages for block in stage.blocks]
        for block in blocks:
            if not block.groups or block.width % block.groups:
                yield Conflict(
                    f"'group_size' = {self.group_size} must divide the {block.width} channels "
                    "inside of a block: choose another 'group_size', 'bottle_ratio' or 'channels'",
                    "group_size",
                )
                return

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem at half of the input size, and each stage; the last convolution stands for the
        last stage, where there is one."""
        plan = self.plan()
        *_, last = plan.stages
        levels = [
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(plan.stages)
        ]
        if self.num_features:
            levels[-1] = FeatureSpec(plan.num_features, last.reduction, "final_conv")
        stem = plan.stem[plan.stem_level]
        return (FeatureSpec(stem.channels, 2, f"stem.{stem.name}"), *levels)

    @planned
    def plan(self) -> NormFreeNetPlan:
        """Every number of the network."""
        stem = self._stem()
        pools = self.stem_type.endswith("pool")
        reduction = math.prod(conv.stride for conv in stem) * (2 if pools else 1)
        stages: list[StagePlan] = []
        variance, in_channels = 1.0, stem[-1].channels
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        strides = (1 if reduction > 2 else 2, 2, 2, 2)
        steps = staged(strides, reduction=reduction, output_stride=self.output_stride)
        for channels, depth, step in zip(self.channels, self.depths, steps, strict=True):
            out_channels, blocks = self._rounded(channels), []
            for index in range(depth):
                first = index == 0
                width, groups = self._width(in_channels, out_channels, not stages and first)
                stride = step.stride if first else 1
                dilation = step.first_dilation if first else step.dilation
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        out_channels=out_channels,
                        width=width,
                        groups=groups,
                        stride=stride,
                        first_dilation=dilation,
                        dilation=step.dilation,
                        project=in_channels != out_channels
                        or stride != 1
                        or dilation != step.dilation,
                        beta=variance**-0.5,
                        drop_path_rate=next(rates),
                    )
                )
                # A projection starts again from the variance of what it is given.
                variance = (1.0 if first else variance) + self.alpha**2
                in_channels = out_channels
            stages.append(StagePlan(out_channels, step.reduction, tuple(blocks)))
        num_features = self._rounded(self.num_features) if self.num_features else in_channels
        return NormFreeNetPlan(stem, pools, tuple(stages), num_features)

    def _stem(self) -> tuple[StemConv, ...]:
        """The convolutions of the stem."""
        last = self._rounded(self.stem_chs or self.channels[0])
        widths: tuple[int, ...]
        match self.stem_type.removesuffix("_pool"):
            case "deep_quad":
                widths = (last // 8, last // 4, last // 2, last)
            case "deep_tiered":
                widths = (3 * last // 8, last // 2, last)
            case "deep":
                widths = (last // 2, last // 2, last)
            case kind:
                return (StemConv("conv", last, 3 if kind == "3x3" else 7, 2),)
        strides = (2, 1, 1, 2)  # the last one of the four
        return tuple(
            StemConv(f"conv{index + 1}", width, 3, strides[index])
            for index, width in enumerate(widths)
        )

    def _width(self, in_channels: int, out_channels: int, first: bool) -> tuple[int, int]:
        """Channels inside of a block, and groups of its 3x3 convolutions."""
        ratio = 1.0 if self.reg and first else self.bottle_ratio
        width = round_channels((in_channels if self.reg else out_channels) * ratio, self.ch_div)
        if self.group_size is None:
            return width, 1
        groups = width // self.group_size
        return (width if self.group_size % self.ch_div else self.group_size * groups), groups

    def _rounded(self, channels: int) -> int:
        return round_channels(channels * self.width_factor, self.ch_div)


@dataclass(frozen=True, slots=True)
class StemConv:
    """One convolution of the stem."""

    name: str
    channels: int
    """Output channels."""
    kernel_size: int
    stride: int


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One residual block."""

    in_channels: int
    out_channels: int
    width: int
    """Channels inside."""
    groups: int
    """Groups of the 3x3 convolutions."""
    stride: int
    first_dilation: int
    """Dilation of the first 3x3 convolution."""
    dilation: int
    """Dilation of the second one."""
    project: bool
    """Whether the shortcut has a convolution."""
    beta: float
    """Factor of the input, which brings its expected variance to 1."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    channels: int
    reduction: int
    """Input pixels for each position of its output."""
    blocks: tuple[BlockPlan, ...]


@dataclass(frozen=True, slots=True)
class NormFreeNetPlan:
    """The whole network, with every number decided."""

    stem: tuple[StemConv, ...]
    pools: bool
    """Whether a max pooling ends the stem."""
    stages: tuple[StagePlan, ...]
    num_features: int
    """Channels of the last map."""

    @property
    def stem_level(self) -> int:
        """The convolution of the stem that gives the first feature level: the last but one."""
        return max(len(self.stem) - 2, 0)
