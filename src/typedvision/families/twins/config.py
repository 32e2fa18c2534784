"""Twins as data: what can vary, and every number that follows from it."""

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
    Pixels,
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_heads, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.twins.model import Twins

_Few = Field(min_length=1, max_length=8)


class TwinsConfig(ModelConfig, Builds["Twins"]):
    """A transformer with stages, whose blocks attend to a smaller map, or in alternation to windows
    and to a smaller map (https://arxiv.org/abs/2104.13840)."""

    global_pool: Literal["", "avg"] = "avg"
    """How the last tokens become a vector."""
    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square. Other sizes go in, too."""
    patch_size: Pixels = 4
    """Height and width in pixels of a patch of the first stage; each stage after it halves the
    map."""
    embed_dims: Annotated[tuple[Channels, ...], _Few] = (64, 128, 256, 512)
    """Features of each token of each stage."""
    num_heads: Annotated[tuple[Heads, ...], _Few] = (1, 2, 4, 8)
    """Attention heads of each stage."""
    mlp_ratios: Annotated[tuple[Ratio, ...], _Few] = (4.0, 4.0, 4.0, 4.0)
    """Hidden features of the MLP, for each feature of a token, in each stage."""
    depths: Annotated[tuple[Depth, ...], _Few] = (3, 4, 6, 3)
    """Number of blocks of each stage."""
    sr_ratios: Annotated[tuple[KernelSize, ...], _Few] = (8, 4, 2, 1)
    """What the height and width of the map are divided by for keys and values, in each stage."""
    wss: Annotated[tuple[KernelSize, ...], _Few] | None = None
    """Rows and columns of the windows that every other block of a stage attends in, the first with
    them; 1, or None for all stages, where every block attends to the smaller map."""
    pos_drop_rate: Rate = 0.0
    """Dropout probability of the tokens at the start of each stage."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation of the blocks, and behind them."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        stages = len(self.depths)
        if uneven := uneven_stages(
            self, "depths", "embed_dims", "num_heads", "mlp_ratios", "sr_ratios", "wss"
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
        side = min(to_pair(self.img_size))
        limits = tuple(side // self._stride(stage) for stage in range(stages))
        if limits[-1] < 1:
            yield Conflict(
                f"'img_size' {self.img_size} must be at least {self._stride(stages - 1)}, so that "
                "a patch of the last stage fits",
                "img_size",
            )
        elif any(ratio > most for ratio, most in zip(self.sr_ratios, limits, strict=True)):
            yield Conflict(
                f"'sr_ratios' must leave keys of an image of 'img_size' {self.img_size}: at most "
                f"{limits}; got {self.sr_ratios}",
                "sr_ratios",
            )

    def _stride(self, stage: int) -> int:
        """Pixels for each position of the map of a stage."""
        return int(self.patch_size * 2**stage)

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return halving_levels(self.embed_dims, self.patch_size, "blocks")

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        stages, rates = (
            len(self.depths),
            iter(drop_path_rates(self.drop_path_rate, sum(self.depths))),
        )
        windows = self.wss or (1,) * stages
        return tuple(
            StagePlan(
                in_features=self.embed_dims[stage - 1] if stage else self.in_chans,
                features=dim,
                patch_size=2 if stage else self.patch_size,
                num_heads=self.num_heads[stage],
                hidden=int(dim * self.mlp_ratios[stage]),
                blocks=tuple(
                    BlockPlan(
                        window=windows[stage] if index % 2 == 0 and windows[stage] > 1 else None,
                        reduction=self.sr_ratios[stage],
                        drop_path_rate=rate,
                    )
                    for index, rate in enumerate(islice(rates, self.depths[stage]))
                ),
            )
            for stage, dim in enumerate(self.embed_dims)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """One block."""

    window: int | None
    """Rows and columns of the windows that it attends in; None where it attends to a smaller
    map."""
    reduction: int
    """What the height and width of the map are divided by for the smaller one."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The patches and blocks of one resolution."""

    in_features: int
    """Features of the map before, or channels of the image."""
    features: int
    patch_size: int
    """Rows and columns of the map before that make one position."""
    num_heads: int
    hidden: int
    """Hidden features of the MLPs."""
    blocks: tuple[BlockPlan, ...]
