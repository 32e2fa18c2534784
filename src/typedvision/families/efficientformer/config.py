"""EfficientFormer as data: what can vary, and every number that follows from it."""

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
    Size,
    norm_conflicts,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.efficientformer.model import EfficientFormer

MAX_STAGES = 8

Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
Widths = Annotated[tuple[Channels, ...], Field(min_length=1, max_length=MAX_STAGES)]
Switches = Annotated[tuple[bool, ...], Field(min_length=1, max_length=MAX_STAGES)]
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]


class EfficientFormerConfig(ModelConfig, Builds["EfficientFormer"]):
    """An EfficientFormer (https://arxiv.org/abs/2206.01191): blocks that pool, and attention in the
    last blocks of the last stage."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    depths: Depths = (3, 2, 6, 4)
    """Number of blocks of each stage."""
    embed_dims: Widths = (48, 96, 224, 448)
    """Channels of each stage."""
    downsamples: Switches | None = None
    """Whether each stage subsamples first; None for all but the first."""
    num_vit: Depth = 1
    """How many of the blocks of the last stage, the last ones, have attention."""
    mlp_ratios: Ratio = 4.0
    """Hidden channels of the MLPs for each of their own."""
    pool_size: KernelSize = 3
    """Side of the squares of positions that blocks average, odd."""
    layer_scale_init_value: Factor = 1e-5
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239)."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation of maps."""
    norm_layer_cl: TokenNorm = "layernorm"
    """Normalisation of tokens."""
    global_pool: Literal["", "avg"] = "avg"
    """How the last tokens become a vector; `""` for logits of each token."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each layer of an MLP."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if uneven := uneven_stages(self, "embed_dims", "depths", "downsamples"):
            yield from uneven
            return
        if self.embed_dims[0] < 2:
            yield Conflict(
                "'embed_dims' must be at least 2 in the first stage: the first convolution has "
                "half of them",
                "embed_dims",
            )
        if self.num_vit > self.depths[-1]:
            yield Conflict(
                f"'num_vit' must be at most the last of 'depths', {self.depths[-1]}; got "
                f"{self.num_vit}",
                "num_vit",
            )
        if self.pool_size % 2 == 0:
            yield Conflict(f"'pool_size' must be odd; got {self.pool_size}", "pool_size")
        yield from self._channel_conflicts()
        if max(self.grid()) < 2:
            yield Conflict(
                f"'img_size' must leave attention more than one position; got {self.img_size}",
                "img_size",
            )

    def _channel_conflicts(self) -> Iterator[Conflict]:
        changes = (before != after for before, after in pairwise(self.embed_dims))
        for subsamples, change in zip(self.subsampling()[1:], changes, strict=True):
            if change and not subsamples:
                yield Conflict(
                    "'embed_dims' must stay as they are where 'downsamples' is false", "embed_dims"
                )
                break
        if int(min(self.embed_dims) * self.mlp_ratios) < 1:
            yield Conflict("'mlp_ratios' leaves no hidden channel: raise it", "mlp_ratios")
            return
        yield from norm_conflicts(self.norm_layer, self._normalized())

    def _normalized(self) -> Iterator[int]:
        """The channels of every map that is normalised."""
        yield self.embed_dims[0] // 2
        for channels in self.embed_dims:
            yield channels
            yield int(channels * self.mlp_ratios)

    def subsampling(self) -> tuple[bool, ...]:
        """Whether each stage subsamples first."""
        return self.downsamples or (False, *(True,) * (len(self.embed_dims) - 1))

    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        reduction = 4 * 2 ** sum(self.subsampling())
        height, width = (-(-side // reduction) for side in to_pair(self.img_size))
        return height, width

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`: the biases of attention are of its positions."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stages."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        in_channels, reduction, last = self.embed_dims[0], 4, len(self.depths) - 1
        stages: list[StagePlan] = []
        for index, subsamples in enumerate(self.subsampling()):
            channels, depth = self.embed_dims[index], self.depths[index]
            reduction *= 2 if subsamples else 1
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    channels=channels,
                    hidden=int(channels * self.mlp_ratios),
                    subsamples=subsamples,
                    reduction=reduction,
                    pooling_rates=tuple(
                        islice(rates, depth - self.num_vit if index == last else depth)
                    ),
                    attention_rates=tuple(islice(rates, self.num_vit if index == last else 0)),
                )
            )
            in_channels = channels
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    subsamples: bool
    """Whether a convolution that subsamples stands before the blocks."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    pooling_rates: tuple[float, ...]
    """The rate of stochastic depth of each block that pools."""
    attention_rates: tuple[float, ...]
    """The rate of stochastic depth of each block with attention, behind the others."""
