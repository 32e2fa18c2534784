"""iFormer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

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
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.iformer.model import IFormer

Several = Annotated[int, Field(ge=1, le=64)]
Groups = Annotated[int, Field(ge=0, le=256)]
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
Reduction = Annotated[int, Field(ge=0, le=65_536)]
_Few = Field(min_length=1, max_length=8)

BlockKind = Literal["conv", "positions", "attention", "mlp"]
"""What a block does: a convolution and an MLP, a depthwise convolution that tells positions,
attention, or an MLP."""
OF_ATTENTION: tuple[BlockKind, ...] = ("positions", "attention", "mlp")


class IFormerConfig(ModelConfig, Builds["IFormer"]):
    """An iFormer: convolutions, then attention of one head that modulates
    (https://arxiv.org/abs/2501.15369)."""

    global_pool: Literal["", "avg"] = "avg"
    """How the last feature map becomes a vector."""
    dims: Annotated[tuple[Channels, ...], _Few] = (32, 64, 128, 256)
    """Channels of each stage."""
    depths: Annotated[tuple[Depth, ...], _Few] = (2, 2, 16, 6)
    """Number of blocks of each stage."""
    attn_groups: Annotated[tuple[Groups, ...], _Few] = (0, 0, 3, 2)
    """How many times three of the blocks of each stage are positions, attention and an MLP; the
    others are convolutions, one of which stands last."""
    attn_head_dim_reduction: Annotated[tuple[Reduction, ...], _Few] = (0, 0, 2, 4)
    """What the channels are divided by for queries and keys, in each stage that has attention."""
    conv_ratio: Several = 3
    """Hidden channels of a block of convolutions, for each of its channels."""
    ffn_ratio: Several = 2
    """Hidden channels of an MLP, for each of its channels."""
    attn_ratio: Several = 1
    """Channels of values, for each of a block's."""
    layer_scale_init_value: Factor = 0.0
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); 0 for no LayerScale."""
    act_layer: Activation = "gelu"
    """Activation."""
    distillation: bool = False
    """Have a second classifier for distillation; the logits are the mean of both."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""
    inference_mode: bool = False
    """Whether convolutions have no normalisations and shortcuts any more; `typedvision.fuse` makes
    this form."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if uneven := uneven_stages(
            self, "dims", "depths", "attn_groups", "attn_head_dim_reduction"
        ):
            yield from uneven
            return
        for depth, groups in zip(self.depths, self.attn_groups, strict=True):
            if depth < 3 * groups:
                yield Conflict(
                    f"'attn_groups' must leave three of 'depths' for each group; got {groups} for "
                    f"{depth} blocks",
                    "attn_groups",
                )
        for channels, groups, divisor in zip(
            self.dims, self.attn_groups, self.attn_head_dim_reduction, strict=True
        ):
            if groups and not 1 <= divisor <= channels:
                yield Conflict(
                    f"'attn_head_dim_reduction' must be in [1, {channels}] where 'attn_groups' is "
                    f"not 0, so that queries have a channel; got {divisor}",
                    "attn_head_dim_reduction",
                )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return halving_levels(self.dims)

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        return tuple(
            StagePlan(
                in_channels=self.dims[index - 1] if index else None,
                channels=channels,
                query_channels=channels // max(self.attn_head_dim_reduction[index], 1),
                value_channels=channels * self.attn_ratio,
                conv_hidden=channels * self.conv_ratio,
                mlp_hidden=channels * self.ffn_ratio,
                blocks=tuple(
                    (kind, next(rates))
                    for kind in _kinds(self.depths[index], self.attn_groups[index])
                ),
            )
            for index, channels in enumerate(self.dims)
        )


def _kinds(depth: int, groups: int) -> tuple[BlockKind, ...]:
    """What each block of a stage does."""
    convs: list[BlockKind] = ["conv"] * (depth - 3 * groups)
    return (*convs[1:], *(OF_ATTENTION * groups), *convs[:1])


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    in_channels: int | None
    """Channels of what the stage subsamples first; None where it does not."""
    channels: int
    query_channels: int
    """Channels of queries and keys."""
    value_channels: int
    conv_hidden: int
    """Hidden channels of a block of convolutions."""
    mlp_hidden: int
    """Hidden channels of an MLP."""
    blocks: tuple[tuple[BlockKind, float], ...]
    """What each block does, and the probability of dropping its residual branch."""
