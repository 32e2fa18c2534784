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
Flags = Annotated[tuple[bool, ...], Field(min_length=1, max_length=8)]
PostLayers = Annotated[tuple[Literal["ca"], ...], Field(min_length=1, max_length=64)]


class VoloConfig(ModelConfig, Builds["Volo"]):
    """A transformer whose first stage gathers fine details by outlook attention
    (https://arxiv.org/abs/2106.13112)."""

    layers: Annotated[tuple[Depth, ...], _PER_STAGE] = (4, 4, 8, 2)
    """Number of blocks of each stage."""
    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    global_pool: Literal["", "token", "avg"] = "token"
    """What the classifier sees: the class token (`token`), the mean of all tokens (`avg`), or every
    token (`""`)."""
    patch_size: Pixels = 8
    """Height and width of a patch of the first stage in pixels, an even number."""
    stem_hidden_dim: Channels = 64
    """Channels of the convolutions before the patches."""
    embed_dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (192, 384, 384, 384)
    """Features of each token, in each stage."""
    num_heads: Annotated[tuple[Heads, ...], _PER_STAGE] = (6, 12, 12, 12)
    """Attention heads of each stage's blocks; they share `embed_dims` evenly."""
    downsamples: Flags = (True, False, False, False)
    """Whether each 2 x 2 tokens become one behind each stage: always behind the first, never behind
    the last; false for stages that are not named."""
    outlook_attention: Flags = (True, False, False, False)
    """Whether each stage's blocks are outlookers, and not transformers; false for stages that are
    not named."""
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
    0. Outlookers drop none."""
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
    use_mix_token: bool = False
    """Whether `forward_mixed` is there for training, which mixes the patches of two images
    (https://arxiv.org/abs/2104.10858, section 3.3); any other call is as without."""
    pooling_scale: Pixels = 2
    """Rows and columns of the first stage's patches for each learned position: 2 for a position of
    each coarser patch, or so many that one position is left, which all patches share."""

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
                "the positions, which are added there, have as many features as the last stage",
                "embed_dims",
            )
        yield from self._flag_conflicts()
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
        coarsest = self.features()[-1].stride
        if any(side < coarsest for side in to_pair(self.img_size)):
            yield Conflict(
                f"'img_size' {self.img_size} must be at least {coarsest}, a patch of 'patch_size' "
                f"{self.patch_size} doubled by each of 'downsamples'",
                "img_size",
            )
        if self.use_aux_head and not self.global_pool and self.num_classes:
            yield Conflict(
                "'use_aux_head' must be false where 'global_pool' is '': there is no vector whose "
                "logits it could add to",
                "use_aux_head",
            )
        yield from self._mix_conflicts()
        yield from self._position_conflicts()

    def _mix_conflicts(self) -> Iterator[Conflict]:
        if not self.use_mix_token:
            return
        if self.global_pool != "token":
            yield Conflict(
                "'use_mix_token' must be false where 'global_pool' is not 'token': the class token "
                "says what is on a mixed image",
                "use_mix_token",
            )
        if not self.use_aux_head:
            yield Conflict(
                "'use_mix_token' needs 'use_aux_head', the classifier of the mixed patches",
                "use_mix_token",
            )
        if self.pooling_scale != 2:
            yield Conflict(
                "'use_mix_token' needs 'pooling_scale' = 2: what is mixed is whole coarser patches",
                "use_mix_token",
            )

    def _position_conflicts(self) -> Iterator[Conflict]:
        if self.patch_size % 2:
            return  # is said already, and there is no map of half patches
        grid, (rows, columns) = self._grid(2), self._grid(self.pooling_scale)
        if (rows, columns) not in (grid, (1, 1)):
            yield Conflict(
                f"'pooling_scale' {self.pooling_scale} leaves {rows} x {columns} positions for "
                f"{grid[0]} x {grid[1]} patches of 'img_size' {self.img_size}: leave it "
                "out, or choose one that leaves a single position",
                "pooling_scale",
            )

    def _grid(self, scale: int) -> tuple[int, int]:
        """Rows and columns of the first stage's patches, divided by a number."""
        half = self.patch_size // 2  # the convolutions round up where they halve, the patches down
        rows, columns = ((-(-side // 2) - half) // half + 1 for side in to_pair(self.img_size))
        return rows // scale, columns // scale

    def _flag_conflicts(self) -> Iterator[Conflict]:
        stages = len(self.layers)
        if not self.downsamples[0]:
            yield Conflict(
                "'downsamples' must be true for the first stage: the positions are those of the "
                "coarser patches behind it",
                "downsamples",
            )
        if any(self.downsamples[stages - 1 :]):
            yield Conflict(
                f"'downsamples' must be false from the last of {stages} stages on: no stage "
                "follows it",
                "downsamples",
            )
        if any(self.outlook_attention[stages:]):
            yield Conflict(
                f"'outlook_attention' must be false behind the last of {stages} stages",
                "outlook_attention",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens after each stage."""
        levels: list[FeatureSpec] = []
        stride, index = self.patch_size, 0
        for features, downsamples in zip(
            self.embed_dims, _flags(self.downsamples, len(self.embed_dims)), strict=True
        ):
            levels.append(FeatureSpec(features, stride, f"network.{index}"))
            stride *= 1 + downsamples
            index += 1 + downsamples
        return tuple(levels)

    @planned
    def plan(self) -> VoloPlan:
        """Every stage with its numbers."""
        stages = len(self.layers)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.layers)))
        plans = tuple(
            StagePlan(
                features=features,
                num_heads=heads,
                hidden=int(features * self.mlp_ratio),
                outlooks=outlooks,
                rates=tuple(next(rates) for _ in range(count)),
                downsamples=downsamples,
            )
            for features, heads, count, outlooks, downsamples in zip(
                self.embed_dims,
                self.num_heads,
                self.layers,
                _flags(self.outlook_attention, stages),
                _flags(self.downsamples, stages),
                strict=True,
            )
        )
        return VoloPlan(
            grid=self._grid(2),
            positions=self._grid(self.pooling_scale),
            stages=plans,
        )


def _flags(given: tuple[bool, ...], stages: int) -> tuple[bool, ...]:
    """A value for each stage; false for those that are not named."""
    return (given + (False,) * stages)[:stages]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage, with every number decided."""

    features: int
    """Features of each token."""
    num_heads: int
    """Attention heads."""
    hidden: int
    """Hidden features of the MLP."""
    outlooks: bool
    """Whether the blocks are outlookers."""
    rates: tuple[float, ...]
    """Probability of dropping a residual branch, in each block."""
    downsamples: bool
    """Whether each 2 x 2 tokens become one behind the blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoloPlan:
    """A VOLO, with every number decided."""

    grid: tuple[int, int]
    """Rows and columns of patches behind the first stage."""
    positions: tuple[int, int]
    """Rows and columns of the learned positions, which are added to these patches."""
    stages: tuple[StagePlan, ...]
