"""PiT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Heads,
    ModelConfig,
    Pixels,
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.pit.model import PoolingVisionTransformer

_PER_STAGE = Field(min_length=1, max_length=8)


class PitConfig(ModelConfig, Builds["PoolingVisionTransformer"]):
    """A Vision Transformer that pools its patches between stages
    (https://arxiv.org/abs/2103.16302)."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 16
    """Height and width of a patch in pixels; one number for a square."""
    stride: Pixels = 8
    """Pixels from one patch to the next; patches overlap where it is below `patch_size`."""
    base_dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (48, 48, 48)
    """Features of each head, in each stage."""
    depth: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 6, 4)
    """Number of blocks of each stage."""
    heads: Annotated[tuple[Heads, ...], _PER_STAGE] = (2, 4, 8)
    """Attention heads of each stage's blocks."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
    global_pool: Literal["", "token"] = "token"
    """What the classifier sees: the class token (`token`), or every token in front of the patches,
    which are left out (`""`)."""
    distilled: bool = False
    """Put a second learned token after the class token, with a classifier of its own, to learn from
    a teacher; the logits are the mean of both (https://arxiv.org/abs/2012.12877, section 4)."""
    pos_drop_rate: Rate = 0.0
    """Dropout probability of the patches before the first block."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from uneven_stages(self, "depth", "base_dims", "heads")
        if len(self.base_dims) == len(self.heads):
            yield from self._feature_conflicts()
        sides = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image < patch for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be at least 'patch_size' {self.patch_size}: not "
                "one patch fits",
                "img_size",
            )
        if self.distilled and self.global_pool != "token":
            yield Conflict(
                "'global_pool' must be 'token' where 'distilled' is true: each token has a "
                "classifier",
                "global_pool",
            )

    def _feature_conflicts(self) -> Iterator[Conflict]:
        for before, after in pairwise(self._features()):
            if after % before:
                yield Conflict(
                    f"'base_dims' times 'heads' gives {before} features and then {after}: each "
                    "stage must have a multiple of the one before",
                    "base_dims",
                )
                return
        if int(self._features()[0] * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave the MLP a hidden feature; the first "
                f"stage has {self._features()[0]} features",
                "mlp_ratio",
            )

    def _features(self) -> tuple[int, ...]:
        pairs = zip(self.base_dims, self.heads, strict=True)
        return tuple(features * heads for features, heads in pairs)

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The patches after each stage."""
        return halving_levels(self._features(), self.stride, "transformers")

    @planned
    def plan(self) -> PitPlan:
        """Every stage with its numbers."""
        (height, width), (tall, wide) = to_pair(self.img_size), to_pair(self.patch_size)
        first = ((height - tall) // self.stride + 1, (width - wide) // self.stride + 1)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depth)))
        stages: list[StagePlan] = []
        for features, heads, depth in zip(self._features(), self.heads, self.depth, strict=True):
            rows, columns = stages[-1].grid if stages else first
            stages.append(
                StagePlan(
                    in_features=stages[-1].features if stages else None,
                    in_grid=(rows, columns),
                    grid=((rows + 1) // 2, (columns + 1) // 2) if stages else first,
                    features=features,
                    num_heads=heads,
                    hidden=int(features * self.mlp_ratio),
                    rates=tuple(next(rates) for _ in range(depth)),
                )
            )
        return PitPlan(prefix=2 if self.distilled else 1, stages=tuple(stages))


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage, with every number decided."""

    in_features: int | None
    """Features of the tokens before the pooling; None where there is none."""
    in_grid: tuple[int, int]
    """Rows and columns of patches before the pooling."""
    grid: tuple[int, int]
    """Rows and columns of patches behind it."""
    features: int
    """Features of each token."""
    num_heads: int
    """Attention heads."""
    hidden: int
    """Hidden features of the MLP."""
    rates: tuple[float, ...]
    """Probability of dropping a residual branch, in each block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PitPlan:
    """A PiT, with every number decided."""

    prefix: int
    """Tokens in front of the patches."""
    stages: tuple[StagePlan, ...]
