"""Visformer as data: what can vary, and every number that follows from it."""

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
    ModelConfig,
    Pixels,
    Rate,
    Ratio,
    Size,
    norm_conflicts,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvNorm, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.visformer.model import Visformer

StageFlags = Literal["000", "001", "010", "011", "100", "101", "110", "111"]
"""A digit for each of the three stages: 1 where they have something."""
StageDepth = Annotated[int, Field(ge=0, le=1_024)]


class VisformerConfig(ModelConfig, Builds["Visformer"]):
    """A transformer on maps with three stages, the first of which convolves instead of attending
    (https://arxiv.org/abs/2104.12533)."""

    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Annotated[Pixels, Field(ge=8)] = 16
    """Pixels for each position of the second stage's map: the stem halves the image, the first
    stage has patches of a quarter of this, the others of an eighth. With `vit_stem` the patches of
    the image itself."""
    init_channels: Channels | None = 32
    """Channels of the stem; None for none, so that the first stage has patches of the image, of
    half the patch size. With `vit_stem` this has no effect."""
    embed_dim: Annotated[Channels, Field(ge=2)] = 384
    """Channels of the second stage; the first has half, the third twice as many."""
    depth: Depth | tuple[StageDepth, StageDepth, StageDepth] = 12
    """Number of blocks of each stage, or of all; then the second stage has what a third for each
    leaves over."""
    num_heads: Heads = 6
    """Attention heads of each block that attends."""
    mlp_ratio: Ratio = 4.0
    """Hidden channels of an MLP without a convolution in it, for each channel."""
    pos_drop_rate: Rate = 0.0
    """Dropout probability where positions are added."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: ConvNorm = "layernorm2d"
    """Normalisation of the blocks, and behind them."""
    attn_stage: StageFlags = "111"
    """Which stages attend."""
    use_pos_embed: bool = True
    """Whether learned positions are added to the patches of each stage."""
    spatial_conv: StageFlags = "111"
    """Which stages have a 3x3 convolution in their MLPs."""
    vit_stem: bool = False
    """Cut the image into patches once, for all stages, as a Vision Transformer does."""
    group: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Groups of the convolution in an MLP, which then has twice the channels inside; with one group
    it has five sixths of them."""
    conv_init: bool = False
    """Initialise convolutions by their outputs (https://arxiv.org/abs/1502.01852, equation 14),
    and not by a deviation of 0.02."""
    embed_norm: ConvNorm | None = None
    """Normalisation of the patches; None for none."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        plan = self.plan()
        for norm in ("norm_layer", "embed_norm"):
            yield from norm_conflicts(getattr(self, norm), (s.features for s in plan), norm)
        if self.vit_stem and (plan[0].blocks or plan[2].blocks):
            yield Conflict(
                "'vit_stem' keeps the map of the second stage, whose channels the others do not "
                "have: leave them without blocks, as in 'depth' = (0, 12, 0)",
                "vit_stem",
            )
        for stage in plan:
            if found := list(self._stage_conflicts(stage)):
                yield from found
                return

    def _stage_conflicts(self, stage: StagePlan) -> Iterator[Conflict]:
        """What a stage cannot be built with."""
        if stage.hidden < 1:
            yield Conflict(
                f"'mlp_ratio' must leave each MLP a hidden channel; got {self.mlp_ratio} for "
                f"{stage.features}",
                "mlp_ratio",
            )
        elif stage.groups and stage.hidden % stage.groups:
            yield Conflict(
                f"'group' must divide the {stage.hidden} hidden channels of an MLP; got "
                f"{stage.groups}",
                "group",
            )
        if stage.num_heads and stage.head_features < 1:
            yield Conflict(
                f"'num_heads' {self.num_heads} leaves no features to the heads of a stage with "
                f"{stage.features} channels",
                "num_heads",
            )
        if min(stage.grid) < 1:
            yield Conflict(
                f"'img_size' {self.img_size} must leave each stage a position; not one patch fits "
                f"where 'patch_size' is {self.patch_size}",
                "img_size",
            )

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, where positions are made for it."""
        return self.img_size if self.use_pos_embed else None

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return tuple(
            FeatureSpec(stage.features, stage.reduction, f"stage{number}")
            for number, stage in enumerate(self.plan(), start=1)
        )

    def _depths(self) -> tuple[int, int, int]:
        """Number of blocks of each stage."""
        if isinstance(self.depth, tuple):
            return self.depth
        third = self.depth // 3
        return third, self.depth - 2 * third, third

    def _patch_sizes(self) -> tuple[int | None, int | None, int | None]:
        """Rows and columns of each stage's patches of the map before; None where there are none."""
        if self.vit_stem:
            return self.patch_size, None, None
        first = self.patch_size // (2 if self.init_channels is None else 4)
        return first, self.patch_size // 8, self.patch_size // 8

    @planned
    def plan(self) -> tuple[StagePlan, StagePlan, StagePlan]:
        """Every stage with its numbers."""
        depths, dim = self._depths(), self.embed_dim
        all_features = (dim, dim, dim) if self.vit_stem else (dim // 2, dim, 2 * dim)
        stem = None if self.vit_stem else self.init_channels
        rates = iter(drop_path_rates(self.drop_path_rate, sum(depths)))
        channels, reduction = stem or self.in_chans, 2 if stem else 1
        rows, columns = to_pair(self.img_size)
        if stem:
            rows, columns = -(-rows // 2), -(-columns // 2)
        stages = []
        for index, (features, patch) in enumerate(
            zip(all_features, self._patch_sizes(), strict=True)
        ):
            side = patch or 1
            rows, columns, reduction = rows // side, columns // side, reduction * side
            attends, convolves = self.attn_stage[index] == "1", self.spatial_conv[index] == "1"
            inside = 2 * features if self.group > 1 else features * 5 // 6
            stages.append(
                StagePlan(
                    in_features=channels,
                    features=features,
                    patch_size=patch,
                    grid=(rows, columns),
                    reduction=reduction,
                    positions=self.use_pos_embed and patch is not None,
                    num_heads=self.num_heads if attends else 0,
                    head_features=round(features // self.num_heads * (1.0 if index else 0.5)),
                    hidden=inside if convolves else int(features * self.mlp_ratio),
                    groups=self.group if convolves else 0,
                    blocks=tuple(islice(rates, depths[index])),
                )
            )
            channels = features
        first, second, third = stages
        return first, second, third


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The patches and blocks of one resolution."""

    in_features: int
    features: int
    patch_size: int | None
    """Rows and columns of the map before that make one position; None where it stays."""
    grid: tuple[int, int]
    """Rows and columns of the map."""
    reduction: int
    """Input pixels for each position of the map."""
    positions: bool
    """Whether learned positions are added."""
    num_heads: int
    """Attention heads; 0 where nothing attends."""
    head_features: int
    """Features of each head."""
    hidden: int
    """Hidden channels of the MLPs."""
    groups: int
    """Groups of the convolution in the MLPs; 0 where there is none."""
    blocks: tuple[float, ...]
    """The rate of stochastic depth of each block."""
