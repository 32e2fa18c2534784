"""The rows that a mobile network is written in, each one block or equal blocks in a row.

A row plans its blocks: `row.plan(place)` decides the numbers of the block that stands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.config import JsonDict

from typedvision.config.base import Channels, Config, Count, Heads, Rate
from typedvision.config.mobile.plans import (
    AttentionKind,
    AttentionPlan,
    BlockKind,
    Place,
    ResidualPlan,
    UniversalPlan,
)
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels

Kernel = Annotated[int, Field(ge=1, le=31)]
NoKernel = Annotated[int, Field(ge=0, le=31)]
Repeats = Annotated[int, Field(ge=1, le=256)]
BlockStride = Annotated[int, Field(ge=1, le=2)]
Expansion = Annotated[float, Field(gt=0.0, le=64.0)]

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
    repeats: Repeats = 1
    """Number of blocks, before the depth multiplier."""
    kernel_size: Kernel | Annotated[tuple[Kernel, ...], Field(max_length=6)] = 3
    """Kernel of the spatial convolution, odd; of several, each takes its share of the channels
    (MixNet)."""
    stride: BlockStride = 1
    """Stride of the first block."""
    exp_ratio: Expansion = 1.0
    """Expansion: channels inside of the block for each of its input channels."""
    out_chs: Channels
    """Output channels, before the channel multiplier."""
    se_ratio: Rate = 0.0
    """Channels inside of squeeze-and-excitation for each input channel, or for each expanded one
    with `se_from_exp`; 0 for none."""
    skip: bool = True
    """Add the input to the output where their shapes agree."""
    act_layer: Activation | None = None
    """Activation; None for the model's."""
    group_size: Channels | None = None
    """Channels of a group of the spatial convolution; None for one, or all in `conv` and
    `fused_mbconv`."""
    force_in_chs: Channels | None = None
    """What the expansion multiplies, before the channel multiplier; None for the input channels."""
    pw_act: bool = False
    """End in an activation (MobileNetV1)."""
    s2d: bool = False
    """Fold the map: a first convolution takes 2x2 positions to four times the channels, and the
    blocks put out four times `out_chs` (EfficientNet-X, https://arxiv.org/abs/2102.05610)."""
    exp_splits: Annotated[int, Field(ge=1, le=6)] = 1
    """Parts that the expansion treats on their own (MixNet)."""
    pw_splits: Annotated[int, Field(ge=1, le=6)] = 1
    """Parts that the last pointwise convolution treats on their own (MixNet)."""
    num_experts: Annotated[int, Field(ge=0, le=64)] = 0
    """Kernels that each convolution mixes, image by image (CondConv); 0 for plain ones."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for field, kinds in _ONLY_IN.items():
            if self.block not in kinds and getattr(self, field) != _default(self, field):
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
    def reduction(self) -> int:
        """What the first block divides the resolution by."""
        return 2 if self.s2d else self.stride

    @property
    def kernels(self) -> tuple[int, ...]:
        """The kernels of the spatial convolution."""
        return self.kernel_size if isinstance(self.kernel_size, tuple) else (self.kernel_size,)

    @property
    def parts(self) -> int:
        """Parts that a convolution treats on their own."""
        return max(len(self.kernels), self.exp_splits, self.pw_splits)

    @property
    def divides(self) -> bool:
        """Whether the channels have to be divisible."""
        return self.group_size is not None or self.parts > 1

    def plan(self, place: Place) -> ResidualPlan:
        """The block that stands there."""
        network, folds = place.network, self.s2d and place.first
        out_channels = network.scaled(self.out_chs) * (4 if self.s2d else 1)
        match self.block:
            case "conv":
                mid_channels = out_channels
            case "separable":
                mid_channels = place.in_channels * (4 if folds else 1)
            case "mbconv" | "fused_mbconv":
                forced = self.force_in_chs and network.scaled(self.force_in_chs)
                mid_channels = round_channels((forced or place.in_channels) * self.exp_ratio)
        usual_size = 0 if self.block in ("conv", "fused_mbconv") else 1
        squeezed = network.squeezed(
            mid_channels, self.exp_ratio * (4 if folds else 1), self.se_ratio
        )
        return ResidualPlan(
            kind=self.block,
            in_channels=place.in_channels,
            mid_channels=mid_channels,
            out_channels=out_channels,
            kernels=(2,) if folds else self.kernels,
            folds=folds,
            stride=1 if folds else place.stride,
            dilation=place.dilation,
            group_size=self.group_size or usual_size,
            se_channels=squeezed,
            act_layer=self.act_layer or network.act_layer,
            pw_act=self.pw_act,
            exp_splits=self.exp_splits,
            pw_splits=self.pw_splits,
            num_experts=self.num_experts,
            skip=self.skip and place.keeps_shape(out_channels),
            drop_path_rate=place.drop_path_rate,
        )


def _says_its_kind(schema: JsonDict) -> None:
    """Demand the kind of a row in a document, where no class says it."""
    required = schema.get("required", [])
    schema["required"] = ["block", *(required if isinstance(required, list) else [])]


class PrunedBlock(Config):
    """An `mbconv` whose channels are given one by one, and neither scaled nor rounded: what
    pruning leaves (https://arxiv.org/abs/2002.08258)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_says_its_kind)

    block: Literal["pruned_mbconv"] = "pruned_mbconv"
    """The kind of this row."""
    kernel_size: Kernel = 3
    """Kernel of the depthwise convolution, odd."""
    stride: BlockStride = 1
    """Stride."""
    mid_chs: Channels
    """Channels inside of the block."""
    out_chs: Channels
    """Output channels."""
    se_chs: Count = 0
    """Channels inside of squeeze-and-excitation; 0 for none."""
    skip: bool = True
    """Add the input to the output where their shapes agree."""
    act_layer: Activation | None = None
    """Activation; None for the model's."""

    @property
    def repeats(self) -> int:
        """One row is one block."""
        return 1

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from _even(self, "kernel_size")

    @property
    def reduction(self) -> int:
        """What the first block divides the resolution by."""
        return self.stride

    @property
    def divides(self) -> bool:
        """Whether the channels have to be divisible."""
        return False

    def plan(self, place: Place) -> ResidualPlan:
        """The block that stands there."""
        return ResidualPlan(
            kind="mbconv",
            in_channels=place.in_channels,
            mid_channels=self.mid_chs,
            out_channels=self.out_chs,
            kernels=(self.kernel_size,),
            stride=place.stride,
            dilation=place.dilation,
            se_channels=self.se_chs,
            act_layer=self.act_layer or place.network.act_layer,
            skip=self.skip and place.keeps_shape(self.out_chs),
            drop_path_rate=place.drop_path_rate,
        )


class UniversalBlocks(Config):
    """Universal inverted bottlenecks (MobileNetV4, https://arxiv.org/abs/2404.10518, figure 4): an
    `mbconv` with depthwise convolutions where they are asked for.

    Of the first two, both make the paper's ExtraDW, the middle one alone an inverted bottleneck,
    the one at the start a ConvNext block, and none a feed-forward network.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_says_its_kind)

    block: Literal["uib"] = "uib"
    """The kind of these rows."""
    repeats: Repeats = 1
    """Number of blocks, before the depth multiplier."""
    kernel_size_start: NoKernel = 0
    """Kernel of the depthwise convolution before the expansion, odd; 0 for none."""
    kernel_size_mid: NoKernel = 3
    """Kernel of the one between expansion and projection, odd; 0 for none."""
    kernel_size_end: NoKernel = 0
    """Kernel of the one after the projection, odd; 0 for none."""
    stride: BlockStride = 1
    """Stride of the first block, in the middle convolution if there is one."""
    exp_ratio: Expansion = 1.0
    """Expansion: channels inside of the block for each of its input channels."""
    out_chs: Channels
    """Output channels, before the channel multiplier."""
    se_ratio: Rate = 0.0
    """Channels inside of squeeze-and-excitation for each input channel, or for each expanded one
    with `se_from_exp`; 0 for none."""
    skip: bool = True
    """Add the input to the output where their shapes agree."""
    act_layer: Activation | None = None
    """Activation; None for the model's."""
    group_size: Channels | None = None
    """Channels of a group of the depthwise convolutions; None for one."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for field in ("kernel_size_start", "kernel_size_mid", "kernel_size_end"):
            if getattr(self, field):
                yield from _even(self, field)
        if self.stride > 1 and not (self.kernel_size_start or self.kernel_size_mid):
            yield Conflict(
                "'stride' needs a convolution to subsample: set 'kernel_size_mid' or "
                "'kernel_size_start'",
                "stride",
            )

    @property
    def reduction(self) -> int:
        """What the first block divides the resolution by."""
        return self.stride

    @property
    def divides(self) -> bool:
        """Whether the channels have to be divisible."""
        return self.group_size is not None

    def plan(self, place: Place) -> UniversalPlan:
        """The block that stands there."""
        network = place.network
        mid_channels = round_channels(place.in_channels * self.exp_ratio)
        out_channels = network.scaled(self.out_chs)
        return UniversalPlan(
            in_channels=place.in_channels,
            mid_channels=mid_channels,
            out_channels=out_channels,
            kernel_start=self.kernel_size_start,
            kernel_mid=self.kernel_size_mid,
            kernel_end=self.kernel_size_end,
            stride=place.stride,
            dilation=place.dilation,
            group_size=self.group_size or 1,
            se_channels=network.squeezed(mid_channels, self.exp_ratio, self.se_ratio),
            act_layer=self.act_layer or network.act_layer,
            layer_scale=network.layer_scale,
            skip=self.skip and place.keeps_shape(out_channels),
            drop_path_rate=place.drop_path_rate,
        )


class AttentionBlocks(Config):
    """Self-attention over the positions of a map (MobileNetV4, section 3.2)."""

    block: AttentionKind = "mqa"
    """`mqa`: all heads share one set of keys and values (https://arxiv.org/abs/1911.02150), which
    may come from a subsampled map; `mha`: each head has its own."""
    repeats: Repeats = 1
    """Number of blocks, before the depth multiplier."""
    out_chs: Channels
    """Output channels, before the channel multiplier."""
    num_heads: Heads = 8
    """Number of heads."""
    key_dim: Channels = 64
    """Features of a query and a key of `mqa`."""
    value_dim: Channels = 64
    """Features of a value of `mqa`."""
    kv_stride: BlockStride = 1
    """Stride of the depthwise convolution before the keys and values of `mqa`; 1 for none."""
    kernel_size: Kernel = 3
    """Kernel of that convolution, odd."""
    skip: bool = True
    """Add the input to the output where their shapes agree."""

    @property
    def reduction(self) -> int:
        """One: queries stand at every position."""
        return 1

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from _even(self, "kernel_size")
        only_mqa = ("key_dim", "value_dim", "kv_stride", "kernel_size")
        given = [name for name in only_mqa if getattr(self, name) != _default(self, name)]
        if self.block == "mha":
            for field in given:
                yield Conflict(
                    f"'{field}' means nothing in an 'mha': leave it out, or set 'block' to 'mqa'",
                    field,
                )
        elif self.kv_stride == 1 and "kernel_size" in given:
            yield Conflict(
                "'kernel_size' is that of the convolution that subsamples: leave it out, or set "
                "'kv_stride' to 2",
                "kernel_size",
            )

    @property
    def divides(self) -> bool:
        """Whether the channels have to be divisible."""
        return self.block == "mha"

    def plan(self, place: Place) -> AttentionPlan:
        """The block that stands there."""
        network = place.network
        out_channels = network.scaled(self.out_chs)
        return AttentionPlan(
            kind=self.block,
            in_channels=place.in_channels,
            out_channels=out_channels,
            num_heads=self.num_heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim,
            kv_stride=self.kv_stride,
            kernel_size=self.kernel_size,
            dilation=place.dilation,
            layer_scale=network.layer_scale,
            skip=self.skip and place.keeps_shape(out_channels),
            drop_path_rate=place.drop_path_rate,
        )


def _default(row: Config, field: str) -> object:
    default: object = type(row).model_fields[field].default
    return default


def _even(row: Config, field: str) -> Iterator[Conflict]:
    if getattr(row, field) % 2 == 0:
        yield Conflict(f"'{field}' must be odd; got {getattr(row, field)}", field)


class _AnyKind(Config):
    """What to say of a row that is of no kind."""

    model_config = ConfigDict(extra="ignore")

    block: Literal[BlockKind, "pruned_mbconv", "uib", AttentionKind]


_ROWS: dict[str, type[Config]] = {
    **dict.fromkeys(("conv", "separable", "mbconv", "fused_mbconv"), Blocks),
    "pruned_mbconv": PrunedBlock,
    "uib": UniversalBlocks,
    "mqa": AttentionBlocks,
    "mha": AttentionBlocks,
}


def _by_kind(row: object, union: ValidatorFunctionWrapHandler) -> object:
    """What is written as data is of the class that its kind says, and so are its errors."""
    if isinstance(row, Config):
        return union(row)
    if not isinstance(row, Mapping):
        return Blocks.model_validate(row)
    kind = row.get("block")
    known = _ROWS.get(kind) if isinstance(kind, str) else None
    return (known or _AnyKind).model_validate(row)


AnyBlocks = Blocks | UniversalBlocks | AttentionBlocks | PrunedBlock

Row = Annotated[AnyBlocks, WrapValidator(_by_kind)]
"""One block, or equal ones in a row."""


def _one_row(stage: object, union: ValidatorFunctionWrapHandler) -> object:
    """What is no list is one row, and its errors are those of one; a list of one is that one."""
    if isinstance(stage, Mapping):
        return _by_kind(stage, union)
    found: object = union(stage)
    return found[0] if isinstance(found, tuple) and len(found) == 1 else found


Stage = Annotated[
    Row | Annotated[tuple[Row, ...], Field(min_length=1, max_length=64)],
    WrapValidator(_one_row),
]
"""A stage: one row, or several."""
