"""MambaOut as data: what can vary, and every number that follows from it."""

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
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    planned,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.mambaout.model import MambaOut

MAX_STAGES = 8
HEAD_RATIO = 4
"""Features of the head's hidden layer for each channel of the last map."""
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)


class MambaOutConfig(ModelConfig, Builds["MambaOut"]):
    """A MambaOut: the gated convolutions of Mamba without its state space
    (https://arxiv.org/abs/2405.07992)."""

    global_pool: Literal["", "avg"] = "avg"
    """How the last feature map becomes a vector; with `""` every position is classified."""
    depths: Annotated[tuple[Depth, ...], _PER_STAGE] = (3, 3, 9, 3)
    """Number of blocks of each stage."""
    dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (96, 192, 384, 576)
    """Channels of each stage, the first even."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    act_layer: Activation = "gelu"
    """Activation of the stem and the blocks."""
    conv_ratio: Ratio = 1.0
    """Channels that a block convolves, for each of its own; at most `expansion_ratio`."""
    expansion_ratio: Ratio = 8 / 3
    """Hidden channels of a block, for each of its own."""
    kernel_size: KernelSize = 7
    """Kernel of the depthwise convolutions, odd."""
    stem_mid_norm: bool = True
    """Normalise between the two convolutions of the stem."""
    ls_init_value: Factor | None = None
    """Whether there is LayerScale (https://arxiv.org/abs/2103.17239): with any number its factors
    are 1e-5 at first, as in the published code; None for no LayerScale."""
    downsample: Literal["conv", "conv_nf"] = "conv"
    """Subsample by a convolution that a normalisation follows (`conv`), or precedes (`conv_nf`)."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""
    head_fn: Literal["default", "norm_mlp"] = "default"
    """Whether a normalisation follows the head's hidden layer (`default`), or not (`norm_mlp`)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from uneven_stages(self, "depths", "dims")
        if self.dims[0] < 2:
            yield Conflict("'dims' must leave the stem half of the first, at least one", "dims")
        if self.kernel_size % 2 == 0:
            yield Conflict(f"'kernel_size' must be odd; got {self.kernel_size}", "kernel_size")
        if self.conv_ratio > self.expansion_ratio:
            yield Conflict(
                f"'conv_ratio' {self.conv_ratio} must be at most 'expansion_ratio' "
                f"{self.expansion_ratio}, of whose channels it is a part",
                "conv_ratio",
            )
        elif any(int(self.conv_ratio * dim) < 1 for dim in self.dims):
            yield Conflict(
                f"'conv_ratio' {self.conv_ratio} must leave a channel of each of 'dims'",
                "conv_ratio",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return halving_levels(self.dims)

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        rows = enumerate(zip(self.dims, self.depths, strict=True))
        return tuple(
            StagePlan(
                in_channels=self.dims[max(index - 1, 0)],
                channels=dim,
                hidden=int(self.expansion_ratio * dim),
                convolved=int(self.conv_ratio * dim),
                subsamples=index > 0,
                drop_path_rates=tuple(islice(rates, depth)),
            )
            for index, (dim, depth) in rows
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of a block."""
    convolved: int
    """Those of them that are convolved."""
    subsamples: bool
    """Whether a convolution stands before the blocks."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
