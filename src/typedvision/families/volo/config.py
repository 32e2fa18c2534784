"""VOLO as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
    Heads,
    ModelConfig,
    Pixels,
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.volo.model import Volo

_PER_STAGE = Field(min_length=2, max_length=8)
PostLayers = Annotated[tuple[Literal["ca"], ...], Field(min_length=1, max_length=64)]


class VoloConfig(ModelConfig, Builds["Volo"]):
    """A transformer whose first stage gathers fine details by outlook attention
    (https://arxiv.org/abs/2106.13112)."""

    layers: Annotated[tuple[Depth, ...], _PER_STAGE] = (4, 4, 8, 2)
    """Number of blocks of each stage: outlookers in the first one, transformers in the others."""
    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    global_pool: Literal["", "token", "avg"] = "token"
    """What the classifier sees: the class token (`token`), the mean of all tokens (`avg`), or every
    token (`""`)."""
    patch_size: Pixels = 8
    """Height and width of a patch of the first stage in pixels, an even number; those of the others
    are twice as large."""
    stem_hidden_dim: Channels = 64
    """Channels of the convolutions before the patches."""
    embed_dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (192, 384, 384, 384)
    """Features of each token, in each stage."""
    num_heads: Annotated[tuple[Heads, ...], _PER_STAGE] = (6, 12, 12, 12)
    """Attention heads of each stage's blocks; they share `embed_dims` evenly."""
    mlp_ratio: Ratio = 3.0
    """Hidden features of the MLP, for each feature of a token."""
    qkv_bias: bool = False
    """Whether queries, keys and values have a bias."""
    pos_drop_rate: Rate = 0.0
    """Dropout probability of the tokens behind the first stage."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last transformer block's residual branches; grows linearly from
    0. Outlookers, which come first, drop none."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation."""
    post_layers: PostLayers = ("ca", "ca")
    """The blocks in which the class token attends to the patches (`ca`: class attention,
    https://arxiv.org/abs/2103.17239)."""
    use_aux_head: bool = True
    """Whether the logits also have half the maximum over those of the patches, which have a
    classifier of their own (https://arxiv.org/abs/2104.10858)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from uneven_stages(self, "layers", "embed_dims", "num_heads")
        for features, heads in zip(self.embed_dims, self.num_heads, strict=False):
            if features % heads:
                yield Conflict(
                    f"'num_heads' must divide 'embed_dims' evenly; got {heads} for {features}",
                    "num_heads",
                )
        if len(set(self.embed_dims[1:])) > 1:
            yield Conflict(
                f"'embed_dims' must be equal from the second stage on; got {self.embed_dims[1:]}: "
                "there is no projection between these stages",
                "embed_dims",
            )
        if int(min(self.embed_dims) * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave each MLP a hidden feature; 'embed_dims' "
                f"has {min(self.embed_dims)}",
                "mlp_ratio",
            )
        if self.patch_size % 2:
            yield Conflict(
                f"'patch_size' must be even; got {self.patch_size}: the convolutions before the "
                "patches halve the image",
                "patch_size",
            )
        if any(side < 2 * self.patch_size for side in to_pair(self.img_size)):
            yield Conflict(
                f"'img_size' {self.img_size} must be at least twice 'patch_size' "
                f"{self.patch_size}: not one patch is left behind the first stage",
                "img_size",
            )
        if self.use_aux_head and not self.global_pool and self.num_classes:
            yield Conflict(
                "'use_aux_head' must be false where 'global_pool' is '': there is no vector whose "
                "logits it could add to",
                "use_aux_head",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens after each stage."""
        first, *others = self.embed_dims
        levels = (
            FeatureSpec(features, 2 * self.patch_size, f"network.{index}")
            for index, features in enumerate(others, start=2)
        )
        return FeatureSpec(first, self.patch_size, "network.0"), *levels

    @planned
    def plan(self) -> VoloPlan:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.layers)))
        stages = tuple(
            StagePlan(
                features=features,
                num_heads=heads,
                hidden=int(features * self.mlp_ratio),
                rates=tuple(next(rates) for _ in range(count)),
            )
            for features, heads, count in zip(
                self.embed_dims, self.num_heads, self.layers, strict=True
            )
        )
        # The convolutions round up where they halve, the patches down.
        half = self.patch_size // 2
        rows, columns = ((-(-side // 2) - half) // half + 1 for side in to_pair(self.img_size))
        return VoloPlan(grid=(rows // 2, columns // 2), stages=stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage, with every number decided."""

    features: int
    """Features of each token."""
    num_heads: int
    """Attention heads."""
    hidden: int
    """Hidden features of the MLP."""
    rates: tuple[float, ...]
    """Probability of dropping a residual branch, in each block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoloPlan:
    """A VOLO, with every number decided."""

    grid: tuple[int, int]
    """Rows and columns of patches behind the first stage."""
    stages: tuple[StagePlan, ...]
