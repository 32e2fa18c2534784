"""ByobNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, get_args

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Config,
    Count,
    Depth,
    Heads,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    Whole,
    norm_group_conflicts,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, AntiAlias, ConvNormAct, ConvPool, MapAttention
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, staged, uneven_stages
from typedvision.errors import listed

if TYPE_CHECKING:
    from typedvision.families.byobnet.model import ByobNet

T = TypeVar("T")
Block = Literal["basic", "bottle", "dark", "edge", "self_attn"]
SelfAttention = Literal["halo", "lambda", "bottleneck"]
StageBlocks = Block | Annotated[tuple[Block, ...], Field(min_length=1, max_length=64)]
StemType = Literal["", "3x3", "7x7", "deep", "tiered", "quad", "quad2"]
HEAD_DIM = 64
"""Features of each head of an attention that pools."""

STEM_WIDTHS: dict[StemType, tuple[float, ...]] = {
    "": (1.0,),
    "3x3": (1.0,),
    "7x7": (1.0,),
    "deep": (1.0, 1.0, 1.0),
    "tiered": (0.375, 0.5, 1.0),
    "quad": (0.125, 0.25, 0.5, 1.0),
    "quad2": (0.125, 0.25, 0.5, 1.0),
}
"""Output channels of each convolution of a stem, as a share of the last one's."""

_PER_STAGE = Field(min_length=1, max_length=8)
_NOTHING_INSIDE: tuple[MapAttention, ...] = ("ese", "eca", "ceca", "lambda", "halo")


class AttentionArgs(Config):
    """Choices of an attention over a feature map."""

    rd_ratio: Ratio | None = None
    """Channels inside, as a share of those outside; None for the paper's."""
    block_size: Annotated[int, Field(ge=1, le=64)] = 7
    """Bands of rows and of columns that `bat` mixes; what maps must be a multiple of."""


class SelfAttentionArgs(Config):
    """Choices of the attention of `self_attn` blocks."""

    num_heads: Heads | None = None
    """Attention heads; None for 8 of `halo`, and for 4 of others."""
    dim_head: Channels | None = None
    """Features of each head's queries and keys; None for 16 of `lambda`, and for what `qk_ratio`
    says of others."""
    qk_ratio: Ratio = 1.0
    """Features of all heads' queries, as a share of those of values."""
    qkv_bias: bool = False
    """Have biases in the projections."""
    scale_pos_embed: bool = False
    """Scale the scores by distance, too."""
    block_size: Annotated[int, Field(ge=1, le=64)] = 8
    """Rows and columns of a block of `halo`; what maps must be a multiple of."""
    halo_size: Annotated[int, Field(ge=0, le=64)] = 3
    """Positions around a block of `halo` that it sees."""
    avg_down: bool = False
    """Where `halo` subsamples, take averages, and not every second query."""
    r: Annotated[int, Field(ge=1, le=63)] | None = 9
    """Rows and columns, an odd number, that a query of `lambda` sees; None for the whole map."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.r is not None and self.r % 2 == 0:
            yield Conflict("'r' must be odd, so that the query is in the middle", "r")
        if self.dim_head is not None and self.qk_ratio != 1.0:
            yield Conflict(
                "'qk_ratio' says nothing where 'dim_head' is given: leave one out", "qk_ratio"
            )


_MEANT_FOR: dict[str, tuple[SelfAttention, ...]] = {
    "qk_ratio": ("halo", "bottleneck"),
    "scale_pos_embed": ("halo", "bottleneck"),
    "block_size": ("halo",),
    "halo_size": ("halo",),
    "avg_down": ("halo",),
    "r": ("lambda",),
}
"""The attentions to which a choice means something, where it does not to all."""
_NO_CHOICES = SelfAttentionArgs()


class BlockArgs(Config):
    """Choices that apply to every block."""

    extra_conv: bool = False
    """Have a second kxk convolution in each bottleneck, and one in each `self_attn` block."""
    bottle_in: bool = False
    """Let the width of a bottleneck follow its input instead of its output."""
    linear_out: bool = False
    """Have no activation at the end of a block."""


class ByobNetConfig(ModelConfig, Builds["ByobNet"]):
    """A residual network whose stages have blocks of any kind: the GPU-efficient GENet
    (https://arxiv.org/abs/2006.14090), RegNet-Z (https://arxiv.org/abs/2103.06877), CLIP's ResNet
    (https://arxiv.org/abs/2103.00020, section 2.4), ResNets with other stems, and those with
    attention over positions."""

    block: Block | Annotated[tuple[StageBlocks, ...], _PER_STAGE] = "bottle"
    """Residual block: two kxk convolutions (`basic`); 1x1, kxk, 1x1 (`bottle`); 1x1, kxk (`dark`);
    kxk, 1x1 (`edge`); 1x1, attention, 1x1 (`self_attn`); one for all stages, or for each of them
    one, or several that follow each other again and again."""
    layers: Annotated[tuple[Depth, ...], _PER_STAGE]
    """Number of blocks of each stage."""
    channels: Annotated[tuple[Channels, ...], _PER_STAGE]
    """Output channels of each stage."""
    strides: Annotated[tuple[Annotated[Literal[1, 2], Whole], ...], _PER_STAGE] = (1, 2, 2, 2)
    """What each stage divides the resolution by."""
    group_size: Count | Annotated[tuple[Count, ...], _PER_STAGE] = 0
    """Channels of each group of the kxk convolutions, 0 for one group; one for all stages, or one
    each."""
    bottle_ratio: Ratio | Annotated[tuple[Ratio, ...], _PER_STAGE] = 0.25
    """Channels inside of a block, as a share of those outside; one for all stages, or one each."""
    downsample: Literal["", "conv1x1", "avg"] = "conv1x1"
    """Shortcut where the shape changes: none, a convolution, or an average and a convolution."""
    stem_type: StemType = ""
    """One 3x3 or 7x7 convolution, or several 3x3 ones: of three equal widths (`deep`), growing
    (`tiered`, `quad`), or with an activation only after the last two (`quad2`)."""
    stem_pool: Literal["", "maxpool", "max2", "avg2"] | None = "maxpool"
    """What subsamples the stem's map; where nothing does and there are several convolutions, the
    last one subsamples."""
    stem_chs: Channels | Annotated[tuple[Channels, ...], Field(min_length=2, max_length=8)] = 64
    """Output channels of the stem; or of each of its convolutions, where `stem_type` is `""`."""
    width_factor: Ratio = 1.0
    """Factor of all channels."""
    num_features: Count = 0
    """Channels of a 1x1 convolution after the stages; 0 for no such layer."""
    zero_init_last: bool = True
    """Initialise the last normalisation of each residual branch to 0, so that blocks are the
    shortcut at first."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNormAct | Literal["evonorms0a"] = "batchnorm2d"
    """Normalisation; `evonorms0a` is EvoNorm-S0 that divides also where no activation follows."""
    norm_group_size: Channels | None = None
    """Channels of each group of a normalisation by groups; None for 32 groups."""
    aa_layer: AntiAlias | None = None
    """Low-pass filter where a block subsamples."""
    attn_layer: MapAttention | None = None
    """Attention inside of each block with convolutions: over channels (`se`, `ese`, `eca`, `ecam`,
    `ceca`, `gc`, `gca`), channels and positions (`cbam`, `lcbam`), branches (`sk`, `splat`) or
    positions (`nl`, `bat`, `lambda`, `halo`). Feature maps must be multiples of 8 for `halo`, and
    of `block_size` for `bat`."""
    attn_kwargs: AttentionArgs = AttentionArgs()
    """Choices of the attention."""
    self_attn_layer: (
        SelfAttention | Annotated[tuple[SelfAttention | None, ...], _PER_STAGE] | None
    ) = None
    """Attention of `self_attn` blocks: in overlapping windows (`halo`), by linear functions
    (`lambda`), or of all positions to all (`bottleneck`); one for all stages, or one each."""
    self_attn_kwargs: SelfAttentionArgs | Annotated[tuple[SelfAttentionArgs, ...], _PER_STAGE] = (
        SelfAttentionArgs()
    )
    """Choices of that attention; for all stages, or for each."""
    block_kwargs: BlockArgs = BlockArgs()
    """Choices of the blocks."""
    head_type: Literal["classifier", "mlp", "attn_abs", "attn_rot"] = "classifier"
    """Pooling and a linear classifier (`classifier`), a normalisation and a hidden layer between
    them (`mlp`), or an attention that pools: with a table of positions (`attn_abs`), or with a
    rotary embedding (`attn_rot`)."""
    head_hidden_size: Channels | None = None
    """Features of the hidden layer of `mlp`, and of an attention that pools, a multiple of 64; None
    for as many as there are channels, where `head_type` is `attn_abs` or `attn_rot`."""
    img_size: Size = 224
    """Height and width of images, which tables of positions and the blocks of an attention follow:
    those of `attn_abs`, of `bottleneck` and of a `lambda` that sees the whole map are for this size
    only; `halo` and `bat` must divide it; `attn_rot` stretches the positions of others to it."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; an attention that pools is `avg`."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""
    drop_block_rate: Rate = 0.0
    """Share of the feature maps that DropBlock drops in the last two stages
    (https://arxiv.org/abs/1810.12890): after the normalisation of the second convolution of
    `basic`, and of the kxk convolution of others."""
    drop_block_size: Annotated[int, Field(ge=1, le=64)] = 3
    """Height and width of what DropBlock drops at once in the last stage, in positions; in the one
    before it reaches as far on a map twice as large, one less than twice as many."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        wrong = [*self._length_conflicts()] or [*self._self_attention_conflicts()]
        yield from wrong or self._number_conflicts()
        yield from self._option_conflicts()
        yield from self._drop_conflicts()
        yield from self._head_conflicts()

    def _length_conflicts(self) -> Iterator[Conflict]:
        yield from uneven_stages(
            self,
            "layers",
            "block",
            "channels",
            "strides",
            "group_size",
            "bottle_ratio",
            "self_attn_layer",
            "self_attn_kwargs",
        )

    def _self_attention_conflicts(self) -> Iterator[Conflict]:
        given, args = self.self_attn_layer, self.self_attn_kwargs
        attends = ["self_attn" in kinds for kinds in self._kinds()]
        agrees = (given is not None) == any(attends)
        if isinstance(given, tuple):
            agrees = [kind is not None for kind in given] == attends
        if not agrees:
            yield Conflict(
                "'self_attn_layer' and 'block' = 'self_attn' need each other: give a stage both, "
                "or neither (None)",
                "self_attn_layer",
            )
            return
        used = [
            {kind} if attend else set()
            for kind, attend in zip(self._each(given), attends, strict=True)
        ]
        if not isinstance(args, tuple):
            args, used = (args,), [set().union(*used)]
        for choices, kinds in zip(args, used, strict=True):
            for name, value in choices:
                meant = _MEANT_FOR.get(name, get_args(SelfAttention))
                if value != getattr(_NO_CHOICES, name) and kinds.isdisjoint(meant):
                    yield Conflict(
                        f"'{name}' in 'self_attn_kwargs' is for 'self_attn_layer' = "
                        f"{listed(meant)}: leave it out",
                        "self_attn_kwargs",
                    )
                    return

    def _number_conflicts(self) -> Iterator[Conflict]:
        plan = self.plan()
        blocks = [block for stage in plan.stages for block in stage.blocks]
        yield from self._map_conflicts(blocks)
        for block in blocks:
            if block.width % (block.group_size or 1) or block.other_width % block.groups:
                yield Conflict(
                    f"'group_size' = {block.group_size} cannot divide the {block.width} and "
                    f"{block.other_width} channels of a block's kxk convolution: choose another, "
                    "or other 'channels'",
                    "group_size",
                )
                break
        norm = self.norm_layer.removesuffix("a")  # both kinds of EvoNorm-S0 have groups
        normalized = [*plan.stem.channels, *([plan.last_channels] if plan.last_channels else [])]
        for block in blocks:
            normalized += [block.width, block.out_channels]
        yield from norm_group_conflicts(norm, self.norm_group_size, normalized)

    def _map_conflicts(self, blocks: Sequence[BlockPlan]) -> Iterator[Conflict]:
        """The conflicts of attentions with the channels and the size of their maps."""
        attentions = [(block.attention, block.width) for block in blocks if block.attention]
        for plan, width in attentions:
            if width % plan.num_heads or not plan.key_dim:
                yield Conflict(
                    f"'self_attn_kwargs' asks for {plan.num_heads} heads of {width} channels: set "
                    "'num_heads' to a divisor, or choose other 'channels' or 'bottle_ratio'",
                    "self_attn_kwargs",
                )
                return
        least = self.plan().stages[-1].reduction
        if min(to_pair(self.img_size)) < least:
            yield Conflict(
                f"'img_size' must be at least {least}, the stride of the last map, of which "
                f"nothing would be left; got {self.img_size}",
                "img_size",
            )
            return
        multiple = math.lcm(*self._size_steps([plan for plan, _ in attentions]))
        if any(side % multiple for side in to_pair(self.img_size)):
            yield Conflict(
                f"'img_size' must be a multiple of {multiple}, so that attentions can divide the "
                f"maps; got {self.img_size}",
                "img_size",
            )

    def _size_steps(self, attentions: Sequence[AttentionPlan]) -> Iterator[int]:
        """What the height and the width of images must be multiples of."""
        stages = self.plan().stages
        if self.head_type == "attn_abs":
            yield stages[-1].reduction
        for plan in attentions:
            yield plan.reduction * plan.stride
            if plan.kind == "halo":
                yield plan.reduction * plan.args.block_size
        if self.attn_layer in ("bat", "halo"):
            size = self.attn_kwargs.block_size if self.attn_layer == "bat" else 8
            for stage in stages:
                if any(block.attention is None for block in stage.blocks):
                    yield stage.reduction * size

    def _option_conflicts(self) -> Iterator[Conflict]:
        args = self.attn_kwargs
        if args.rd_ratio is not None and self.attn_layer in (None, *_NOTHING_INSIDE):
            yield Conflict(
                f"'rd_ratio' in 'attn_kwargs' has nothing to reduce where 'attn_layer' is "
                f"{self.attn_layer!r}: leave it out",
                "attn_kwargs",
            )
        if args.block_size != 7 and self.attn_layer != "bat":
            yield Conflict(
                "'block_size' in 'attn_kwargs' is for 'attn_layer' = 'bat': leave it out",
                "attn_kwargs",
            )
        if isinstance(self.stem_chs, tuple) and self.stem_type:
            yield Conflict(
                f"'stem_chs' must be one number where 'stem_type' is '{self.stem_type}', which "
                "says how many convolutions there are",
                "stem_chs",
            )
        bottles = any("bottle" in kinds for kinds in self._kinds())
        bottles |= any("self_attn" in kinds for kinds in self._kinds())
        if (self.block_kwargs.extra_conv or self.block_kwargs.bottle_in) and not bottles:
            yield Conflict(
                "'extra_conv' and 'bottle_in' in 'block_kwargs' are for bottlenecks: leave them "
                "out, or set 'block' to 'bottle'",
                "block_kwargs",
            )

    def _drop_conflicts(self) -> Iterator[Conflict]:
        if not self.drop_block_rate:
            if self.drop_block_size != 3:
                yield Conflict(
                    "'drop_block_size' says nothing where 'drop_block_rate' is 0: leave it out",
                    "drop_block_size",
                )
            return
        if self.norm_layer in ("evonorms0", "evonorms0a"):
            yield Conflict(
                f"'drop_block_rate' must be 0 where 'norm_layer' is '{self.norm_layer}', which is "
                "an activation too: nothing can be dropped before that",
                "drop_block_rate",
            )
        if len(self.layers) == 1:
            yield Conflict(
                "'drop_block_rate' must be 0 where 'layers' has one number: it is for two stages",
                "drop_block_rate",
            )
        elif not self.block_kwargs.extra_conv and {
            kind
            for kinds, depth in zip(self._kinds()[-2:], self.layers[-2:], strict=False)
            for kind in kinds[:depth]
        } == {"self_attn"}:
            yield Conflict(
                "'drop_block_rate' must be 0 where every 'block' of the last two stages is "
                "'self_attn', which has no kxk convolution",
                "drop_block_rate",
            )

    def _head_conflicts(self) -> Iterator[Conflict]:
        if self.head_hidden_size is None and self.head_type == "mlp":
            yield Conflict(
                "'head_type' = 'mlp' needs 'head_hidden_size', the features of its hidden layer",
                "head_type",
            )
        if self.head_hidden_size is not None and self.head_type == "classifier":
            yield Conflict(
                "'head_hidden_size' says nothing where 'head_type' is 'classifier': leave it out, "
                "or set 'head_type' to 'mlp'",
                "head_hidden_size",
            )
        if self.attention_pools:
            features = self.plan().features if not list(self._length_conflicts()) else HEAD_DIM
            if self.head_hidden_size is not None and self.head_hidden_size % HEAD_DIM:
                yield Conflict(
                    f"'head_hidden_size' must be a multiple of {HEAD_DIM} where 'head_type' is "
                    f"'{self.head_type}'; got {self.head_hidden_size}",
                    "head_hidden_size",
                )
            if self.head_hidden_size is None and features % HEAD_DIM:
                yield Conflict(
                    f"'head_type' = '{self.head_type}' takes a multiple of {HEAD_DIM} channels; "
                    f"got {features}: set 'head_hidden_size', or choose other 'channels'",
                    "head_type",
                )
            if self.global_pool not in ("", "avg"):
                yield Conflict(
                    f"'global_pool' must be 'avg' or '' where 'head_type' is '{self.head_type}': "
                    "the attention pools, or nothing does",
                    "global_pool",
                )
        if self.head_type == "mlp" and self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax' where 'head_type' is 'mlp': the "
                "normalisation after the pooling takes one feature for each channel",
                "global_pool",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def input_size(self) -> int | tuple[int, int] | None:
        """What `img_size` says, where there is a table of positions of the whole map."""
        fixed = self.head_type == "attn_abs" or any(
            block.attention is not None and block.attention.is_whole
            for stage in self.plan().stages
            for block in stage.blocks
        )
        return self.img_size if fixed else None

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution."""
        plan = self.plan()
        levels = {1: plan.stem.level, plan.stem.stride: FeatureSpec(*plan.stem.output)}
        stride = plan.stem.stride
        for index, (step, stage) in enumerate(zip(self.strides, plan.stages, strict=True)):
            stride *= step
            levels[stride] = FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
        levels[stride] = FeatureSpec(plan.features, plan.stages[-1].reduction, "final_conv")
        return tuple(level for level in levels.values() if level is not None)

    @planned
    def plan(self) -> ByobNetPlan:
        """Every block with its numbers."""
        stem = self._stem()
        steps = list(staged(self.strides, reduction=stem.stride, output_stride=self.output_stride))
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.layers)))
        in_channels, stages = stem.channels[-1], []
        rows = zip(
            self._kinds(),
            self.layers,
            self.channels,
            self._each(self.group_size),
            self._each(self.bottle_ratio),
            self._each(self.self_attn_layer),
            self._each(self.self_attn_kwargs),
            steps,
            strict=True,
        )
        reduction = stem.stride
        for index, row in enumerate(rows):
            kinds, depth, stage_channels, group_size, ratio, attention, args, step = row
            channels = round_channels(stage_channels * self.width_factor)
            blocks = []
            for position, (kind, rate) in enumerate(zip(cycle(kinds), islice(rates, depth))):
                from_input = kind in ("bottle", "self_attn") and self.block_kwargs.bottle_in
                width = round_channels((in_channels if from_input else channels) * ratio)
                first = position == 0
                stride = step.stride if first else 1
                blocks.append(
                    BlockPlan(
                        kind=kind,
                        in_channels=in_channels,
                        width=width,
                        out_channels=channels,
                        group_size=group_size,
                        groups=max(width // group_size, 1) if group_size else 1,
                        stride=stride,
                        first_dilation=step.first_dilation if first else step.dilation,
                        dilation=step.dilation,
                        attention=(
                            self._attention(attention, args, width, stride, reduction)
                            if kind == "self_attn" and attention
                            else None
                        ),
                        drop_path_rate=rate,
                        drop_block=self._drop_block(len(self.layers) - index),
                    )
                )
                in_channels, reduction = channels, step.reduction
            stages.append(StagePlan(tuple(blocks), channels, step.reduction))
        last = round(self.num_features * self.width_factor)
        return ByobNetPlan(stem, tuple(stages), last, last or in_channels)

    def _drop_block(self, stages_left: int) -> tuple[int, float] | None:
        """What a block of a stage drops, by the number of stages from it to the end."""
        if not self.drop_block_rate or stages_left > 2:
            return None
        size = self.drop_block_size
        return (size, 1.0) if stages_left == 1 else (2 * size - 1, 0.25)

    def _attention(
        self, kind: SelfAttention, args: SelfAttentionArgs, width: int, stride: int, reduction: int
    ) -> AttentionPlan:
        """The attention of a block, whose input has so many input pixels for each position."""
        heads = args.num_heads or (8 if kind == "halo" else 4)
        key_dim = args.dim_head or round_channels(width * args.qk_ratio) // heads
        if kind == "lambda" and args.dim_head is None:
            key_dim = 16
        if self.block_kwargs.extra_conv:  # which subsamples
            stride, reduction = 1, reduction * stride
        rows, columns = (side // reduction for side in to_pair(self.img_size))
        return AttentionPlan(
            kind=kind,
            num_heads=heads,
            key_dim=key_dim,
            stride=stride,
            reduction=reduction,
            grid=(rows, columns),
            args=args,
        )

    def _stem(self) -> StemPlan:
        """The channels and strides of the stem's convolutions."""
        if isinstance(self.stem_chs, tuple):
            channels = tuple(round(width * self.width_factor) for width in self.stem_chs)
        else:
            out = round(self.stem_chs * self.width_factor)
            channels = tuple(round(share * out) for share in STEM_WIDTHS[self.stem_type])
        channels = tuple(max(width, 1) for width in channels)
        count = len(channels)
        strides = (2, *(1,) * (count - 2), *(() if count == 1 else (1 if self.stem_pool else 2,)))
        return StemPlan(
            channels=channels,
            strides=strides,
            kernel_size=7 if self.stem_type == "7x7" else 3,
            pool=self.stem_pool or None,
            plain=count - 2 if self.stem_type == "quad2" else 0,
        )

    @property
    def attention_pools(self) -> bool:
        """Whether an attention pools the last feature map."""
        return self.head_type in ("attn_abs", "attn_rot")

    def grid(self) -> tuple[int, int]:
        """Rows and columns of the last feature map, for `img_size`."""
        height, width = to_pair(self.img_size)
        reduction = self.plan().stages[-1].reduction
        return height // reduction, width // reduction

    def _kinds(self) -> list[tuple[Block, ...]]:
        """The kinds of blocks of each stage, which follow each other again and again."""
        given = self.block
        each = given if isinstance(given, tuple) else (given,) * len(self.layers)
        return [kinds if isinstance(kinds, tuple) else (kinds,) for kinds in each]

    def _each(self, value: T | tuple[T, ...]) -> Sequence[T]:
        return value if isinstance(value, tuple) else (value,) * len(self.layers)


@dataclass(frozen=True, slots=True)
class StemPlan:
    """The stem."""

    channels: tuple[int, ...]
    """Output channels of each convolution."""
    strides: tuple[int, ...]
    """Stride of each convolution."""
    kernel_size: int
    pool: Literal["maxpool", "max2", "avg2"] | None
    """What follows the convolutions."""
    plain: int
    """Number of convolutions that nothing normalises."""

    @property
    def stride(self) -> int:
        """Input pixels for each position of its output."""
        return 2 if len(self.channels) == 1 and self.pool is None else 4

    @property
    def output(self) -> tuple[int, int, str]:
        """Channels, stride and path of its output."""
        return self.channels[-1], self.stride, "stem"

    @property
    def level(self) -> FeatureSpec | None:
        """The map inside that has half of the image's resolution; None where the output has it."""
        if self.stride == 2:
            return None
        number = len(self.channels) if self.pool else len(self.channels) - 1
        return FeatureSpec(self.channels[number - 1], 2, f"stem.conv{number}")


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """The attention of a `self_attn` block, with every number decided."""

    kind: SelfAttention
    num_heads: int
    key_dim: int
    """Features of each head's queries and keys."""
    stride: int
    reduction: int
    """Input pixels for each position of the map that it sees."""
    grid: tuple[int, int]
    """Rows and columns of that map, of an image of `img_size`."""
    args: SelfAttentionArgs
    """Other choices."""

    @property
    def is_whole(self) -> bool:
        """Whether it has a table of positions of the whole map."""
        return self.kind == "bottleneck" or (self.kind == "lambda" and self.args.r is None)

    @property
    def averages(self) -> bool:
        """Whether it takes averages where it subsamples."""
        args = self.args
        return self.kind != "halo" or args.avg_down or args.block_size % self.stride != 0


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One residual block, with every number decided."""

    kind: Block
    in_channels: int
    width: int
    """Channels between its convolutions."""
    out_channels: int
    group_size: int
    """Channels of each group; 0 for one group."""
    groups: int
    stride: int
    """Stride of the convolution that subsamples."""
    first_dilation: int
    """Dilation of the convolution that subsamples."""
    dilation: int
    """Dilation of the next block's kxk convolutions."""
    attention: AttentionPlan | None
    """Attention over positions; None where a kxk convolution is in its place."""
    drop_path_rate: float
    drop_block: tuple[int, float] | None
    """Side of what DropBlock drops at once, and factor of the rate; None for no DropBlock."""

    @property
    def other_width(self) -> int:
        """Channels on the other side of the grouped convolution than `width`."""
        return {
            "basic": self.out_channels,
            "bottle": self.width,
            "dark": self.out_channels,
            "edge": self.in_channels,
            "self_attn": self.width,
        }[self.kind]

    @property
    def projects(self) -> bool:
        """Whether the shape changes."""
        return (
            self.in_channels != self.out_channels
            or self.stride != 1
            or self.first_dilation != self.dilation
        )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of residual blocks."""

    blocks: tuple[BlockPlan, ...]
    channels: int
    """Output channels."""
    reduction: int
    """Input pixels for each position of its output."""


@dataclass(frozen=True, slots=True)
class ByobNetPlan:
    """The whole network, with every number decided."""

    stem: StemPlan
    stages: tuple[StagePlan, ...]
    last_channels: int
    """Output channels of the convolution after the stages; 0 for none."""
    features: int
    """Channels of the last feature map."""
