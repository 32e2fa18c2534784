"""The numbers of mobile networks: each block's, decided once, and what makes them of a row.

Plans know nothing of a config, so that any family may make them and build the blocks of
`typedvision.layers.mobile_blocks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from typedvision.config.mobile.squeeze_excite import USUAL_SQUEEZE_EXCITE, SqueezeExcite
from typedvision.config.names import Activation, AntiAlias, ChannelAttention, ConvNormAct, PadType
from typedvision.config.rounding import round_channels

BlockKind = Literal["conv", "separable", "mbconv", "fused_mbconv"]
AttentionKind = Literal["mqa", "mha"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStyle:
    """What the layers of all blocks of a network have in common."""

    pad_type: PadType = ""
    """Padding of spatial convolutions."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    norm_group_size: int | None = None
    """Channels of a group of a normalisation by groups; None for 32 groups."""
    norm_eps: float | None = None
    """Added to the variance by the normalisation; None for the usual value of the layer."""
    norm_momentum: float = 0.1
    """Weight of a new batch in the running statistics of batch normalisation."""
    aa_layer: AntiAlias | None = None
    """Low-pass filter where a block subsamples."""
    se_layer: ChannelAttention | SqueezeExcite = USUAL_SQUEEZE_EXCITE
    """Attention over channels, in blocks that have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualPlan:
    """A block of convolutions, with every number decided."""

    kind: BlockKind
    """Which block."""
    in_channels: int
    """Input channels C."""
    mid_channels: int
    """Channels between the convolutions."""
    out_channels: int
    """Output channels D."""
    kernels: tuple[int, ...] = (3,)
    """Kernels of the spatial convolution; of several, each takes its share of the channels."""
    folds: bool = False
    """A first convolution takes 2 x 2 positions to one; only in a `separable`."""
    stride: int = 1
    """Stride of the spatial convolution."""
    dilation: int = 1
    """Dilation of the spatial convolution."""
    group_size: int = 1
    """Channels of a group of the spatial convolution; 0 for one group."""
    se_channels: int = 0
    """Channels inside of the attention over channels; 0 for none."""
    act_layer: Activation
    """Activation."""
    pw_act: bool = False
    """Whether a `separable` ends in an activation."""
    exp_splits: int = 1
    """Parts that the expansion treats on their own, in an `mbconv`."""
    pw_splits: int = 1
    """Parts that the projection treats on their own, in an `mbconv`."""
    num_experts: int = 0
    """Kernels that each convolution of an `mbconv` mixes; 0 for plain ones."""
    skip: bool = False
    """Whether the input is added to the output."""
    drop_path_rate: float = 0.0
    """Probability of dropping the residual branch."""

    @property
    def groups(self) -> int:
        """Groups of the spatial convolution."""
        return self.mid_channels // self.group_size if self.group_size else 1

    def normalized(self) -> tuple[int, ...]:
        """The number of channels of each normalisation."""
        return self.mid_channels, self.out_channels

    def conflicts(self) -> Iterator[str]:
        """Groups and splits that do not divide the channels that they are given."""
        size, inside = self.group_size, self.mid_channels
        inputs = self.in_channels if self.kind == "fused_mbconv" else inside
        if size and (inside % size or inputs % self.groups):
            yield (
                f"'group_size' = {size} in 'block_args' must divide {inside} channels into "
                f"as many groups as divide {inputs}: choose another, or another "
                "'channel_multiplier'"
            )
        narrowest = min(self.in_channels, inside, self.out_channels)
        parts = max(len(self.kernels), self.exp_splits, self.pw_splits)
        if parts > narrowest:
            yield (
                f"'block_args' split {narrowest} channels into {parts} parts: ask for fewer, "
                "or for a larger 'channel_multiplier'"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class UniversalPlan:
    """A universal inverted bottleneck, with every number decided."""

    in_channels: int
    """Input channels C."""
    mid_channels: int
    """Expanded channels."""
    out_channels: int
    """Output channels D."""
    kernel_start: int
    """Kernel of the depthwise convolution before the expansion; 0 for none."""
    kernel_mid: int
    """Kernel of the one between expansion and projection; 0 for none."""
    kernel_end: int
    """Kernel of the one after the projection; 0 for none."""
    stride: int = 1
    """Stride of the middle one, or of the first one where there is no middle one."""
    dilation: int = 1
    """Dilation of the depthwise convolutions."""
    group_size: int = 1
    """Channels of a group of the depthwise convolutions."""
    se_channels: int = 0
    """Channels inside of the attention over channels; 0 for none."""
    act_layer: Activation
    """Activation."""
    layer_scale: float | None = None
    """Initial value of the factors on the branch; None for no factors."""
    skip: bool = False
    """Whether the input is added to the output."""
    drop_path_rate: float = 0.0
    """Probability of dropping the residual branch."""

    def normalized(self) -> tuple[int, ...]:
        """The number of channels of each normalisation."""
        start = (self.in_channels,) if self.kernel_start else ()
        return *start, self.mid_channels, self.out_channels

    def conflicts(self) -> Iterator[str]:
        """Groups that do not divide the channels that they are given."""
        for channels, kernel in (
            (self.in_channels, self.kernel_start),
            (self.mid_channels, self.kernel_mid),
            (self.out_channels, self.kernel_end),
        ):
            if kernel and channels % self.group_size:
                yield (
                    f"'group_size' = {self.group_size} in 'block_args' must divide {channels} "
                    "channels: choose another, or another 'channel_multiplier'"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPlan:
    """An attention over positions, with every number decided."""

    kind: AttentionKind
    """Which attention."""
    in_channels: int
    """Input channels C."""
    out_channels: int
    """Output channels D."""
    num_heads: int
    """Heads h."""
    key_dim: int
    """Features k of a query and a key, in an `mqa`."""
    value_dim: int
    """Features v of a value, in an `mqa`."""
    kv_stride: int = 1
    """Stride of the depthwise convolution before keys and values, in an `mqa`; 1 for none."""
    kernel_size: int = 3
    """Kernel of that convolution."""
    dilation: int = 1
    """Dilation of that convolution."""
    layer_scale: float | None = None
    """Initial value of the factors on the branch; None for no factors."""
    skip: bool = False
    """Whether the input is added to the output."""
    drop_path_rate: float = 0.0
    """Probability of dropping the residual branch."""

    def normalized(self) -> tuple[int, ...]:
        """The number of channels of each normalisation."""
        return (self.in_channels,)

    def conflicts(self) -> Iterator[str]:
        """Heads that do not divide the channels that they are given."""
        if self.kind == "mha" and self.in_channels % self.num_heads:
            yield (
                f"'num_heads' = {self.num_heads} in 'block_args' must divide {self.in_channels} "
                "channels: choose another, or another 'channel_multiplier'"
            )


BlockPlan = ResidualPlan | UniversalPlan | AttentionPlan


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: its blocks, its output channels, and input pixels for each of its steps."""

    blocks: tuple[BlockPlan, ...]
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class MobilePlan:
    """Stem and stages; `levels` numbers the maps that are features, 0 being the stem's."""

    stem_channels: int
    stages: tuple[StagePlan, ...]
    levels: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Channels of the last stage."""
        return self.stages[-1].channels

    def blocks(self) -> Iterator[BlockPlan]:
        """Every block, from the input to the output."""
        return (block for stage in self.stages for block in stage.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a network decides about the numbers of all of its blocks."""

    act_layer: Activation
    channel_multiplier: float
    channel_divisor: int
    round_limit: float
    squeeze_excite: SqueezeExcite
    se_from_exp: bool = False
    layer_scale: float | None = None

    def scaled(self, channels: int) -> int:
        """That many channels by the multiplier, rounded."""
        scaled = channels * self.channel_multiplier
        return round_channels(scaled, self.channel_divisor, self.round_limit)

    def squeezed(self, channels: int, exp_ratio: float, se_ratio: float) -> int:
        """The channels inside of squeeze-and-excitation; 0 for none.

        Args:
            channels: the expanded channels.
            exp_ratio: by how much they were expanded.
            se_ratio: the share that remains: of the expanded channels with `se_from_exp`, else of
                those before the expansion.
        """
        if not se_ratio:
            return 0
        share = channels * se_ratio / (1.0 if self.se_from_exp else exp_ratio)
        se = self.squeeze_excite
        if se.rd_divisor == 1:
            return max(round(share), 1)
        return round_channels(share, se.rd_divisor, se.rd_round_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a block stands: in which network, behind what, and how far."""

    network: Network
    in_channels: int
    first: bool
    stride: int
    dilation: int
    drop_path_rate: float

    def keeps_shape(self, out_channels: int) -> bool:
        """Whether a block with so many output channels can be added to its input."""
        return self.stride == 1 and self.in_channels == out_channels
