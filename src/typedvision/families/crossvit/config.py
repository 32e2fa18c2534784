"""CrossViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
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
    from typedvision.families.crossvit.model import CrossVit

_Branches = Field(min_length=1, max_length=4)
Scale = Annotated[float, Field(gt=0.0, le=16.0)]
FusionDepth = Annotated[int, Field(ge=0, le=1_024)]


class CrossVitConfig(ModelConfig, Builds["CrossVit"]):
    """A Vision Transformer with a branch for each of several patch sizes, whose class tokens attend
    to the patches of another branch (https://arxiv.org/abs/2103.14899)."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square. Images of another size are
    resized to it."""
    img_scale: Annotated[tuple[Scale, ...], _Branches] = (1.0, 1.0)
    """What the image is scaled by for each branch."""
    patch_size: Annotated[tuple[Pixels, ...], _Branches] = (8, 16)
    """Height and width of a patch in each branch."""
    embed_dim: Annotated[tuple[Channels, ...], _Branches] = (192, 384)
    """Features of each token of each branch."""
    depth: Annotated[
        tuple[Annotated[tuple[FusionDepth, ...], Field(min_length=2, max_length=5)], ...],
        Field(min_length=1, max_length=64),
    ] = ((1, 3, 1), (1, 3, 1), (1, 3, 1))
    """For each stage the number of blocks of each branch, then that of the cross-attentions of each
    class token; 0 of these is one, with the keys of the published weights."""
    num_heads: Annotated[tuple[Heads, ...], _Branches] = (6, 12)
    """Attention heads of each branch."""
    mlp_ratio: Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=8)] = (2.0, 2.0, 4.0)
    """Hidden features of the MLP, for each feature of a token, in each branch; what is over has no
    effect."""
    multi_conv: bool = False
    """Make patches by three convolutions, and not by one; for patches of 12 and 16 pixels."""
    crop_scale: bool = False
    """Scale the image by cutting out its middle, and not by resizing it."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    pos_drop_rate: Rate = 0.0
    """Dropout probability where positions are added."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation of the blocks, and behind them."""
    global_pool: Literal["token", "avg"] = "token"
    """What the classifiers see: the class token of each branch (`token`), or the mean of its
    patches (`avg`)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        branches = len(self.patch_size)
        if uneven := uneven_stages(
            self, "patch_size", "img_scale", "embed_dim", "num_heads", each="branch"
        ):
            yield from uneven
            return
        if len(self.mlp_ratio) < branches:
            yield Conflict(
                f"'mlp_ratio' must have a number for each branch of 'patch_size': {branches}; got "
                f"{len(self.mlp_ratio)}",
                "mlp_ratio",
            )
            return
        for stage in self.depth:
            if len(stage) != branches + 1 or min(stage[:-1]) < 1:
                yield Conflict(
                    f"'depth' must say for each stage at least one block for each of the "
                    f"{branches} branches of 'patch_size', then the cross-attentions; got {stage}",
                    "depth",
                )
                return
        yield from self._branch_conflicts()

    def _branch_conflicts(self) -> Iterator[Conflict]:
        """What a branch cannot be built with."""
        for branch in self.plan().branches:
            if branch.features % branch.num_heads:
                yield Conflict(
                    f"'num_heads' must divide 'embed_dim' evenly; got {branch.num_heads} for "
                    f"{branch.features}: choose one of its divisors",
                    "num_heads",
                )
            if branch.hidden < 1:
                yield Conflict(
                    f"'mlp_ratio' must leave each MLP a hidden feature; got {self.mlp_ratio}",
                    "mlp_ratio",
                )
            if min(branch.grid) < 1:
                yield Conflict(
                    f"'img_size' {self.img_size} must be so large that a patch of "
                    f"{branch.patch_size} pixels fits when it is scaled by 'img_scale'",
                    "img_size",
                )
            if self.multi_conv and branch.patch_size not in (12, 16):
                yield Conflict(
                    "'multi_conv' makes patches of 12 or 16 pixels; 'patch_size' has "
                    f"{branch.patch_size}",
                    "multi_conv",
                )
            elif self.multi_conv and any(side % branch.patch_size for side in branch.size):
                yield Conflict(
                    "'multi_conv' makes whole patches only: 'img_size' scaled by 'img_scale' must "
                    f"be a multiple of {branch.patch_size}; got {branch.size}",
                    "img_size",
                )
            if self.multi_conv and branch.features < 4:
                yield Conflict(
                    f"'embed_dim' must be at least 4 where 'multi_conv' is true; got "
                    f"{branch.features}",
                    "embed_dim",
                )
            if self.crop_scale and branch.scale > 1.0:
                yield Conflict(
                    f"'crop_scale' cannot cut out more than the image, as 'img_scale' has "
                    f"{branch.scale}",
                    "crop_scale",
                )

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The patches after each stage, of one branch after the other."""
        return tuple(
            FeatureSpec(
                branch.features,
                max(round(branch.patch_size / branch.scale), 1),
                f"blocks.{stage}.blocks.{index}",
            )
            for index, branch in enumerate(self.plan().branches)
            for stage in range(len(self.depth))
        )

    @planned
    def plan(self) -> CrossVitPlan:
        """Every branch and stage with its numbers."""
        sides = to_pair(self.img_size)
        branches = tuple(
            BranchPlan(
                scale=scale,
                size=(int(sides[0] * scale), int(sides[1] * scale)),
                patch_size=patch,
                features=dim,
                num_heads=heads,
                hidden=int(dim * ratio),
            )
            for scale, patch, dim, heads, ratio in zip(
                self.img_scale,
                self.patch_size,
                self.embed_dim,
                self.num_heads,
                self.mlp_ratio,
                strict=False,
            )
        )
        lengths = [max(blocks) + fusion for *blocks, fusion in self.depth]
        rates = iter(drop_path_rates(self.drop_path_rate, sum(lengths)))
        stages = []
        for (*depths, fusion), length in zip(self.depth, lengths, strict=True):
            own = tuple(islice(rates, length))
            blocks = tuple(own[:depth] for depth in depths)
            stages.append(StagePlan(blocks=blocks, fusion=fusion, fusion_rate=own[-1]))
        return CrossVitPlan(branches=branches, stages=tuple(stages))


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPlan:
    """One branch."""

    scale: float
    """What the image is scaled by."""
    size: tuple[int, int]
    """Height and width of the scaled image."""
    patch_size: int
    features: int
    num_heads: int
    hidden: int
    """Hidden features of the MLPs."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.size[0] // self.patch_size, self.size[1] // self.patch_size


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """Blocks of each branch, and what joins the branches."""

    blocks: tuple[tuple[float, ...], ...]
    """The rate of stochastic depth of each block of each branch."""
    fusion: int
    """Cross-attentions of each class token; 0 for one that stands alone."""
    fusion_rate: float
    """The rate of stochastic depth of the cross-attentions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossVitPlan:
    """A model, with every number decided."""

    branches: tuple[BranchPlan, ...]
    stages: tuple[StagePlan, ...]
