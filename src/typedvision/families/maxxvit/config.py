"""MaxViT, CoAtNet and their relatives as data: what can vary, and every number that follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Count,
    Depth,
    Eps,
    KernelSize,
    ModelConfig,
    Pixels,
    Rate,
    Ratio,
    Size,
    norm_conflicts,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ChannelAttention, ConvNorm, ConvPool, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import drop_path_rates, uneven_stages
from typedvision.config.windows import MAX_STAGES, WindowSize

if TYPE_CHECKING:
    from typedvision.families.maxxvit.model import MaxxVit

CONVNEXT_KERNEL = 7
"""Kernel of ConvNeXt's depthwise convolutions."""

BlockType = Literal["C", "T", "M", "PM"]
Halving = Literal["avg", "avg2", "max", "max2"]
Grid = tuple[int, int]

SIZES = {
    "img_size",
    "transformer_window_size",
    "transformer_grid_size",
    "transformer_partition_ratio",
}
"""Fields that another size of the input changes."""

_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)
_PARTITIONS: tuple[BlockType, BlockType] = ("M", "PM")


class MaxxVitConfig(ModelConfig, Builds["MaxxVit"]):
    """A network of convolutions and attention: MaxViT (https://arxiv.org/abs/2204.01697), CoAtNet
    (https://arxiv.org/abs/2106.04803), and those of R. Wightman with ConvNeXt's blocks.

    Options of a kind of block are without effect where no stage has such blocks.
    """

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    stem_width: Channels | tuple[Channels, Channels] = 64
    """Output channels of the stem's two convolutions; one number for both."""
    embed_dim: Annotated[tuple[Channels, ...], _PER_STAGE] = (96, 192, 384, 768)
    """Channels of each stage."""
    depths: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 3, 5, 2)
    """Number of blocks of each stage."""
    block_type: Annotated[
        tuple[
            BlockType | Annotated[tuple[BlockType, ...], Field(min_length=1, max_length=1_024)], ...
        ],
        _PER_STAGE,
    ] = ("C", "C", "T", "T")
    """Blocks of each stage: convolutions (`C`), attention over the whole map (`T`), both, with
    attention in windows and then in a sparse grid (`M`), or with these side by side (`PM`); or one
    for each block of the stage, whose last is that of the remaining blocks."""
    stem_bias: bool = False
    """Whether the stem's convolutions have a bias."""
    head_hidden_size: Channels | None = None
    """Features of a hidden layer between the pooling and the classifier; None for no such layer."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position, where the head
    has a hidden layer."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    weight_init: Literal["", "normal", "trunc_normal", "xavier_normal", "vit_eff"] = "vit_eff"
    """How linear layers and convolutions are initialised: as PyTorch does (`""`), normal of
    deviation 0.02 (`normal`), cut at two deviations (`trunc_normal`), or of a deviation by inputs
    and outputs (`xavier_normal`), or attention as a Vision Transformer's and convolutions as an
    EfficientNet's (`vit_eff`)."""

    conv_block_type: Literal["mbconv", "convnext"] = "mbconv"
    """Convolutions of a block: an inverted bottleneck (`mbconv`, https://arxiv.org/abs/1801.04381),
    or ConvNeXt's block (`convnext`, https://arxiv.org/abs/2201.03545)."""
    conv_expand_ratio: Ratio = 4.0
    """Channels inside of a convolution block, for each of its output or input."""
    conv_expand_output: bool = True
    """Whether channels inside of an inverted bottleneck follow its output, and not its input."""
    conv_kernel_size: KernelSize = 3
    """Kernel of the depthwise convolution of an inverted bottleneck, odd."""
    conv_group_size: Count = 1
    """Channels of each group of that convolution; 0 for one group."""
    conv_pre_norm_act: bool = False
    """Whether an activation follows the first normalisation of an inverted bottleneck."""
    conv_output_bias: bool = True
    """Whether the last layers of a convolution block, and an inverted bottleneck's shortcut, have a
    bias."""
    conv_stride_mode: Literal["pool", "1x1", "dw"] = "dw"
    """What subsamples in a convolution block: a pooling, the first 1x1 convolution, or the
    depthwise one."""
    conv_pool_type: Halving = "avg2"
    """Pooling of an inverted bottleneck's shortcut: average or maximum of 3 x 3 positions, or of
    2 x 2 (`avg2`, `max2`)."""
    conv_downsample_pool_type: Halving = "avg2"
    """Pooling that subsamples where `conv_stride_mode` is `pool`."""
    conv_padding: Literal["", "same"] = ""
    """Padding of convolutions and of an inverted bottleneck's pooling: symmetric by the kernel
    size, or TensorFlow's `same`."""
    conv_attn_early: bool = False
    """Whether the channel attention stands before the second normalisation, and not after it."""
    conv_attn_layer: ChannelAttention | None = "se"
    """Channel attention of an inverted bottleneck."""
    conv_attn_act_layer: Activation = "silu"
    """Activation inside of `se`."""
    conv_attn_ratio: Ratio = 0.25
    """Channels inside of `se`, for each of the bottleneck's output, or where `conv_expand_output`
    is false for each inside of the bottleneck."""
    conv_init_values: Ratio | None = 1e-6
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239) in ConvNeXt's blocks; None
    for no LayerScale."""
    conv_act_layer: Activation = "gelu"
    """Activation of stem and convolution blocks."""
    conv_norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation of stem and convolution blocks."""
    conv_norm_eps: Eps = 1e-5
    """Added to the variance in these normalisations."""

    transformer_dim_head: Channels = 32
    """Features of each attention head."""
    transformer_head_first: bool = True
    """Whether the output of the layer for queries, keys and values is by heads, and within a head
    by these three, and not the other way round (`M`, `PM`; `T` always is)."""
    transformer_expand_ratio: Ratio = 4.0
    """Hidden features of the MLPs, for each feature of a position."""
    transformer_expand_first: bool = True
    """Whether attention that subsamples (`T`) has as many features as its output, and not as its
    input."""
    transformer_shortcut_bias: bool = True
    """Whether the shortcut of attention that subsamples (`T`) has a bias."""
    transformer_attn_bias: bool = True
    """Whether the layers of the attention have a bias."""
    transformer_attn_drop: Rate = 0.0
    """Dropout probability of the attention weights."""
    transformer_proj_drop: Rate = 0.0
    """Dropout probability after each linear layer."""
    transformer_pool_type: Halving = "avg2"
    """Pooling of attention that subsamples (`T`), and of its shortcut."""
    transformer_rel_pos_type: Literal["bias", "mlp", "bias_tf"] | None = "bias"
    """Bias of the attention for the distance of two positions: learned for each (`bias`, or with
    TensorFlow's order of the table `bias_tf`), computed from its logarithm by an MLP (`mlp`), or
    none."""
    transformer_rel_pos_dim: Channels = 512
    """Hidden features of that MLP."""
    transformer_partition_ratio: Pixels = 32
    """Pixels for each row and column of windows and grids that are a share of `img_size`."""
    transformer_window_size: WindowSize | None = None
    """Rows and columns of positions in a window; one number for a square; None for a share of
    `img_size`, which is that of the grid, too."""
    transformer_grid_size: WindowSize | None = None
    """Rows and columns of the sparse grid; one number for a square; None for as many as a window
    has."""
    transformer_no_block_attn: bool = False
    """Have attention in the grid only, and not in windows (`M`)."""
    transformer_use_nchw_attn: bool = False
    """Make linear layers of `M` of 1x1 convolutions; the numbers do not change."""
    transformer_init_values: Ratio | None = None
    """Initial factor of LayerScale; None for no LayerScale."""
    transformer_act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    transformer_norm_layer: ConvNorm = "layernorm2d"
    """Normalisation of maps: in `T`, in `M` of convolutions, and after the last block."""
    transformer_norm_layer_cl: TokenNorm = "layernorm"
    """Normalisation in `M` and `PM`."""
    transformer_norm_eps: Eps = 1e-6
    """Added to the variance in these normalisations."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        wrong = list(self._length_conflicts())
        yield from wrong or self._number_conflicts()
        yield from self._idle_conflicts()
        if self.head_hidden_size is None:
            yield from unpooled_classifier(self, self.global_pool)
        elif self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax' where 'head_hidden_size' is given: the "
                "normalisation after the pooling takes one feature for each channel",
                "global_pool",
            )

    def _length_conflicts(self) -> Iterator[Conflict]:
        yield from uneven_stages(self, "depths", "embed_dim", "block_type")
        for kinds, depth in zip(self.block_type, self.depths, strict=False):
            if isinstance(kinds, tuple) and len(kinds) > depth:
                yield Conflict(
                    f"'block_type' names {len(kinds)} blocks of a stage that has {depth} by "
                    "'depths': name at most as many",
                    "block_type",
                )

    def _number_conflicts(self) -> Iterator[Conflict]:
        wrong = list(self._size_conflicts())
        yield from wrong or self._partition_conflicts()
        blocks = [block for stage in self.plan().stages for block in stage.blocks]
        yield from self._attention_conflicts(blocks)
        yield from self._convolution_conflicts([conv for block in blocks for conv in block.convs])
        normalized = [self.embed_dim[-1]]
        for block in blocks:
            if block.kind == "T" or (block.kind == "M" and self.transformer_use_nchw_attn):
                normalized += [block.in_channels, block.channels]
        yield from norm_conflicts(self.transformer_norm_layer, normalized, "transformer_norm_layer")

    def _attention_conflicts(self, blocks: list[BlockPlan]) -> Iterator[Conflict]:
        size = self.transformer_dim_head
        for width in (each.width for block in blocks for each in block.attentions):
            if width % size:
                yield Conflict(
                    f"'transformer_dim_head' must divide the features of the attention evenly; got "
                    f"{size} for {width}: choose one of its divisors, or another 'embed_dim'",
                    "transformer_dim_head",
                )
                break
        if any(block.attentions and block.hidden < 1 for block in blocks):
            yield Conflict(
                f"'transformer_expand_ratio' {self.transformer_expand_ratio} must leave the MLPs a "
                "hidden feature",
                "transformer_expand_ratio",
            )
        if any(block.kind == "PM" and block.channels % 2 for block in blocks):
            yield Conflict(
                f"'embed_dim' must be even where 'block_type' is 'PM', whose two attentions share "
                f"the features; got {self.embed_dim}",
                "embed_dim",
            )

    def _convolution_conflicts(self, convs: list[ConvPlan]) -> Iterator[Conflict]:
        if self.conv_kernel_size % 2 == 0:
            yield Conflict(
                f"'conv_kernel_size' must be odd; got {self.conv_kernel_size}", "conv_kernel_size"
            )
        normalized = [self.plan().stem_channels[0]]
        for conv in convs:
            normalized += [conv.hidden if self.conv_block_type == "mbconv" else conv.channels]
            normalized += [conv.in_channels] if self.conv_block_type == "mbconv" else []
            if conv.hidden < 1:
                yield Conflict(
                    f"'conv_expand_ratio' {self.conv_expand_ratio} must leave the blocks a channel "
                    "inside",
                    "conv_expand_ratio",
                )
                return
            if self.conv_block_type == "convnext" and conv.channels % conv.in_channels:
                yield Conflict(
                    "'embed_dim' must be a multiple of the channels before, which each stage's "
                    "first depthwise convolution multiplies, where 'conv_block_type' is "
                    f"'convnext'; got {conv.channels} after {conv.in_channels}",
                    "embed_dim",
                )
                return
            if self.conv_block_type == "mbconv" and conv.hidden % (self.conv_group_size or 1):
                yield Conflict(
                    f"'conv_group_size' {self.conv_group_size} cannot divide the {conv.hidden} "
                    "channels of a convolution: choose one of their divisors",
                    "conv_group_size",
                )
                return
            if self.conv_block_type == "mbconv" and self.conv_attn_layer and conv.reduced < 1:
                yield Conflict(
                    f"'conv_attn_ratio' {self.conv_attn_ratio} must leave the channel attention a "
                    "channel inside",
                    "conv_attn_ratio",
                )
                return
        yield from norm_conflicts(self.conv_norm_layer, normalized, "conv_norm_layer")

    def _size_conflicts(self) -> Iterator[Conflict]:
        """The conflict of an odd map that a block's branch and its shortcut halve differently."""
        maps = self._maps()
        for size, kind in zip(maps, self._first_kinds(), strict=False):
            odd, ways = any(side % 2 for side in size), self._rounds_up(kind)
            if (odd and len(ways) > 1) or (min(size) < 2 and False in ways):
                yield Conflict(
                    f"'img_size' {self.img_size} leaves a stage a map of {size[0]} x {size[1]} "
                    f"positions, which it cannot halve: {self._choose(2 ** len(maps))}",
                    "img_size",
                )
                return

    def _partition_conflicts(self) -> Iterator[Conflict]:
        """The conflict of windows or a grid that do not divide a map."""
        if not self._has(*_PARTITIONS):
            return
        sizes = self._partitions()
        if min(min(size) for size in sizes) < 1:
            yield Conflict(
                f"'img_size' {self.img_size} must be at least 'transformer_partition_ratio' "
                f"{self.transformer_partition_ratio}, which leaves a window not one position",
                "img_size",
            )
            return
        for index, (grid, kinds) in enumerate(zip(self._maps()[1:], self._kinds(), strict=True)):
            whole = all(
                side % part == 0 for size in sizes for side, part in zip(grid, size, strict=True)
            )
            if whole or not {*_PARTITIONS} & {*kinds}:
                continue
            yield Conflict(
                f"'img_size' {self.img_size} gives stage {index} a map of {grid[0]} x {grid[1]} "
                f"positions, which windows of {sizes[0][0]} x {sizes[0][1]} and a grid of "
                f"{sizes[1][0]} x {sizes[1][1]} do not divide: {self._sizes_that_fit(sizes)}",
                "img_size",
            )
            return

    def _sizes_that_fit(self, sizes: tuple[Grid, Grid]) -> str:
        """What to write instead of a size that windows do not divide."""
        last = max(i for i, kinds in enumerate(self._kinds()) if {*_PARTITIONS} & {*kinds})
        reduction = 4 * 2**last
        if self.transformer_window_size is None:
            step = lcm(reduction, self.transformer_partition_ratio)
            if step != self.transformer_partition_ratio:
                return f"set 'transformer_partition_ratio' to a multiple of {reduction}"
        else:
            step = reduction * lcm(*(side for size in sizes for side in size))
        return self._choose(step)

    def _choose(self, step: int) -> str:
        below = max(max(to_pair(self.img_size)) // step, 1) * step
        return f"choose a multiple of {step}, such as {below} or {below + step}"

    def _idle_conflicts(self) -> Iterator[Conflict]:
        """The conflict of options that another one leaves without effect."""
        if self.conv_block_type == "convnext":
            yield from self._idle(_MBCONV_ONLY, "'conv_block_type' is 'convnext'")
            if self.conv_stride_mode == "1x1":
                yield Conflict(
                    "'conv_stride_mode' must not be '1x1' where 'conv_block_type' is 'convnext': "
                    "no 1x1 convolution stands before the depthwise one; choose 'dw' or 'pool'",
                    "conv_stride_mode",
                )
        else:
            yield from self._idle(("conv_init_values",), "'conv_block_type' is 'mbconv'")
            if self.conv_attn_layer != "se":
                where = "'conv_attn_layer' is not 'se'"
                yield from self._idle(("conv_attn_act_layer", "conv_attn_ratio"), where)
            if self.conv_attn_layer is None:
                yield from self._idle(("conv_attn_early",), "'conv_attn_layer' is None")
        if self.conv_stride_mode != "pool":
            where = "'conv_stride_mode' is not 'pool'"
            yield from self._idle(("conv_downsample_pool_type",), where)
        if self.transformer_rel_pos_type != "mlp":
            where = "'transformer_rel_pos_type' is not 'mlp'"
            yield from self._idle(("transformer_rel_pos_dim",), where)
        if self.transformer_window_size is None:
            yield from self._idle(
                ("transformer_grid_size",),
                "'transformer_window_size' is None, a share of the image",
            )

    def _idle(self, names: tuple[str, ...], where: str) -> Iterator[Conflict]:
        for name in names:
            default: object = type(self).model_fields[name].default
            if getattr(self, name) != default:
                yield Conflict(
                    f"'{name}' must be {default!r} where {where}: it has no effect there", name
                )

    def _kinds(self) -> tuple[tuple[BlockType, ...], ...]:
        """The kind of each block of each stage."""
        stages = []
        for kinds, depth in zip(self.block_type, self.depths, strict=False):
            named: tuple[BlockType, ...] = kinds if isinstance(kinds, tuple) else (kinds,)
            stages.append((*named, *named[-1:] * (depth - len(named))))
        return tuple(stages)

    def _first_kinds(self) -> tuple[BlockType, ...]:
        return tuple(kinds[0] for kinds in self._kinds())

    def _has(self, *kinds: BlockType) -> bool:
        return any({*kinds} & {*stage} for stage in self._kinds())

    def _rounds_up(self, kind: BlockType) -> set[bool]:
        """Whether a block's branch and its shortcut round half of an odd map up."""

        def up(pooling: Halving) -> bool:
            return not pooling.endswith("2")

        if kind == "T":
            return {up(self.transformer_pool_type)}
        down = self.conv_stride_mode != "pool" or up(self.conv_downsample_pool_type)
        if self.conv_block_type == "convnext":
            return {False, down}
        same = self.conv_padding == "same"
        return {same or up(self.conv_pool_type), same or down}

    def _maps(self) -> tuple[Grid, ...]:
        """Rows and columns of the stem's map, and of each stage's."""
        height, width = to_pair(self.img_size)
        maps = [(-(-height // 2), -(-width // 2))]
        for kind in self._first_kinds():
            rows, columns = maps[-1]
            more = int(True in self._rounds_up(kind))
            maps.append(((rows + more) // 2, (columns + more) // 2))
        return tuple(maps)

    def _partitions(self) -> tuple[Grid, Grid]:
        """Rows and columns of a window, and of the grid."""
        if self.transformer_window_size is None:
            height, width = to_pair(self.img_size)
            ratio = self.transformer_partition_ratio
            window = height // ratio, width // ratio
        else:
            window = to_pair(self.transformer_window_size)
        return window, to_pair(self.transformer_grid_size or window)

    def resized(
        self,
        img_size: Size | None = None,
        window_size: WindowSize | None = None,
        grid_size: WindowSize | None = None,
        partition_ratio: int | None = None,
    ) -> Self:
        """This config for another size; windows and grid that are not given are a share of it.

        Raises:
            ConfigError: the sizes do not go together.
        """
        image, ratio = (
            img_size or self.img_size,
            partition_ratio or self.transformer_partition_ratio,
        )
        height, width = to_pair(image)
        share = height // ratio, width // ratio
        stays = img_size is None and partition_ratio is None
        window, grid = self._partitions() if stays else (share, share)
        window, grid = to_pair(window_size or window), to_pair(grid_size or grid)
        return self.replace(
            img_size=image,
            transformer_partition_ratio=ratio,
            transformer_window_size=None if window == grid == share else window,
            transformer_grid_size=None if window == grid else grid,
        )

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, unless there are only convolutions, and attention without biases."""
        fixed = self._has(*_PARTITIONS) or (self._has("T") and self.transformer_rel_pos_type)
        return self.img_size if fixed else None

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem and each stage."""
        plan = self.plan()
        stages = (
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(plan.stages)
        )
        return (FeatureSpec(plan.stem_channels[1], 2, "stem"), *stages)

    def attentions(self) -> Iterator[tuple[str, AttentionPlan]]:
        """Each attention of the model with its path."""
        for stage, stage_plan in enumerate(self.plan().stages):
            for number, block in enumerate(stage_plan.blocks):
                path = f"stages.{stage}.blocks.{number}"
                names = _ATTENTION_NAMES[block.kind][-len(block.attentions) :]
                for name, attention in zip(names, block.attentions, strict=False):
                    yield f"{path}.{name}", attention

    @planned
    def plan(self) -> MaxxVitPlan:
        """Every block with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        width = self.stem_width
        stem = width if isinstance(width, tuple) else (width, width)
        before, stages = stem[1], []
        for index, (channels, kinds, grid) in enumerate(
            zip(self.embed_dim, self._kinds(), self._maps()[1:], strict=True)
        ):
            blocks: list[BlockPlan] = []
            for kind in kinds:
                blocks.append(self._block(kind, before, channels, not blocks, grid, next(rates)))
                before = channels
            stages.append(StagePlan(channels, 4 * 2**index, tuple(blocks)))
        return MaxxVitPlan(stem, tuple(stages))

    def _block(
        self, kind: BlockType, before: int, channels: int, halves: bool, grid: Grid, rate: float
    ) -> BlockPlan:
        attentions: tuple[AttentionPlan, ...] = ()
        if kind == "T":
            width = channels if self.transformer_expand_first else before
            attentions = (self._attention(before, width, channels, grid),)
        elif kind in _PARTITIONS:
            features = channels if kind == "M" else channels // 2
            attentions = tuple(
                self._attention(channels, channels, features, size) for size in self._partitions()
            )
            if kind == "M" and self.transformer_no_block_attn:
                attentions = attentions[1:]
        convs: tuple[ConvPlan, ...] = ()
        if kind != "T":
            convs = (self._conv(before, channels, halves),)
        if kind == "PM":
            convs = (*convs, self._conv(channels, channels, False))
        return BlockPlan(
            kind=kind,
            in_channels=before,
            channels=channels,
            halves=halves,
            convs=convs,
            attentions=attentions,
            hidden=int(channels * self.transformer_expand_ratio),
            drop_path_rate=rate,
        )

    def _attention(self, before: int, width: int, features: int, window: Grid) -> AttentionPlan:
        return AttentionPlan(before, width, features, width // self.transformer_dim_head, window)

    def _conv(self, before: int, channels: int, halves: bool) -> ConvPlan:
        if self.conv_block_type == "convnext":
            hidden, groups = int(channels * self.conv_expand_ratio), before
        else:
            base = channels if self.conv_expand_output else before
            hidden = round_channels(base * self.conv_expand_ratio)
            groups = hidden // self.conv_group_size if self.conv_group_size else 1
        reduced = int(self.conv_attn_ratio * (channels if self.conv_expand_output else hidden))
        return ConvPlan(before, channels, halves, hidden, groups, reduced)


_ATTENTION_NAMES: dict[BlockType, tuple[str, ...]] = {
    "C": (),
    "T": ("attn",),
    "M": ("attn_block.attn", "attn_grid.attn"),
    "PM": ("attn.attn_block", "attn.attn_grid"),
}
"""Paths in a block of its attentions; of `M` the first may be missing."""
_MBCONV_ONLY = (
    "conv_expand_output",
    "conv_kernel_size",
    "conv_group_size",
    "conv_pre_norm_act",
    "conv_pool_type",
    "conv_attn_early",
    "conv_attn_layer",
    "conv_attn_act_layer",
    "conv_attn_ratio",
)


@dataclass(frozen=True, slots=True)
class ConvPlan:
    """The convolutions of a block."""

    in_channels: int
    channels: int
    halves: bool
    """Whether they subsample."""
    hidden: int
    """Channels inside."""
    groups: int
    """Groups of the depthwise convolution."""
    reduced: int
    """Channels inside of a channel attention."""


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """The attention of a block, or one of two."""

    in_features: int
    width: int
    """Features of queries, of keys and of values."""
    features: int
    """Features of the output."""
    num_heads: int
    window: Grid
    """Rows and columns of the positions that attend to each other."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    kind: BlockType
    in_channels: int
    channels: int
    halves: bool
    """Whether it subsamples."""
    convs: tuple[ConvPlan, ...]
    """One set of convolutions; two of `PM`; none of `T`."""
    attentions: tuple[AttentionPlan, ...]
    """Over the map (`T`), or in windows, if at all, and in the grid (`M`, `PM`)."""
    hidden: int
    """Hidden features of the MLPs."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The blocks of one resolution."""

    channels: int
    reduction: int
    """Input pixels for each position of the stage's map."""
    blocks: tuple[BlockPlan, ...]


@dataclass(frozen=True, slots=True)
class MaxxVitPlan:
    """The whole network, with every number decided."""

    stem_channels: tuple[int, int]
    stages: tuple[StagePlan, ...]
