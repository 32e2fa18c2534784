"""SwiftFormer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
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
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.swiftformer.model import SwiftFormer


Stride = Annotated[int, Field(ge=1, le=16)]
Padding = Annotated[int, Field(ge=0, le=63)]


class SwiftFormerConfig(ModelConfig, Builds["SwiftFormer"]):
    """A SwiftFormer (https://arxiv.org/abs/2303.15446): attention that is linear in the number of
    positions, once at the end of each stage."""

    layers: tuple[Depth, Depth, Depth, Depth] = (3, 3, 6, 4)
    """Number of blocks of each stage; the last one has attention."""
    embed_dims: tuple[Channels, Channels, Channels, Channels] = (48, 56, 112, 220)
    """Channels of each stage; the first number is even."""
    mlp_ratios: Annotated[int, Field(ge=1, le=1_024)] = 4
    """Hidden channels of a block for each of its own."""
    downsamples: tuple[bool, bool, bool, bool] = (False, True, True, True)
    """Whether each stage subsamples first."""
    down_patch_size: KernelSize = 3
    """Height and width of the kernel of the convolutions that subsample."""
    down_stride: Stride = 2
    """Factor that these convolutions subsample by."""
    down_pad: Padding = 1
    """Zeros around their input on each side."""
    act_layer: Activation = "gelu"
    """Activation of the blocks."""
    use_layer_scale: bool = True
    """Whether the branches of a block with attention are scaled (LayerScale)."""
    layer_scale_init_value: Ratio = 1e-5
    """Initial factor of that scale."""
    global_pool: Literal["", "avg"] = "avg"
    """How the last feature map becomes a vector."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each layer of an MLP."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if self.embed_dims[0] % 2:
            yield Conflict("'embed_dims' must start with an even number", "embed_dims")
        changes = (before != after for before, after in pairwise(self.embed_dims))
        for downsamples, change in zip(self.downsamples[1:], changes, strict=True):
            if change and not downsamples:
                yield Conflict(
                    "'embed_dims' must stay as they are where 'downsamples' is false", "embed_dims"
                )
                return
        yield from self._subsampling_conflicts()
        if not self.use_layer_scale and self.layer_scale_init_value != 1e-5:
            yield Conflict(
                "'layer_scale_init_value' means nothing where 'use_layer_scale' is false: leave "
                "it out",
                "layer_scale_init_value",
            )

    def _subsampling_conflicts(self) -> Iterator[Conflict]:
        if not any(self.downsamples):
            for name, usual in (("down_patch_size", 3), ("down_stride", 2), ("down_pad", 1)):
                if getattr(self, name) != usual:
                    yield Conflict(
                        f"'{name}' means nothing where no stage of 'downsamples' is true: leave it "
                        "out",
                        name,
                    )
        kernel, stride, both = self.down_patch_size, self.down_stride, 2 * self.down_pad
        if not kernel - stride <= both < kernel:
            yield Conflict(
                f"'down_pad' must make sides 1 / {stride} as long: twice of it at least "
                f"'down_patch_size' less 'down_stride', and less than 'down_patch_size'; got "
                f"{self.down_pad} for {kernel} and {stride}",
                "down_pad",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.layers)))
        in_channels, reduction, stages = self.embed_dims[0], 4, []
        for channels, depth, downsamples in zip(
            self.embed_dims, self.layers, self.downsamples, strict=True
        ):
            reduction *= self.down_stride if downsamples else 1
            rows = tuple(islice(rates, depth))
            hidden = self.mlp_ratios * channels
            stages.append(StagePlan(in_channels, channels, hidden, downsamples, reduction, rows))
            in_channels = channels
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of the blocks."""
    downsamples: bool
    """Whether a convolution that subsamples stands before the blocks."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
