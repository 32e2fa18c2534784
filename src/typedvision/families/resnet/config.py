"""ResNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Config,
    Depth,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool, MapAttention
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.resnet.model import ResNet

Block = Literal["basic", "bottleneck", "bottle2neck", "resnest", "sk_basic", "sk_bottleneck"]
EXPANSION: dict[Block, int] = {
    "basic": 1,
    "bottleneck": 4,
    "bottle2neck": 4,
    "resnest": 4,
    "sk_basic": 1,
    "sk_bottleneck": 4,
}
"""Output channels of a block for each of its planes."""
DROP_BLOCKS = (None, None, (5, 0.25), (3, 1.0))
"""DropBlock of each stage: side of a block, and factor of the rate; None for no DropBlock."""

_DIVISORS: dict[MapAttention, int] = {"sk": 2, "splat": 2, "lambda": 4, "halo": 8}
"""What must divide the channels that an attention is for."""

_NOTHING_INSIDE: tuple[MapAttention, ...] = ("ese", "eca", "ceca", "lambda", "halo")
"""Attentions that have no channels inside to reduce."""


_TAKERS: dict[str, tuple[Block, ...]] = {
    "attn_layer": ("basic", "bottleneck", "bottle2neck", "sk_basic", "sk_bottleneck"),
    "scale": ("bottle2neck",),
    "radix": ("resnest",),
    "avd": ("resnest",),
    "sk_kwargs": ("sk_basic", "sk_bottleneck"),
}
"""The blocks for which a field of `BlockArgs` means something."""


class SelectiveKernelArgs(Config):
    """Choices of a selective kernel (https://arxiv.org/abs/1903.06586)."""

    rd_ratio: Ratio = 1 / 16
    """Channels inside of the selection, as a share of those outside."""
    rd_divisor: Channels = 8
    """What the channels inside of the selection are a multiple of."""
    split_input: bool = True
    """Give each kernel half of the channels, instead of all."""


class BlockArgs(Config):
    """Choices that apply to every residual block."""

    attn_layer: MapAttention | None = None
    """Attention at the end of the residual branch: over channels (`se`, `ese`, `eca`, `ecam`,
    `ceca`, `gc`, `gca`), channels and positions (`cbam`, `lcbam`), branches (`sk`, `splat`) or
    positions (`nl`, `bat`, `lambda`, `halo`). Feature maps must be multiples of 7 for `bat`, and of
    8 for `halo`."""
    rd_ratio: Ratio | None = None
    """Channels inside of the attention, as a share of those outside; None for the paper's."""
    scale: Annotated[int, Field(ge=1, le=64)] = 4
    """Parts of the hierarchy in a `bottle2neck` (https://arxiv.org/abs/1904.01169)."""
    radix: Annotated[int, Field(ge=1, le=16)] = 1
    """3x3 convolutions side by side in a `resnest` block, between which a softmax decides."""
    avd: bool = False
    """Subsample by an average in a `resnest` block, and not by the stride of a convolution."""
    avd_first: bool = False
    """Average before the 3x3 convolutions, and not after them."""
    sk_kwargs: SelectiveKernelArgs = SelectiveKernelArgs()
    """Choices of the selective kernel in an `sk_basic` or `sk_bottleneck` block."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.avd_first and not self.avd:
            yield Conflict("'avd_first' means nothing where 'avd' is false: set it", "avd_first")
        if self.rd_ratio is not None and self.attn_layer in _NOTHING_INSIDE:
            yield Conflict(
                f"'rd_ratio' has nothing to reduce in '{self.attn_layer}': leave it out",
                "rd_ratio",
            )


class PrunedStage(Config):
    """What pruning left of one stage of bottlenecks."""

    out_channels: Channels
    """Output channels of every block."""
    widths: Annotated[tuple[tuple[Channels, Channels], ...], Field(min_length=1, max_length=1_024)]
    """Output channels of the first and of the second convolution of each block."""


class ResNetConfig(ModelConfig, Builds["ResNet"]):
    """A residual network (https://arxiv.org/abs/1512.03385) and its descendants: ResNeXt, Wide
    ResNet, SE-Net, ECA-Net, ResNet-B/C/D/T (https://arxiv.org/abs/1812.01187), ResNet-RS, Res2Net
    (https://arxiv.org/abs/1904.01169), SKNet (https://arxiv.org/abs/1903.06586) and ResNeSt
    (https://arxiv.org/abs/2004.08955)."""

    block: Block | tuple[Block, Block, Block, Block]
    """Residual block: two 3x3 convolutions; 1x1, 3x3, 1x1; a bottleneck with a hierarchy of 3x3
    convolutions (Res2Net), or with split attention (ResNeSt); either of the first two with a
    selective kernel (SKNet). One for all stages, or one each."""
    layers: tuple[Depth, Depth, Depth, Depth]
    """Number of blocks of each stage."""
    channels: tuple[Channels, Channels, Channels, Channels] = (64, 128, 256, 512)
    """Planes of each stage; a bottleneck puts out four times as many channels."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    cardinality: Channels = 1
    """Groups of the 3x3 convolution of a bottleneck (ResNeXt, https://arxiv.org/abs/1611.05431)."""
    base_width: Channels = 64
    """Width of a bottleneck's 3x3 convolution, for each group and 64 planes."""
    stem_width: Channels = 64
    """Channels of the deep stem's first convolution."""
    stem_type: Literal["", "deep", "deep_tiered"] = ""
    """One 7x7 convolution, three 3x3 ones, or three of growing width."""
    replace_stem_pool: bool = False
    """Subsample after the stem by a convolution instead of max pooling (ResNet-RS)."""
    block_reduce_first: Annotated[Literal[1, 2, 4], Whole] = 1
    """Divides the width of a block's first convolution."""
    down_kernel_size: KernelSize = 1
    """Kernel of the convolution on the shortcut where the map is subsampled; odd."""
    avg_down: bool = False
    """Subsample the shortcut by average pooling before its convolution (ResNet-D)."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation."""
    aa_layer: Literal["avg", "blur"] | None = None
    """Low-pass filter where a map is subsampled."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""
    drop_block_rate: Rate = 0.0
    """Share of the feature maps that DropBlock drops in the last two stages."""
    zero_init_last: bool = True
    """Initialise the last normalisation of each residual branch to 0, so that blocks are the
    identity at first."""
    block_args: BlockArgs = BlockArgs()
    """Choices that apply to every residual block."""
    pruned: tuple[PrunedStage, PrunedStage, PrunedStage, PrunedStage] | None = None
    """Channels of each block after pruning (https://arxiv.org/abs/2002.08258), in place of those
    that follow from `channels`; None for an unpruned network."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        blocks = self.stage_blocks()
        if {"basic", "sk_basic"} & {*blocks} and (self.cardinality, self.base_width) != (1, 64):
            yield Conflict(
                "'cardinality' and 'base_width' shape the 3x3 convolution of a bottleneck: "
                "set 'block' to 'bottleneck', or leave them at 1 and 64",
                "cardinality" if self.cardinality != 1 else "base_width",
            )
        if self.stem_type == "deep_tiered" and self.stem_width < 4:
            yield Conflict(
                "'stem_width' must be at least 4 where 'stem_type' is 'deep_tiered'; "
                f"got {self.stem_width}",
                "stem_width",
            )
        if self.down_kernel_size % 2 == 0:
            yield Conflict(
                f"'down_kernel_size' must be odd, so that the shortcut has the size of the branch; "
                f"got {self.down_kernel_size}",
                "down_kernel_size",
            )
        yield from self._block_conflicts(blocks)
        if self.pruned is not None:
            yield from self._pruning_conflicts(self.pruned)
        else:
            yield from self._width_conflicts()
        yield from self._attention_conflicts()
        yield from norm_conflicts(self.norm_layer, self._normalized())
        yield from unpooled_classifier(self, self.global_pool)

    def _block_conflicts(self, blocks: tuple[Block, ...]) -> Iterator[Conflict]:
        """What only some blocks take."""
        default = BlockArgs()
        for name, takers in _TAKERS.items():
            if getattr(self.block_args, name) != getattr(default, name) and not {*takers} & {
                *blocks
            }:
                yield Conflict(
                    f"'{name}' in 'block_args' means nothing to these blocks: leave it out, or set "
                    f"'block' to '{takers[-1]}'",
                    "block_args",
                )
        plain = {*blocks} <= {"basic", "bottleneck"}
        for name, given in (("aa_layer", self.aa_layer), ("drop_block_rate", self.drop_block_rate)):
            if given and not plain:
                yield Conflict(
                    f"'{name}' is for 'block' = 'basic' or 'bottleneck': leave it out", name
                )
        if self.block_reduce_first != 1 and {"bottle2neck", "resnest"} & {*blocks}:
            yield Conflict(
                "'block_reduce_first' means nothing to 'bottle2neck' and 'resnest': leave it at 1",
                "block_reduce_first",
            )
        if self.norm_layer != "batchnorm2d" and not {*blocks} <= {
            "basic",
            "bottleneck",
            "bottle2neck",
        }:
            yield Conflict(
                "'norm_layer' must be 'batchnorm2d' where blocks have a selective kernel or split "
                f"attention; got '{self.norm_layer}'",
                "norm_layer",
            )

    def _width_conflicts(self) -> Iterator[Conflict]:
        fields = "'channels', 'base_width', 'cardinality' and 'block_reduce_first'"
        for stage in self.plan().stages:
            width = stage.blocks[0].first_width
            if width == 0:
                yield Conflict(
                    f"{fields} leave no channel to the first convolution of a block: raise "
                    "'channels' or 'base_width'",
                    "channels",
                )
                return
            if width % self.cardinality:
                yield Conflict(
                    f"{fields} make {width} channels, which {self.cardinality} groups cannot "
                    "divide: choose another 'block_reduce_first'",
                    "block_reduce_first",
                )
                return
            block = stage.blocks[0]
            splits = self.block_args.radix * self.cardinality
            if block.kind == "resnest" and block.width % splits:
                yield Conflict(
                    f"'radix' in 'block_args' and 'cardinality' make {splits} groups, which cannot "
                    f"divide {block.width} channels: choose other ones",
                    "block_args",
                )
                return
            if block.kind == "resnest" and block.reduced % self.cardinality:
                yield Conflict(
                    f"'cardinality' = {self.cardinality} groups cannot divide the {block.reduced} "
                    "channels inside of the attention of 'resnest': choose another one",
                    "cardinality",
                )
                return
            seen = block.in_channels if block.kind == "sk_basic" else block.first_width
            split = block.kind.startswith("sk_") and self.block_args.sk_kwargs.split_input
            if split and seen % (2 * self.cardinality):
                yield Conflict(
                    f"'split_input' in 'sk_kwargs' cannot halve {seen} channels of 'cardinality' = "
                    f"{self.cardinality} groups: set it to false in 'block_args'",
                    "block_args",
                )
                return

    def _attention_conflicts(self) -> Iterator[Conflict]:
        name = self.block_args.attn_layer
        divisor = _DIVISORS.get(name, 1) if name else 1
        for stage in self.plan().stages:
            channels = stage.blocks[0].attn_channels
            if channels % divisor:
                yield Conflict(
                    f"'attn_layer' = '{name}' in 'block_args' takes a multiple of {divisor} "
                    f"channels; got {channels}: choose other 'channels'",
                    "block_args",
                )
                return

    def _pruning_conflicts(self, stages: tuple[PrunedStage, ...]) -> Iterator[Conflict]:
        depths = tuple(len(stage.widths) for stage in stages)
        if depths != self.layers:
            yield Conflict(
                f"'pruned' has {depths} blocks and 'layers' has {self.layers}: "
                "give the widths of every block",
                "pruned",
            )
        if {*self.stage_blocks()} != {"bottleneck"}:
            yield Conflict(
                "'pruned' is for bottlenecks: set 'block' to 'bottleneck', or leave it out",
                "pruned",
            )
        if (self.cardinality, self.base_width, self.block_reduce_first) != (1, 64, 1):
            yield Conflict(
                "'pruned' says every width itself: leave 'cardinality', 'base_width' and "
                "'block_reduce_first' at 1, 64 and 1",
                "pruned",
            )
        if self.zero_init_last:
            yield Conflict(
                "'zero_init_last' must be false where 'pruned' is given: such networks are "
                "initialised as PyTorch's layers are",
                "zero_init_last",
            )
        if self.block_args.attn_layer not in (None, "eca", "ceca"):
            yield Conflict(
                f"'pruned' does not say the channels inside of '{self.block_args.attn_layer}': "
                "set 'attn_layer' in 'block_args' to 'eca', or leave it out",
                "block_args",
            )

    def stage_blocks(self) -> tuple[Block, Block, Block, Block]:
        """The kind of block of each stage."""
        if isinstance(self.block, tuple):
            return self.block
        return self.block, self.block, self.block, self.block

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, and the four stages."""
        plan = self.plan()
        stem = FeatureSpec(plan.stem.channels[-1], 2, "act1")
        return stem, *(
            FeatureSpec(stage.channels, stage.reduction, f"layer{number}")
            for number, stage in enumerate(plan.stages, start=1)
        )

    @planned
    def plan(self) -> ResNetPlan:
        """Every block with its numbers."""
        stem, kinds = self._stem(), self.stage_blocks()
        widths = [self._widths(index, kind) for index, kind in enumerate(kinds)]
        rates = iter(drop_path_rates(self.drop_path_rate, sum(map(len, widths))))
        steps = staged((1, 2, 2, 2), reduction=4, output_stride=self.output_stride)
        in_channels, stages = stem.channels[-1], []
        for index, (kind, step) in enumerate(zip(kinds, steps, strict=True)):
            out_channels = attn_channels = self.channels[index] * EXPANSION[kind]
            if self.pruned is not None:
                out_channels = self.pruned[index].out_channels
            blocks = []
            for position, (first_width, width) in enumerate(widths[index]):
                first = position == 0
                blocks.append(
                    BlockPlan(
                        kind=kind,
                        in_channels=in_channels,
                        first_width=first_width,
                        width=width,
                        out_channels=out_channels,
                        attn_channels=attn_channels,
                        stride=step.stride if first else 1,
                        first_dilation=step.first_dilation if first else step.dilation,
                        dilation=step.dilation,
                        reduced=self._reduced(kind, width),
                        project=first and (step.stride != 1 or in_channels != out_channels),
                        drop_path_rate=next(rates),
                        drop_block=DROP_BLOCKS[index] if self.drop_block_rate else None,
                    )
                )
                in_channels = out_channels
            stages.append(StagePlan(tuple(blocks), out_channels, step.reduction))
        return ResNetPlan(stem, tuple(stages))

    def _widths(self, stage: int, block: Block) -> tuple[tuple[int, int], ...]:
        """Output channels of the first and of the second convolution of each block of a stage."""
        if self.pruned is not None:
            return self.pruned[stage].widths
        planes = self.channels[stage]
        width = planes
        if EXPANSION[block] > 1:
            width = planes * self.base_width // 64 * self.cardinality
        if block == "bottle2neck":
            return ((width * self.block_args.scale, width),) * self.layers[stage]
        return ((width // self.block_reduce_first, width),) * self.layers[stage]

    def _reduced(self, block: Block, width: int) -> int:
        """Channels inside of the attention that is part of a block; 0 for none."""
        args = self.block_args
        match block:
            case "resnest":
                return max(round_channels(width * args.radix / 4), 32)
            case "sk_basic" | "sk_bottleneck":
                sk = args.sk_kwargs
                return round_channels(width * sk.rd_ratio, sk.rd_divisor)
            case _:
                return 0

    def _normalized(self) -> Iterator[int]:
        """The number of channels of each map that is normalised."""
        plan = self.plan()
        yield from plan.stem.channels
        for stage in plan.stages:
            for block in stage.blocks:
                yield from (block.first_width, block.width, block.out_channels)

    def _stem(self) -> StemPlan:
        width = self.stem_width
        match self.stem_type:
            case "":
                return StemPlan((64,))
            case "deep":
                return StemPlan((width, width, 2 * width))
            case "deep_tiered":
                return StemPlan((3 * (width // 4), width, 2 * width))


@dataclass(frozen=True, slots=True)
class StemPlan:
    """The stem of a network."""

    channels: tuple[int, ...]
    """Output channels of each of its convolutions."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One residual block, with every number decided."""

    kind: Block
    in_channels: int
    first_width: int
    """Output channels of its first convolution."""
    width: int
    """Output channels of its second convolution, or of each part of it."""
    out_channels: int
    attn_channels: int
    """Channels that decide the attention's kernel, of which pruning may leave fewer."""
    stride: int
    """Stride of the convolution that subsamples."""
    first_dilation: int
    """Dilation of the convolution that subsamples."""
    dilation: int
    """Dilation of the next block's 3x3 convolutions."""
    reduced: int
    """Channels inside of the attention that is part of the block; 0 for none."""
    project: bool
    """Whether the shortcut has a convolution."""
    drop_path_rate: float
    drop_block: tuple[int, float] | None
    """Side of a dropped block, and factor of the rate; None for no DropBlock."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of residual blocks."""

    blocks: tuple[BlockPlan, ...]
    channels: int
    """Output channels."""
    reduction: int
    """Input pixels for each position of its output."""


@dataclass(frozen=True, slots=True)
class ResNetPlan:
    """The whole network, with every number decided."""

    stem: StemPlan
    stages: tuple[StagePlan, ...]
