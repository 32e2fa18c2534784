"""RDNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.rdnet.model import RDNet

MAX_STAGES = 64
UNIT = 8
"""Hidden and transition channels are multiples of it, rounded down."""

SMALLEST = 64
"""Height and width in pixels of the smallest image that every model takes."""

Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
BlockName = Literal["Block", "BlockESE"]
_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)


class RDNetConfig(ModelConfig, Builds["RDNet"]):
    """An RDNet, a modern DenseNet: each block adds channels to the map
    (https://arxiv.org/abs/2403.19588)."""

    growth_rates: Annotated[tuple[Channels, ...], _PER_STAGE] = (64, 104, 128, 128, 128, 128, 224)
    """Channels that a block adds, in each stage."""
    num_blocks_list: Annotated[tuple[Depth, ...], _PER_STAGE] = (3, 3, 3, 3, 3, 3, 3)
    """Number of blocks of each stage."""
    block_type: Annotated[tuple[BlockName, ...], _PER_STAGE] = (
        "Block",
        "Block",
        "BlockESE",
        "BlockESE",
        "BlockESE",
        "BlockESE",
        "BlockESE",
    )
    """Blocks of each stage, without or with a squeeze-and-excitation at their end (`BlockESE`)."""
    is_downsample_block: Annotated[tuple[bool | None, ...], _PER_STAGE] = (
        None,
        True,
        True,
        False,
        False,
        False,
        True,
    )
    """Whether the transition before each stage subsamples; None for the first, which has none."""
    bottleneck_width_ratio: Ratio = 4.0
    """Hidden channels of a block, for each channel of its input."""
    transition_compression_ratio: Annotated[float, Field(gt=0.0, le=4.0)] = 0.5
    """Channels that a transition leaves, for each of its input."""
    ls_init_value: Factor = 1e-6
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); 0 for no LayerScale."""
    stem_type: Literal["patch", "overlap"] = "patch"
    """One convolution of separate patches, or two 3x3 ones with stride 2."""
    patch_size: KernelSize = 4
    """Height and width in pixels of a patch of the stem."""
    num_init_features: Channels = 64
    """Channels of the stem."""
    head_init_scale: Factor = 1.0
    """Factor of the classifier's initial weights."""
    head_norm_first: bool = False
    """Normalise the last feature map before the pooling, and not what is pooled."""
    conv_bias: bool = True
    """Whether the stem's convolutions have a bias."""
    act_layer: Activation = "gelu"
    """Activation of the blocks."""
    norm_layer: Literal["batchnorm2d", "layernorm2d", "rmsnorm2d"] = "layernorm2d"
    """Normalisation."""
    norm_eps: Eps | None = None
    """Added to the variance in each normalisation; None for the usual value of the layer."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping what a block of the last stage adds; grows linearly from 0."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if uneven := uneven_stages(
            self, "growth_rates", "num_blocks_list", "block_type", "is_downsample_block"
        ):
            yield from uneven
            return
        if self.is_downsample_block[0] is not None or None in self.is_downsample_block[1:]:
            yield Conflict(
                "'is_downsample_block' must be None for the first stage, and true or false for the "
                f"others; got {self.is_downsample_block}",
                "is_downsample_block",
            )
        reduction = self.patch_size * 2 ** sum(map(bool, self.is_downsample_block))
        if reduction > SMALLEST:
            yield Conflict(
                f"'patch_size' {self.patch_size} and the 'is_downsample_block' must "
                f"leave a position of an image of {SMALLEST} pixels; they divide by {reduction}",
                "patch_size",
            )
        if self.stem_type == "overlap" and self.patch_size != 4:
            yield Conflict(
                "'patch_size' must be 4 where 'stem_type' is 'overlap', which has no patches",
                "patch_size",
            )
        if any(stage.channels < 1 for stage in self.plan().stages):
            yield Conflict(
                f"'transition_compression_ratio' {self.transition_compression_ratio} must leave "
                f"{UNIT} channels",
                "transition_compression_ratio",
            )
        elif any(hidden < 1 for stage in self.plan().stages for hidden in stage.hidden):
            yield Conflict(
                f"'bottleneck_width_ratio' {self.bottleneck_width_ratio} must leave each block "
                f"{UNIT} hidden channels",
                "bottleneck_width_ratio",
            )
        if self.global_pool == "catavgmax" and not self.head_norm_first:
            yield Conflict(
                "'global_pool' must not be 'catavgmax' where 'head_norm_first' is false: the "
                "normalisation after the pooling takes one feature for each channel",
                "global_pool",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution."""
        return tuple(
            FeatureSpec(stage.out_channels, stage.reduction, f"dense_stages.{index}")
            for index, stage in enumerate(self.plan().stages)
            if stage.ends
        )

    @planned
    def plan(self) -> RDNetPlan:
        """Every stage with its numbers."""
        count = len(self.growth_rates)
        rates = drop_path_rates(self.drop_path_rate, count)
        channels, reduction = self.num_init_features, self.patch_size
        stages: list[StagePlan] = []
        for index, (growth, blocks, down) in enumerate(
            zip(self.growth_rates, self.num_blocks_list, self.is_downsample_block, strict=True)
        ):
            in_channels = channels
            if index:
                channels = int(in_channels * self.transition_compression_ratio / UNIT) * UNIT
            reduction *= 2 if down else 1
            ratio = self.bottleneck_width_ratio
            widths = tuple(channels + growth * block for block in range(blocks))
            stage = StagePlan(
                in_channels=in_channels,
                channels=channels,
                growth=growth,
                widths=widths,
                hidden=tuple(int(width * ratio / UNIT) * UNIT for width in widths),
                gated=self.block_type[index] == "BlockESE",
                transition=index > 0,
                stride=2 if down else 1,
                ends=index + 1 == count or bool(self.is_downsample_block[index + 1]),
                reduction=reduction,
                drop_path_rate=rates[index],
            )
            stages.append(stage)
            channels = stage.out_channels
        return RDNetPlan(channels, tuple(stages))


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks between two transitions."""

    in_channels: int
    """Channels before the transition."""
    channels: int
    """Channels behind it."""
    growth: int
    """Channels that a block adds."""
    widths: tuple[int, ...]
    """Channels of each block's input."""
    hidden: tuple[int, ...]
    """Hidden channels of each block."""
    gated: bool
    """Whether the blocks end with a squeeze-and-excitation."""
    transition: bool
    """Whether a transition stands before the blocks."""
    stride: int
    """Stride of the transition."""
    ends: bool
    """Whether the stage is the last of its resolution."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    drop_path_rate: float

    @property
    def out_channels(self) -> int:
        """Channels behind the blocks."""
        return self.channels + self.growth * len(self.widths)


@dataclass(frozen=True, slots=True)
class RDNetPlan:
    """The whole network."""

    channels: int
    """Channels of the last map."""
    stages: tuple[StagePlan, ...]
