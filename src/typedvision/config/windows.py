"""The base of configs whose stages attend in shifted windows (https://arxiv.org/abs/2103.14030)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from typedvision.config.base import (
    Channels,
    Depth,
    Eps,
    Heads,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    square_is_one_number,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

MAX_STAGES = 8
Window = Annotated[int, Field(ge=1, le=128)]
WindowSize = Annotated[Window | tuple[Window, Window], AfterValidator(square_is_one_number)]
StageWindows = Annotated[
    tuple[Window | tuple[Window, Window], ...], Field(min_length=1, max_length=MAX_STAGES)
]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
HeadCounts = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=MAX_STAGES)]


class WindowConfig(ModelConfig):
    """What configs of shifted-window models share. A family says its `window_size`, and which
    module holds the stages."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 4
    """Height and width of a patch in pixels; one number for a square."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    embed_dim: Channels = 96
    """Features of each token of the first stage; each further stage doubles them."""
    depths: Depths = (2, 2, 6, 2)
    """Number of blocks of each stage."""
    num_heads: HeadCounts = (3, 6, 12, 24)
    """Attention heads of each stage."""
    always_partition: bool = False
    """Keep the windows where the map is smaller, and pad it; they shrink to the map otherwise."""
    strict_img_size: bool = True
    """Take images of `img_size` only; any whole number of patches otherwise."""
    dynamic_img_size: bool = False
    """Take any whole number of patches, whatever `strict_img_size` says."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
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

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        stages = len(self.depths)
        yield from uneven_stages(self, "depths", "num_heads")
        if len(self.windows()) != stages:
            yield Conflict(
                f"'window_size' must have one value for each stage of 'depths': {stages}; got "
                f"{len(self.windows())}",
                "window_size",
            )
        sizes = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image < patch for image, patch in sizes):
            yield Conflict(
                f"'img_size' {self.img_size} must be at least 'patch_size' {self.patch_size}: "
                "not one patch fits",
                "img_size",
            )
        elif self.input_size() is None and any(self._beside_patches()):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of 'patch_size' {self.patch_size} "
                "where the model takes any whole number of patches",
                "img_size",
            )
        if int(self.embed_dim * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' must leave the MLP a hidden feature; 'embed_dim' is {self.embed_dim}",
                "mlp_ratio",
            )

    def _beside_patches(self) -> tuple[int, int]:
        """The pixels below and right that make no whole patch."""
        (height, width), (tall, wide) = to_pair(self.img_size), to_pair(self.patch_size)
        return height % tall, width % wide

    def undivided_heads(self) -> Iterator[Conflict]:
        """The conflict of heads that do not share their stage's features evenly."""
        widths = (self.embed_dim * 2**index for index in range(len(self.depths)))
        for width, heads in zip(widths, self.num_heads, strict=False):
            if width % heads:
                yield Conflict(
                    f"'num_heads' must divide the features of its stage evenly; got {heads} for "
                    f"{width}: choose one of its divisors",
                    "num_heads",
                )
                return

    def windows(self) -> tuple[tuple[int, int], ...]:
        """The window of each stage, before it shrinks to the map."""
        raise NotImplementedError(f"{type(self).__name__} must say its windows")

    def for_each_stage(self, size: WindowSize | StageWindows) -> tuple[tuple[int, int], ...]:
        """A size of windows that may be one for all stages."""
        match size:
            case int(side):
                same = side, side
            case (int(rows), int(columns)):
                same = rows, columns
            case each:
                return tuple(to_pair(window) for window in each)
        return (same,) * len(self.depths)

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, unless the model takes any."""
        return None if self.dynamic_img_size or not self.strict_img_size else self.img_size

    def stage_features(self, stages: str) -> tuple[FeatureSpec, ...]:
        """The map of each stage; `stages` is the path of the module that holds them."""
        stride = max(to_pair(self.patch_size))
        return tuple(
            FeatureSpec(self.embed_dim * 2**index, stride * 2**index, f"{stages}.{index}")
            for index in range(len(self.depths))
        )

    def resized(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
        window_size: WindowSize | StageWindows | None = None,
    ) -> Self:
        """This config for another size; windows that are not given grow with their map.

        Raises:
            ConfigError: the sizes do not go together.
        """
        sizes = {"img_size": img_size, "patch_size": patch_size, "window_size": window_size}
        cfg = self.replace(**{name: size for name, size in sizes.items() if size is not None})
        stages = list(zip(self.windowed_stages(), cfg.windowed_stages(), strict=True))
        if window_size is not None or all(old.grid == new.grid for old, new in stages):
            return cfg
        return cfg.replace(window_size=tuple(_scaled(old, new.grid) for old, new in stages))

    def plan(self) -> WindowPlan:
        """The model with every number decided."""
        raise NotImplementedError(f"{type(self).__name__} must say its plan")

    def planned_windows(self) -> WindowPlan:
        """Every stage and block with its numbers."""
        return WindowPlan(to_pair(self.img_size), to_pair(self.patch_size), self.windowed_stages())

    def windowed_stages(self) -> tuple[WindowStage, ...]:
        """Every stage with its map, its windows and its blocks."""
        grid = self.patch_grid()
        return tuple(self._stage(index, grid) for index in range(len(self.depths)))

    def patch_grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        (height, width), (tall, wide) = to_pair(self.img_size), to_pair(self.patch_size)
        return height // tall, width // wide

    def _stage(self, index: int, patches: tuple[int, int]) -> WindowStage:
        rows, columns = (-(-side // 2**index) for side in patches)  # odd maps are padded
        window = self.windows()[index]
        if not self.always_partition:
            window = min(window[0], rows), min(window[1], columns)
        rates = drop_path_rates(self.drop_path_rate, sum(self.depths))
        first, features = sum(self.depths[:index]), self.embed_dim * 2**index
        blocks = tuple(
            WindowBlock(
                features=features,
                num_heads=self.num_heads[index],
                window=window,
                shift=self._shift((rows, columns), window) if number % 2 else (0, 0),
                hidden=int(features * self.mlp_ratio),
                drop_path_rate=rates[first + number],
            )
            for number in range(self.depths[index])
        )
        return WindowStage(features, (rows, columns), window, merges=index > 0, blocks=blocks)

    def _shift(self, grid: tuple[int, int], window: tuple[int, int]) -> tuple[int, int]:
        """Half a window, but nothing where one window holds the whole map."""
        rows, columns = (
            wide // 2 if self.always_partition or side > wide else 0
            for side, wide in zip(grid, window, strict=True)
        )
        return rows, columns


def _scaled(stage: WindowStage, grid: tuple[int, int]) -> tuple[int, int]:
    """The windows of a stage for another map: as large a part of it."""
    rows, columns = (
        max(1, wide * new // old)
        for wide, new, old in zip(stage.window, grid, stage.grid, strict=True)
    )
    return rows, columns


@dataclass(frozen=True, slots=True)
class WindowBlock:
    """One block, with every number decided."""

    features: int
    num_heads: int
    window: tuple[int, int]
    """Rows and columns of tokens in a window."""
    shift: tuple[int, int]
    """Rows and columns that the windows are moved by."""
    hidden: int
    """Hidden features of the MLP."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class WindowStage:
    """The blocks of one resolution."""

    features: int
    grid: tuple[int, int]
    """Rows and columns of the map."""
    window: tuple[int, int]
    merges: bool
    """Whether each 2 x 2 tokens are merged before the blocks."""
    blocks: tuple[WindowBlock, ...]


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """The whole network."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    stages: tuple[WindowStage, ...]
