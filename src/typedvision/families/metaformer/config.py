"""MetaFormer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.metaformer.model import MetaFormer

MAX_STAGES = 8
HEAD_DIM = 32
"""Features of each head of an attention."""
MLP_RATIO = 4
"""Hidden channels of an MLP for each of its block's."""

MixerName = Literal["pooling", "sepconv", "attention"]
NormName = Literal["groupnorm1", "groupnorm1_nobias", "layernorm", "layernorm_nobias"]
ActName = Activation | Literal["star_relu", "squared_relu"]
PoolName = Literal["", "avg", "max", "avgmax"]
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)
T = TypeVar("T")


class MetaFormerConfig(ModelConfig, Builds["MetaFormer"]):
    """A MetaFormer: blocks that mix tokens in some way, and then channels. With an average it is a
    PoolFormer (https://arxiv.org/abs/2111.11418); with convolutions or attention a ConvFormer or
    CAFormer (https://arxiv.org/abs/2210.13452)."""

    depths: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 2, 6, 2)
    """Number of blocks of each stage."""
    dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (64, 128, 320, 512)
    """Channels of each stage; one that has those of the stage before does not subsample."""
    token_mixers: MixerName | Annotated[tuple[MixerName, ...], _PER_STAGE] = "pooling"
    """What mixes tokens: an average of 3 x 3 (`pooling`), a depthwise convolution between two
    pointwise ones (`sepconv`), or self-attention; one for all stages, or one each."""
    mlp_act: ActName = "star_relu"
    """Activation of the MLPs; `star_relu` is a squared ReLU with a learned factor and shift
    (https://arxiv.org/abs/2210.13452, section 3.4)."""
    mlp_bias: bool = False
    """Whether the layers of the MLPs have a bias."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each layer of an MLP, and after an attention."""
    layer_scale_init_values: Factor | Annotated[tuple[Factor | None, ...], _PER_STAGE] | None = None
    """Initial factor of each branch's channels; one for all stages, or one each; None for none."""
    res_scale_init_values: Factor | Annotated[tuple[Factor | None, ...], _PER_STAGE] | None = (
        None,
        None,
        1.0,
        1.0,
    )
    """Initial factor of the channels that a branch is added to; one for all stages, or one each;
    None for none."""
    downsample_norm: NormName | None = "layernorm_nobias"
    """Normalisation behind the stem's convolution, and before those that subsample; None for
    none."""
    norm_layers: NormName | Annotated[tuple[NormName, ...], _PER_STAGE] = "layernorm_nobias"
    """Normalisation of the blocks: over the channels of each position (`layernorm`), or over all
    of a map (`groupnorm1`), with a shift or without; one for all stages, or one each."""
    output_norm: NormName = "layernorm"
    """Normalisation of the pooled features."""
    use_mlp_head: bool = True
    """Classify by an MLP, and not by a linear layer."""
    global_pool: PoolName = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if uneven := uneven_stages(
            self,
            "depths",
            "dims",
            "token_mixers",
            "layer_scale_init_values",
            "res_scale_init_values",
            "norm_layers",
        ):
            yield from uneven
            return
        rows = zip(
            self.dims, self._each(self.token_mixers), self._each(self.norm_layers), strict=True
        )
        for dim, mixer, norm in rows:
            if mixer == "attention" and dim % HEAD_DIM:
                yield Conflict(
                    f"'dims' must be multiples of {HEAD_DIM}, the features of a head, where "
                    f"'token_mixers' is 'attention'; got {dim}",
                    "dims",
                )
            if mixer == "attention" and norm.startswith("groupnorm1"):
                yield Conflict(
                    f"'norm_layers' must not be '{norm}' where 'token_mixers' is 'attention', "
                    "which takes tokens and no map: normalise by 'layernorm'",
                    "norm_layers",
                )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        befores = (self.dims[0], *self.dims)
        mixers: Sequence[MixerName] = self._each(self.token_mixers)
        norms: Sequence[NormName] = self._each(self.norm_layers)
        halvings = accumulate(a != b for a, b in zip(befores, self.dims, strict=False))
        return tuple(
            StagePlan(
                in_channels=befores[index],
                channels=dim,
                hidden=MLP_RATIO * dim,
                subsamples=befores[index] != dim,
                reduction=4 * 2**halved,
                token_mixer=mixers[index],
                norm=norms[index],
                layer_scale=self._each(self.layer_scale_init_values)[index],
                res_scale=self._each(self.res_scale_init_values)[index],
                drop_path_rates=tuple(islice(rates, self.depths[index])),
            )
            for index, (dim, halved) in enumerate(zip(self.dims, halvings, strict=True))
        )

    def _each(self, value: T | tuple[T, ...]) -> Sequence[T]:
        """A value of each stage, which may be one for all."""
        return value if isinstance(value, tuple) else (value,) * len(self.depths)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    subsamples: bool
    """Whether a convolution stands before the blocks."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    token_mixer: MixerName
    norm: NormName
    layer_scale: float | None
    """Initial factor of a branch; None for none."""
    res_scale: float | None
    """Initial factor of what a branch is added to; None for none."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
