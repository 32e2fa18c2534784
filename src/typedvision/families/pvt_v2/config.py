"""PVT V2 as data: what can vary, and every number that follows from it."""

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
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_heads, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.pvt_v2.model import PyramidVisionTransformerV2

SMALLEST = 32
"""Height and width in pixels of the smallest image that every model takes."""
_Few = Field(min_length=1, max_length=8)


class PvtV2Config(ModelConfig, Builds["PyramidVisionTransformerV2"]):
    """A Pyramid Vision Transformer V2: attention whose keys and values come from a smaller map
    (https://arxiv.org/abs/2106.13797)."""

    global_pool: Literal["", "avg"] = "avg"
    """How the last feature map becomes a vector."""
    depths: Annotated[tuple[Depth, ...], _Few] = (3, 4, 6, 3)
    """Number of blocks of each stage."""
    embed_dims: Annotated[tuple[Channels, ...], _Few] = (64, 128, 256, 512)
    """Features of each token of each stage."""
    num_heads: Annotated[tuple[Heads, ...], _Few] = (1, 2, 4, 8)
    """Attention heads of each stage."""
    sr_ratios: Annotated[tuple[KernelSize, ...], _Few] = (8, 4, 2, 1)
    """What the height and width of the map are divided by for keys and values, in each stage; with
    `linear` they become seven, and this has no effect."""
    mlp_ratios: Annotated[tuple[Ratio, ...], _Few] = (8.0, 8.0, 4.0, 4.0)
    """Hidden features of the MLP, for each feature of a token, in each stage."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    linear: bool = False
    """Take keys and values from a map that is pooled to 7 x 7 (section 3.2)."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation of the blocks, and behind each stage."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        stages = len(self.depths)
        if uneven := uneven_stages(
            self, "depths", "embed_dims", "num_heads", "sr_ratios", "mlp_ratios"
        ):
            yield from uneven
            return
        yield from uneven_heads(self.embed_dims, self.num_heads)
        for dim, mlp in zip(self.embed_dims, self.mlp_ratios, strict=True):
            if int(dim * mlp) < 1:
                yield Conflict(
                    f"'mlp_ratios' must leave each MLP a hidden feature; got {mlp} for {dim}",
                    "mlp_ratios",
                )
        most = max(SMALLEST, 4 * 2 ** (stages - 1))
        if any(ratio * 4 * 2**index > most for index, ratio in enumerate(self.sr_ratios)):
            limits = tuple(most // (4 * 2**index) for index in range(stages))
            yield Conflict(
                f"'sr_ratios' must leave keys of an image of {most} pixels: at most {limits}; got "
                f"{self.sr_ratios}",
                "sr_ratios",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return halving_levels(self.embed_dims)

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        return tuple(
            StagePlan(
                in_features=self.embed_dims[max(index - 1, 0)],
                features=dim,
                num_heads=self.num_heads[index],
                reduction=self.sr_ratios[index],
                hidden=int(dim * self.mlp_ratios[index]),
                subsamples=index > 0,
                drop_path_rates=tuple(islice(rates, self.depths[index])),
            )
            for index, dim in enumerate(self.embed_dims)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    in_features: int
    features: int
    num_heads: int
    reduction: int
    """What the height and width of the map are divided by for keys and values."""
    hidden: int
    """Hidden features of the MLPs."""
    subsamples: bool
    """Whether a convolution stands before the blocks."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
