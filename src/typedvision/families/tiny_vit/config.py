"""TinyViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Heads,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    planned,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages
from typedvision.config.windows import Window

if TYPE_CHECKING:
    from typedvision.families.tiny_vit.model import TinyVit

MAX_STAGES = 8

Widths = Annotated[tuple[Channels, ...], Field(min_length=1, max_length=MAX_STAGES)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
HeadCounts = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=MAX_STAGES)]
Windows = Annotated[tuple[Window, ...], Field(min_length=1, max_length=MAX_STAGES)]


class TinyVitConfig(ModelConfig, Builds["TinyVit"]):
    """A TinyViT (https://arxiv.org/abs/2207.10666): a stage of convolutions, then stages of
    attention in windows."""

    embed_dims: Widths = (96, 192, 384, 768)
    """Channels of each stage."""
    depths: Depths = (2, 2, 6, 2)
    """Number of blocks of each stage."""
    num_heads: HeadCounts = (3, 6, 12, 24)
    """Attention heads of each stage; the first stage has no attention, and its number no effect."""
    window_sizes: Windows = (7, 7, 14, 7)
    """Rows and columns of the windows of each stage; the first stage has none, and its number no
    effect."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLPs for each of their own."""
    mbconv_expand_ratio: Ratio = 4.0
    """Hidden channels of the convolutional blocks for each of their own."""
    local_conv_size: KernelSize = 3
    """Kernel of the depthwise convolution between attention and MLP, odd."""
    act_layer: Activation = "gelu"
    """Activation of convolutions and MLPs."""
    global_pool: Literal["", "avg", "max", "avgmax"] = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each layer of an MLP."""
    drop_path_rate: Rate = 0.1
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if uneven := uneven_stages(self, "embed_dims", "depths", "num_heads", "window_sizes"):
            yield from uneven
            return
        if self.embed_dims[0] < 2:
            yield Conflict(
                "'embed_dims' must be at least 2 in the first stage: the first convolution has "
                "half of them",
                "embed_dims",
            )
        if self.local_conv_size % 2 == 0:
            yield Conflict(
                f"'local_conv_size' must be odd; got {self.local_conv_size}", "local_conv_size"
            )
        for width, heads in list(zip(self.embed_dims, self.num_heads, strict=True))[1:]:
            if width % heads:
                yield Conflict(
                    f"'num_heads' must divide 'embed_dims'; got {heads} of {width}", "num_heads"
                )
                return
        for name in ("mlp_ratio", "mbconv_expand_ratio"):
            if int(min(self.embed_dims) * getattr(self, name)) < 1:
                yield Conflict(f"'{name}' leaves no hidden feature: raise it", name)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stages."""
        return halving_levels(self.embed_dims)

    @planned
    def plan(self) -> tuple[ConvStagePlan, tuple[StagePlan, ...]]:
        """The stage of convolutions, and those of attention, with their numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        channels = self.embed_dims[0]
        first = ConvStagePlan(
            channels,
            int(channels * self.mbconv_expand_ratio),
            tuple(islice(rates, self.depths[0])),
        )
        return first, tuple(
            StagePlan(
                in_channels=self.embed_dims[index - 1],
                channels=self.embed_dims[index],
                num_heads=self.num_heads[index],
                window=self.window_sizes[index],
                hidden=int(self.embed_dims[index] * self.mlp_ratio),
                drop_path_rates=tuple(islice(rates, self.depths[index])),
            )
            for index in range(1, len(self.embed_dims))
        )


@dataclass(frozen=True, slots=True)
class ConvStagePlan:
    """The stage of convolutions."""

    channels: int
    hidden: int
    """Channels of the depthwise convolutions."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage of attention."""

    in_channels: int
    channels: int
    num_heads: int
    window: int
    """Rows and columns of a window."""
    hidden: int
    """Hidden features of the MLPs."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
