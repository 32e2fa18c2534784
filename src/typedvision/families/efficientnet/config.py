"""EfficientNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from typedvision.config.base import (
    Builds,
    Channels,
    Config,
    Count,
    Eps,
    ModelConfig,
    Rate,
    Whole,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, AntiAlias, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels

if TYPE_CHECKING:
    from typedvision.families.efficientnet.model import EfficientNet

MAX_BLOCKS = 1024
"""Blocks that a model may have."""

BlockKind = Literal["conv", "separable", "mbconv", "fused_mbconv"]
Kernel = Annotated[int, Field(ge=1, le=31)]

_ONLY_IN: dict[str, tuple[BlockKind, ...]] = {
    "exp_ratio": ("mbconv", "fused_mbconv"),
    "force_in_chs": ("fused_mbconv",),
    "se_ratio": ("separable", "mbconv", "fused_mbconv"),
    "group_size": ("separable", "mbconv", "fused_mbconv"),
    "pw_act": ("separable",),
    "s2d": ("separable",),
    "exp_splits": ("mbconv",),
    "pw_splits": ("mbconv",),
    "num_experts": ("mbconv",),
}


class Blocks(Config):
    """Equal blocks in a row; the first one may subsample and change the number of channels."""

    block: BlockKind
    """`conv`: one convolution; `separable`: a depthwise and a pointwise one (MobileNet);
    `mbconv`: a pointwise expansion before these (MobileNetV2's inverted residual);
    `fused_mbconv`: expansion and depthwise in one (EfficientNetV2)."""
    repeats: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of blocks, before the depth multiplier."""
    kernel_size: Kernel | Annotated[tuple[Kernel, ...], Field(max_length=6)] = 3
    """Kernel of the spatial convolution, odd; of several, each takes its share of the channels
    (MixNet)."""
    stride: Annotated[int, Field(ge=1, le=2)] = 1
    """Stride of the first block."""
    exp_ratio: Annotated[float, Field(gt=0.0, le=64.0)] = 1.0
    """Expansion: channels inside of the block for each of its input channels."""
    out_chs: Channels
    """Output channels, before the channel multiplier."""
    se_ratio: Rate = 0.0
    """Channels inside of squeeze-and-excitation for each input channel; 0 for none."""
    skip: bool = True
    """Add the input to the output where their shapes agree."""
    act_layer: Activation | None = None
    """Non-linearity; None for the model's."""
    group_size: Channels | None = None
    """Channels of a group of the spatial convolution; None for one, or all in `conv` and
    `fused_mbconv`."""
    force_in_chs: Channels | None = None
    """What the expansion multiplies, before the channel multiplier; None for the input channels."""
    pw_act: bool = False
    """End in a non-linearity (MobileNetV1)."""
    s2d: bool = False
    """Fold the map: a first convolution takes 2x2 positions to four times the channels, and the
    blocks put out four times `out_chs` (EfficientNet-X, https://arxiv.org/abs/2102.05610)."""
    exp_splits: Annotated[int, Field(ge=1, le=6)] = 1
    """Parts that the expansion treats on their own (MixNet)."""
    pw_splits: Annotated[int, Field(ge=1, le=6)] = 1
    """Parts that the last pointwise convolution treats on their own (MixNet)."""
    num_experts: Annotated[int, Field(ge=0, le=64)] = 0
    """Kernels that each convolution mixes, picture by picture (CondConv); 0 for plain ones."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for field, kinds in _ONLY_IN.items():
            if self.block not in kinds and getattr(self, field) != _default(field):
                owners = " or ".join(f"'{kind}'" for kind in kinds)
                yield Conflict(
                    f"'{field}' means nothing in a '{self.block}': "
                    f"leave it out, or set 'block' to {owners}",
                    field,
                )
        if not self.kernels or any(size % 2 == 0 for size in self.kernels):
            yield Conflict(f"'kernel_size' must be odd; got {self.kernel_size}", "kernel_size")
        if len(self.kernels) > 1 and self.block not in ("separable", "mbconv"):
            yield Conflict(
                f"'kernel_size' must be one number in a '{self.block}': "
                "only depthwise convolutions are split, so set 'block' to 'mbconv'",
                "kernel_size",
            )
        if self.s2d and (self.stride, self.kernel_size) != (1, 3):
            yield Conflict(
                "'s2d' subsamples by itself, for a 3x3 convolution: leave 'stride' and "
                "'kernel_size' alone",
                "s2d",
            )
        if len(self.kernels) > 1 and self.group_size:
            yield Conflict(
                "'group_size' needs one 'kernel_size': several are depthwise", "group_size"
            )
        if self.num_experts and self.parts > 1:
            yield Conflict(
                "'num_experts' mixes whole convolutions: set it to 0, or give one 'kernel_size' "
                "and no 'exp_splits' and 'pw_splits'",
                "num_experts",
            )

    @property
    def kernels(self) -> tuple[int, ...]:
        """The kernels of the spatial convolution."""
        return self.kernel_size if isinstance(self.kernel_size, tuple) else (self.kernel_size,)

    @property
    def parts(self) -> int:
        """Parts that a convolution treats on their own."""
        return max(len(self.kernels), self.exp_splits, self.pw_splits)


def _default(field: str) -> object:
    default: object = Blocks.model_fields[field].default
    return default


def _one_run(stage: object, union: ValidatorFunctionWrapHandler) -> object:
    """What is no list is one run, and its errors are those of one; a list of one is that one."""
    if isinstance(stage, Mapping):
        return Blocks.model_validate(stage)
    found: object = union(stage)
    return found[0] if isinstance(found, tuple) and len(found) == 1 else found


Stage = Annotated[
    Blocks | Annotated[tuple[Blocks, ...], Field(min_length=1, max_length=16)],
    WrapValidator(_one_run),
]
"""A stage: equal blocks, or several runs of such."""


class EfficientNetConfig(ModelConfig, Builds["EfficientNet"]):
    """A network of inverted residuals: EfficientNet (https://arxiv.org/abs/1905.11946), V2
    (https://arxiv.org/abs/2104.00298), MobileNetV2 (https://arxiv.org/abs/1801.04381), MnasNet
    (https://arxiv.org/abs/1807.11626) and their relatives."""

    block_args: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=32)]
    """The stages."""
    num_features: Count = 1280
    """Output channels of the convolution before pooling, which no multiplier scales; 0 for no such
    convolution."""
    stem_size: Channels = 32
    """Output channels of the stem, before the channel multiplier."""
    stem_kernel_size: Kernel = 3
    """Kernel of the stem."""
    fix_stem: bool = False
    """The channel multiplier leaves the stem alone."""
    channel_multiplier: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
    """Scales the channels of the stem and of each stage (the paper's width coefficient)."""
    channel_divisor: Annotated[int, Field(ge=1, le=256)] = 8
    """Scaled channels are rounded to a multiple of this number."""
    round_limit: Rate = 0.9
    """Rounding never leaves less than this share of the scaled channels."""
    depth_multiplier: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
    """Scales the number of blocks (the paper's depth coefficient)."""
    depth_trunc: Literal["ceil", "round"] = "ceil"
    """How a scaled number of blocks becomes an integer: up, or to the nearest."""
    fix_first_last: bool = False
    """The depth multiplier leaves the first and the last stage alone."""
    output_stride: Annotated[Literal[2, 4, 8, 16, 32], Whole] = 32
    """Most input pixels for each step of a feature map; later stages dilate instead."""
    pad_type: Literal["", "same"] = ""
    """Padding of convolutions: symmetric by the kernel size, or TensorFlow's `same`."""
    act_layer: Activation = "relu"
    """Non-linearity."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    norm_group_size: Channels | None = None
    """Channels of a group of `groupnorm` and `evonorms0`; None for 32 groups."""
    bn_eps: Eps | None = None
    """Added to the variance by the normalisation; None for the usual value of the layer."""
    bn_momentum: Rate = 0.1
    """Weight of a new batch in the running statistics of batch normalisation."""
    aa_layer: AntiAlias | None = None
    """Low-pass filter where a block subsamples."""
    se_layer: Literal["se", "ese", "eca", "ecam", "gc", "gca", "cbam", "lcbam"] | None = None
    """Attention in blocks with a `se_ratio`; None for squeeze-and-excitation."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping a block's residual branch; grows linearly from 0 with the depth."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if self.stem_kernel_size % 2 == 0:
            yield Conflict(
                f"'stem_kernel_size' must be odd; got {self.stem_kernel_size}", "stem_kernel_size"
            )
        count = sum(repeats for stage in self._runs() for _, repeats in stage)
        if count > MAX_BLOCKS:
            yield Conflict(
                f"'depth_multiplier' makes {count} blocks of 'block_args': "
                f"at most {MAX_BLOCKS} are possible",
                "depth_multiplier",
            )
        if self.aa_layer and any(run.num_experts for stage in self._runs() for run, _ in stage):
            yield Conflict(
                "'aa_layer' does not go with 'num_experts' in 'block_args': leave one of them out",
                "aa_layer",
            )
        if count <= MAX_BLOCKS:
            yield from self._part_conflicts()
            yield from self._norm_group_conflicts()

    def _part_conflicts(self) -> Iterator[Conflict]:
        """Refuse groups and splits that do not divide the channels that they are given."""
        runs = [run for stage in self._runs() for run, _ in stage]
        if not any(run.group_size or run.parts > 1 for run in runs):
            return
        for block in self.plan().blocks():
            size, inside = block.group_size, block.mid_channels
            inputs = block.in_channels if block.kind == "fused_mbconv" else inside
            if size and (inside % size or inputs % block.groups):
                yield Conflict(
                    f"'group_size' = {size} in 'block_args' must divide {inside} channels into "
                    f"as many groups as divide {inputs}: choose another, or another "
                    "'channel_multiplier'",
                    "block_args",
                )
            narrowest = min(block.in_channels, block.mid_channels, block.out_channels)
            parts = max(len(block.kernels), block.exp_splits, block.pw_splits)
            if parts > narrowest:
                yield Conflict(
                    f"'block_args' split {narrowest} channels into {parts} parts: ask for fewer, "
                    "or for a larger 'channel_multiplier'",
                    "block_args",
                )

    def _norm_group_conflicts(self) -> Iterator[Conflict]:
        size = self.norm_group_size
        if self.norm_layer not in ("groupnorm", "evonorms0"):
            if size is not None:
                yield Conflict(
                    f"'norm_group_size' means nothing to 'norm_layer' = '{self.norm_layer}': "
                    "leave it out, or normalise by 'groupnorm'",
                    "norm_group_size",
                )
            return
        for channels in self.plan().normalized():
            if channels % (size or 32):
                parts = "32 groups" if size is None else f"groups of {size}"
                yield Conflict(
                    f"'norm_layer' = '{self.norm_layer}' cannot divide {channels} channels into "
                    f"{parts}: set another 'norm_group_size'",
                    "norm_group_size",
                )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution."""
        plan = self.plan()
        maps = [
            FeatureSpec(plan.stem_channels, 2, "bn1"),
            *(
                FeatureSpec(stage.channels, stage.stride, f"blocks.{number}")
                for number, stage in enumerate(plan.stages)
            ),
        ]
        return tuple(maps[level] for level in plan.levels)

    def plan(self) -> EfficientNetPlan:
        """Every block with its numbers."""
        stem = self.stem_size if self.fix_stem else self._scaled(self.stem_size)
        in_channels, stride, dilation, number = stem, 2, 1, 0
        count = sum(repeats for stage in self._runs() for _, repeats in stage)
        stages = []
        for runs in self._runs():
            blocks = []
            for run, first in _unrolled(runs):
                step = run.stride if first else 1
                dilates = step > 1 and stride * step > self.output_stride
                block = self._block(
                    run,
                    in_channels,
                    folds=run.s2d and first,
                    stride=1 if dilates else step,
                    dilation=dilation,
                    drop_path_rate=self.drop_path_rate * number / count,
                )
                blocks.append(block)
                in_channels, number = block.out_channels, number + 1
                stride *= 2 * block.stride if block.folds else block.stride
                dilation *= step // block.stride
            stages.append(StagePlan(tuple(blocks), in_channels, stride))
        subsampling = [any(run.stride > 1 or run.s2d for run, _ in runs) for runs in self._runs()]
        levels = tuple(level for level, ends in enumerate([*subsampling, True]) if ends)
        return EfficientNetPlan(stem, tuple(stages), self.num_features, levels)

    def _block(
        self,
        run: Blocks,
        in_channels: int,
        *,
        folds: bool,
        stride: int,
        dilation: int,
        drop_path_rate: float,
    ) -> BlockPlan:
        out_channels = self._scaled(run.out_chs) * (4 if run.s2d else 1)
        expanded = self._scaled(run.force_in_chs) if run.force_in_chs else in_channels
        match run.block:
            case "conv":
                mid_channels = out_channels
            case "separable":
                mid_channels = in_channels * (4 if folds else 1)
            case "mbconv" | "fused_mbconv":
                mid_channels = round_channels(expanded * run.exp_ratio)
        groups = 1 if run.block in ("conv", "fused_mbconv") else mid_channels
        squeezed = mid_channels * run.se_ratio / run.exp_ratio / (4 if folds else 1)
        return BlockPlan(
            kind=run.block,
            in_channels=in_channels,
            mid_channels=mid_channels,
            out_channels=out_channels,
            kernels=(2,) if folds else run.kernels,
            folds=folds,
            stride=stride,
            dilation=dilation,
            group_size=run.group_size,
            groups=max(mid_channels // run.group_size, 1) if run.group_size else groups,
            se_channels=max(round(squeezed), 1) if run.se_ratio else 0,
            act_layer=run.act_layer or self.act_layer,
            pw_act=run.pw_act,
            exp_splits=run.exp_splits,
            pw_splits=run.pw_splits,
            num_experts=run.num_experts,
            skip=run.skip and stride == 1 and not folds and in_channels == out_channels,
            drop_path_rate=drop_path_rate,
        )

    def _runs(self) -> tuple[tuple[tuple[Blocks, int], ...], ...]:
        """The runs of each stage, each with the number of its blocks."""
        stages = []
        for number, stage in enumerate(self.block_args):
            *first, last = stage if isinstance(stage, tuple) else (stage,)
            depth = sum(run.repeats for run in first)
            at_end = number in (0, len(self.block_args) - 1)
            scaled = self._depth(depth + last.repeats, at_end)
            runs = [(run, run.repeats) for run in first]
            stages.append((*runs, (last, max(scaled - depth, 1))))  # the last run grows
        return tuple(stages)

    def _depth(self, blocks: int, at_end: bool) -> int:
        if self.fix_first_last and at_end:
            return blocks
        scaled = blocks * self.depth_multiplier
        return round(scaled) if self.depth_trunc == "round" else math.ceil(scaled)

    def _scaled(self, channels: int) -> int:
        scaled = channels * self.channel_multiplier
        return round_channels(scaled, self.channel_divisor, self.round_limit)


def _unrolled(runs: Iterable[tuple[Blocks, int]]) -> Iterator[tuple[Blocks, bool]]:
    """Each block of some runs, and whether it is the first one of its run."""
    for run, repeats in runs:
        for position in range(repeats):
            yield run, position == 0


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    kind: BlockKind
    in_channels: int
    mid_channels: int
    out_channels: int
    kernels: tuple[int, ...]
    folds: bool
    stride: int
    dilation: int
    group_size: int | None
    groups: int
    se_channels: int
    act_layer: Activation
    pw_act: bool
    exp_splits: int
    pw_splits: int
    num_experts: int
    skip: bool
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: its blocks, its output channels, and input pixels for each of its steps."""

    blocks: tuple[BlockPlan, ...]
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class EfficientNetPlan:
    """The whole network; `levels` numbers the maps that are features, 0 being the stem's."""

    stem_channels: int
    stages: tuple[StagePlan, ...]
    head_channels: int
    levels: tuple[int, ...]

    @property
    def num_features(self) -> int:
        """Channels of the map that is pooled."""
        return self.head_channels or self.stages[-1].channels

    def blocks(self) -> Iterator[BlockPlan]:
        """Every block, from the input to the output."""
        return (block for stage in self.stages for block in stage.blocks)

    def normalized(self) -> Iterator[int]:
        """The number of channels of each normalisation."""
        yield self.stem_channels
        for block in self.blocks():
            yield from (block.mid_channels, block.out_channels)
        if self.head_channels:
            yield self.head_channels
