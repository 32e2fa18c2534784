"""Swin Transformer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
    Heads,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    planned,
    square_is_one_number,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool, TokenNorm, WeightInit
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.swin.model import SwinTransformer

MAX_STAGES = 8
Window = Annotated[int, Field(ge=1, le=128)]
WindowSize = Annotated[Window | tuple[Window, Window], AfterValidator(square_is_one_number)]
StageWindows = Annotated[
    tuple[Window | tuple[Window, Window], ...], Field(min_length=1, max_length=MAX_STAGES)
]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
HeadCounts = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=MAX_STAGES)]


class SwinConfig(ModelConfig, Builds["SwinTransformer"]):
    """A Swin Transformer (https://arxiv.org/abs/2103.14030), and the ones that a search found
    (S3, https://arxiv.org/abs/2111.14725)."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 4
    """Height and width of a patch in pixels; one number for a square."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; with `""` every position is classified."""
    embed_dim: Channels = 96
    """Features of each token of the first stage; each further stage doubles them."""
    depths: Depths = (2, 2, 6, 2)
    """Number of blocks of each stage."""
    num_heads: HeadCounts = (3, 6, 12, 24)
    """Attention heads of each stage."""
    head_dim: Channels | None = None
    """Features of each head; None for an equal share of the stage's."""
    window_size: WindowSize | StageWindows = 7
    """Rows and columns of tokens in a window: a number or (rows, columns) for all stages, or one of
    these for each. Two numbers are rows and columns."""
    always_partition: bool = False
    """Keep the windows where the map is smaller, and pad it; they shrink to the map otherwise."""
    strict_img_size: bool = True
    """Take images of `img_size` only; any whole number of patches otherwise."""
    dynamic_img_size: bool = False
    """Take any whole number of patches, whatever `strict_img_size` says."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.1
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation."""
    weight_init: WeightInit = ""
    """How linear layers are initialised: normal of deviation 0.02 (`""`), as ViT's JAX code does
    (`jax`, or `jax_nlhb` with the classifier's bias at -log(classes)), as MoCo v3 does (`moco`), or
    as PyTorch does (`reset`, or `skip`, which is stored as `reset`)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from self._stage_conflicts()
        sizes = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image < patch for image, patch in sizes):
            yield Conflict(
                f"'img_size' {self.img_size} must be at least 'patch_size' {self.patch_size}: "
                "not one patch fits",
                "img_size",
            )
        if int(self.embed_dim * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' must leave the MLP a hidden feature; 'embed_dim' is {self.embed_dim}",
                "mlp_ratio",
            )

    def _stage_conflicts(self) -> Iterator[Conflict]:
        stages = len(self.depths)
        if len(self.num_heads) != stages:
            yield Conflict(
                f"'num_heads' must have one number for each stage of 'depths': {stages}; got "
                f"{len(self.num_heads)}",
                "num_heads",
            )
        if len(self._windows()) != stages:
            yield Conflict(
                f"'window_size' must have one size for each stage of 'depths': {stages}; got "
                f"{len(self._windows())}",
                "window_size",
            )
        widths = (self.embed_dim * 2**index for index in range(stages))
        if not self.head_dim and any(
            width < heads for width, heads in zip(widths, self.num_heads, strict=False)
        ):
            yield Conflict(
                f"'num_heads' must leave each head a feature of 'embed_dim' {self.embed_dim}: "
                "choose fewer heads, or set 'head_dim'",
                "num_heads",
            )

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, unless the model takes any."""
        return None if self.dynamic_img_size or not self.strict_img_size else self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        stride = max(to_pair(self.patch_size))
        return tuple(
            FeatureSpec(self.embed_dim * 2**index, stride * 2**index, f"layers.{index}")
            for index in range(len(self.depths))
        )

    def resized(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
        window_size: WindowSize | StageWindows | None = None,
    ) -> SwinConfig:
        """This config for another size; windows that are not given grow with their map.

        Raises:
            ConfigError: the sizes do not go together.
        """
        sizes = {"img_size": img_size, "patch_size": patch_size, "window_size": window_size}
        cfg = self.replace(**{name: size for name, size in sizes.items() if size is not None})
        stages = list(zip(self.plan().stages, cfg.plan().stages, strict=True))
        if window_size is not None or all(old.grid == new.grid for old, new in stages):
            return cfg
        return cfg.replace(window_size=tuple(_scaled(old, new.grid) for old, new in stages))

    @planned
    def plan(self) -> SwinPlan:
        """Every stage and block with its numbers."""
        img_size, patch_size = to_pair(self.img_size), to_pair(self.patch_size)
        grid = img_size[0] // patch_size[0], img_size[1] // patch_size[1]
        stages = tuple(self._stage(index, grid) for index in range(len(self.depths)))
        return SwinPlan(img_size, patch_size, stages)

    def _stage(self, index: int, patches: tuple[int, int]) -> StagePlan:
        rows, columns = (-(-side // 2**index) for side in patches)  # odd maps are padded
        window = self._windows()[index]
        if not self.always_partition:
            window = min(window[0], rows), min(window[1], columns)
        first, rates = (
            sum(self.depths[:index]),
            drop_path_rates(self.drop_path_rate, sum(self.depths)),
        )
        features, heads = self.embed_dim * 2**index, self.num_heads[index]
        blocks = tuple(
            BlockPlan(
                features=features,
                num_heads=heads,
                head_dim=self.head_dim or features // heads,
                window=window,
                shift=self._shift((rows, columns), window) if number % 2 else (0, 0),
                hidden=int(features * self.mlp_ratio),
                drop_path_rate=rates[first + number],
            )
            for number in range(self.depths[index])
        )
        return StagePlan(features, (rows, columns), window, merges=index > 0, blocks=blocks)

    def _shift(self, grid: tuple[int, int], window: tuple[int, int]) -> tuple[int, int]:
        """Half a window, but nothing where one window holds the whole map."""
        rows, columns = (
            wide // 2 if self.always_partition or side > wide else 0
            for side, wide in zip(grid, window, strict=True)
        )
        return rows, columns

    def _windows(self) -> tuple[tuple[int, int], ...]:
        """The window of each stage, before it shrinks to the map."""
        match self.window_size:
            case int(side):
                same = side, side
            case (int(rows), int(columns)):
                same = rows, columns
            case each:
                return tuple(to_pair(window) for window in each)
        return (same,) * len(self.depths)


def _scaled(stage: StagePlan, grid: tuple[int, int]) -> tuple[int, int]:
    """The windows of a stage for another map: as large a part of it."""
    rows, columns = (
        max(1, wide * new // old)
        for wide, new, old in zip(stage.window, grid, stage.grid, strict=True)
    )
    return rows, columns


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    features: int
    num_heads: int
    head_dim: int
    """Features of each head."""
    window: tuple[int, int]
    """Rows and columns of tokens in a window."""
    shift: tuple[int, int]
    """Rows and columns that the windows are moved by."""
    hidden: int
    """Hidden features of the MLP."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The blocks of one resolution."""

    features: int
    grid: tuple[int, int]
    """Rows and columns of the map."""
    window: tuple[int, int]
    merges: bool
    """Whether each 2 x 2 tokens are merged before the blocks."""
    blocks: tuple[BlockPlan, ...]


@dataclass(frozen=True, slots=True)
class SwinPlan:
    """The whole network."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    stages: tuple[StagePlan, ...]
