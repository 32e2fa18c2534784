"""CSPNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, AntiAlias, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, staged, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.cspnet.model import CspNet

T = TypeVar("T")
_STAGES = Field(min_length=1, max_length=8)


class CspNetConfig(ModelConfig, Builds["CspNet"]):
    """A cross-stage partial network (https://arxiv.org/abs/1911.11929): part of each stage's
    channels pass by its blocks; or a DarkNet (https://arxiv.org/abs/1804.02767), where all go
    through."""

    stage_type: Literal["csp", "cs3", "dark"]
    """Half of the channels pass by the blocks, with a convolution after the blocks (`csp`) or
    without (`cs3`); or none do (`dark`)."""
    block_type: Literal["bottle", "dark", "edge"] = "dark"
    """Residual block: 1x1, 3x3, 1x1 (`bottle`); 1x1, 3x3 (`dark`); or 3x3, 1x1 (`edge`)."""
    depth: Annotated[tuple[Depth, ...], _STAGES]
    """Number of blocks of each stage."""
    out_chs: Annotated[tuple[Channels, ...], _STAGES]
    """Output channels of each stage."""
    stride: Annotated[tuple[Annotated[Literal[1, 2], Whole], ...], _STAGES] = (2, 2, 2, 2)
    """What each stage divides the resolution by."""
    groups: Channels | Annotated[tuple[Channels, ...], _STAGES] = 1
    """Groups of the 3x3 convolutions; one for all stages, or one each."""
    block_ratio: Ratio | Annotated[tuple[Ratio, ...], _STAGES] = 1.0
    """Channels of the blocks for each of the stage's; one for all stages, or one each."""
    bottle_ratio: Ratio | Annotated[tuple[Ratio, ...], _STAGES] = 1.0
    """Channels inside of a block for each outside; one for all stages, or one each."""
    expand_ratio: Ratio | Annotated[tuple[Ratio, ...], _STAGES] = 1.0
    """Channels that are divided into halves for each of the stage's; one for all stages, or one
    each."""
    avg_down: bool = False
    """Subsample by an average and a 1x1 convolution, and not by a 3x3 convolution."""
    attn_layer: Literal["se"] | None = None
    """Attention over channels inside of each block."""
    rd_ratio: Ratio = 1 / 16
    """Channels inside of the attention, as a share of those outside."""
    cross_linear: bool = False
    """Whether the halves of `csp` come without an activation."""
    down_growth: bool = False
    """Whether what subsamples a stage of halves widens it, too."""
    stem_chs: Channels | Annotated[tuple[Channels, ...], Field(min_length=2, max_length=4)] = 32
    """Output channels of the stem's convolution, or of each of its convolutions."""
    stem_stride: Annotated[Literal[1, 2, 4], Whole] = 2
    """What the stem divides the resolution by; 4 by a pooling after its convolutions."""
    stem_kernel_size: Annotated[Literal[3, 6, 7], Whole] = 3
    """Kernel of the stem's convolutions; 6 halves the map as separate patches of 2 do."""
    act_layer: Activation = "leaky_relu"
    """Activation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    aa_layer: AntiAlias | None = None
    """Low-pass filter where a convolution or a pooling subsamples; not after an average."""
    zero_init_last: bool = True
    """Initialise the last normalisation of each block to 0, so that it is the identity at first."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        wrong = list(self._length_conflicts())
        yield from wrong or self._width_conflicts()
        if self.attn_layer is None and self.rd_ratio != 1 / 16:
            yield Conflict("'rd_ratio' has no effect without an 'attn_layer'", "rd_ratio")
        if self.stem_kernel_size == 6 and self.stem_stride == 1:
            yield Conflict(
                "'stem_kernel_size' = 6 needs 'stem_stride' = 2 or 4, which it halves the map with",
                "stem_kernel_size",
            )
        if self.stem_kernel_size == 6 and isinstance(self.stem_chs, tuple):
            yield Conflict(
                "'stem_kernel_size' = 6 is for one convolution: set 'stem_chs' to one number",
                "stem_kernel_size",
            )
        if self.stage_type == "dark":
            for name in ("expand_ratio", "cross_linear", "down_growth"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    yield Conflict(
                        f"'{name}' is for halves: leave it out where 'stage_type' is 'dark'", name
                    )
        if self.stage_type == "cs3" and self.cross_linear:
            yield Conflict("'cross_linear' is for 'stage_type' = 'csp'", "cross_linear")
        if self.aa_layer and self.avg_down and self.stem_stride != 4:
            yield Conflict(
                "'aa_layer' has nothing to filter where 'avg_down' averages: leave one out",
                "aa_layer",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def _length_conflicts(self) -> Iterator[Conflict]:
        yield from uneven_stages(
            self,
            "depth",
            "out_chs",
            "stride",
            "groups",
            "block_ratio",
            "bottle_ratio",
            "expand_ratio",
        )

    def _width_conflicts(self) -> Iterator[Conflict]:
        plan = self.plan()
        normalized = [*plan.stem_channels]
        for stage in plan.stages:
            normalized += [stage.down_channels, stage.half, stage.width, stage.channels]
            if stage.block_channels != stage.half or stage.half < 1:
                yield Conflict(
                    f"'block_ratio' makes {stage.block_channels} channels of the {stage.half} that "
                    "go into a block, which cannot be added: choose another",
                    "block_ratio",
                )
                return
            if stage.width < 1:
                yield Conflict("'bottle_ratio' leaves no channel inside: raise it", "bottle_ratio")
                return
            grouped = [stage.width]
            if self.block_type != "bottle":
                grouped.append(stage.block_channels)
            if stage.downsamples:
                grouped += [stage.in_channels, stage.down_channels]
            for channels in grouped:
                if channels % stage.groups:
                    yield Conflict(
                        f"'groups' = {stage.groups} cannot divide {channels} channels of a stage: "
                        "choose another",
                        "groups",
                    )
                    return
        yield from norm_conflicts(self.norm_layer, normalized)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution."""
        return tuple(level for level in self.plan().levels if level)

    @planned
    def plan(self) -> CspNetPlan:
        """Every stage with its numbers."""
        stem = self.stem_chs if isinstance(self.stem_chs, tuple) else (self.stem_chs,)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depth)))
        steps = staged(self.stride, reduction=self.stem_stride, output_stride=self.output_stride)
        rows = zip(
            self.depth,
            self.out_chs,
            self.stride,
            self._each(self.groups),
            self._each(self.block_ratio),
            self._each(self.bottle_ratio),
            self._each(self.expand_ratio),
            steps,
            strict=True,
        )
        in_channels, stages = stem[-1], []
        for depth, channels, stride, groups, block_ratio, bottle_ratio, expand_ratio, step in rows:
            whole = self.stage_type == "dark"
            expanded = round(channels * expand_ratio)
            block_channels = round(channels * block_ratio)
            downsamples = stride > 1 or (whole and in_channels != channels)
            widens = downsamples and (whole or self.down_growth)
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    down_channels=channels if widens else in_channels,
                    half=channels if whole else expanded // 2,
                    block_channels=block_channels,
                    width=round(block_channels * bottle_ratio),
                    channels=block_channels if whole else channels,
                    downsamples=downsamples,
                    stride=step.stride,
                    first_dilation=step.first_dilation,
                    dilation=step.dilation,
                    groups=groups,
                    reduction=step.reduction,
                    drop_path_rates=tuple(islice(rates, depth)),
                )
            )
            in_channels = stages[-1].channels
        return CspNetPlan(stem, tuple(stages), tuple(self._levels(stem[-1], stages)))

    def _levels(self, width: int, stages: Sequence[StagePlan]) -> Iterator[FeatureSpec | None]:
        """The level that each layer of the stem and each stage gives: where the next subsamples."""
        count = len(self.stem_chs) if isinstance(self.stem_chs, tuple) else 1
        stem: list[FeatureSpec | None] = [None] * (count - 1)
        stem.append(FeatureSpec(width, min(self.stem_stride, 2), f"stem.conv{count}"))
        if self.stem_stride == 4:
            stem += [None] if self.aa_layer else []
            stem.append(FeatureSpec(width, 4, "stem.aa" if self.aa_layer else "stem.pool"))
        yield from stem[:-1]
        yield stem[-1] if self.stride[0] == 2 else None
        for index, stage in enumerate(stages):
            ends = index + 1 == len(stages) or self.stride[index + 1] == 2
            level = FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            yield level if ends else None

    def _each(self, value: T | tuple[T, ...]) -> Sequence[T]:
        return value if isinstance(value, tuple) else (value,) * len(self.depth)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage, with every number decided."""

    in_channels: int
    down_channels: int
    """Channels after what subsamples."""
    half: int
    """Channels that go into the blocks."""
    block_channels: int
    """Output channels of each block."""
    width: int
    """Channels inside of each block."""
    channels: int
    """Output channels."""
    downsamples: bool
    """Whether a convolution stands before the halves."""
    stride: int
    """Stride of that convolution; 1 where the blocks dilate instead."""
    first_dilation: int
    """Dilation of that convolution."""
    dilation: int
    """Dilation of the blocks."""
    groups: int
    reduction: int
    """Input pixels for each position of its output."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""


@dataclass(frozen=True, slots=True)
class CspNetPlan:
    """The whole network, with every number decided."""

    stem_channels: tuple[int, ...]
    """Output channels of each of the stem's convolutions."""
    stages: tuple[StagePlan, ...]
    levels: tuple[FeatureSpec | None, ...]
    """The feature level that each layer of the stem and each stage gives, where it is one."""
