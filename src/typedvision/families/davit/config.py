"""DaViT as data: what can vary, and every number that follows from it."""

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
    Eps,
    Heads,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import ConvPool, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_heads, uneven_stages
from typedvision.config.windows import WindowSize

if TYPE_CHECKING:
    from typedvision.families.davit.model import DaViT

AttnName = Literal["spatial", "channel"]
_PER_STAGE = Field(min_length=1, max_length=8)


class DaViTConfig(ModelConfig, Builds["DaViT"]):
    """A DaViT: attention over positions in windows and attention over channels alternate
    (https://arxiv.org/abs/2204.03645)."""

    depths: Annotated[tuple[Depth, ...], _PER_STAGE] = (1, 1, 3, 1)
    """Number of blocks of each stage; each has an attention of every kind in `attn_types`."""
    embed_dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (96, 192, 384, 768)
    """Features of each token of each stage."""
    num_heads: Annotated[tuple[Heads, ...], _PER_STAGE] = (3, 6, 12, 24)
    """Heads of the attention over positions, and groups of that over channels, in each stage."""
    window_size: WindowSize = 7
    """Rows and columns of tokens in a window; one number for a square."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLPs, for each feature of a token."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    norm_layer: Literal["batchnorm2d", "layernorm2d", "rmsnorm2d"] = "layernorm2d"
    """Normalisation of maps: behind the stem, before each subsampling, and the last one."""
    norm_layer_cl: TokenNorm = "layernorm"
    """Normalisation of the blocks."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation."""
    attn_types: Annotated[tuple[AttnName, ...], Field(min_length=1, max_length=2)] = (
        "spatial",
        "channel",
    )
    """The attentions of a block, in their order: over the positions of a window (`spatial`), and
    over the channels of a group (`channel`)."""
    cpe_act: bool = False
    """Put an activation behind the convolutions that encode positions."""
    down_kernel_size: Annotated[Literal[2, 3], Whole] = 2
    """Kernel of the convolutions that subsample."""
    channel_attn_v2: bool = False
    """Scale the attention over channels by the number of positions, as Florence-2 does
    (https://arxiv.org/abs/2311.06242)."""
    named_blocks: bool = False
    """Name the parts of a block by their attention, in the keys of the weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    head_norm_first: bool = False
    """Normalise the last feature map before the pooling, and not what is pooled."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if uneven := uneven_stages(self, "depths", "embed_dims", "num_heads"):
            yield from uneven
            return
        yield from uneven_heads(self.embed_dims, self.num_heads)
        if any(int(dim * self.mlp_ratio) < 1 for dim in self.embed_dims):
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave each MLP a hidden feature", "mlp_ratio"
            )
        if self.named_blocks and len(set(self.attn_types)) != len(self.attn_types):
            yield Conflict(
                "'attn_types' must not have one attention twice where 'named_blocks' is true: "
                "their keys would be one",
                "attn_types",
            )
        if self.global_pool == "catavgmax" and not self.head_norm_first:
            yield Conflict(
                "'global_pool' must not be 'catavgmax' where 'head_norm_first' is false: the "
                "normalisation after the pooling takes one feature for each channel",
                "global_pool",
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
                window=to_pair(self.window_size),
                hidden=int(dim * self.mlp_ratio),
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
    window: tuple[int, int]
    """Rows and columns of tokens in a window."""
    hidden: int
    """Hidden features of the MLPs."""
    subsamples: bool
    """Whether a convolution stands before the blocks."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
