"""GCViT as data: what can vary, and every number that follows from it."""

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
from typedvision.config.names import Activation, ConvNorm, ConvPool, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.windows import Window

if TYPE_CHECKING:
    from typedvision.families.gcvit.model import GlobalContextVit

_PER_STAGE = Field(min_length=1, max_length=4)
Grid = tuple[int, int]
WeightInit = Literal["", "normal", "vit"]


class GCViTConfig(ModelConfig, Builds["GlobalContextVit"]):
    """A Global Context Vision Transformer (https://arxiv.org/abs/2206.09959)."""

    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    window_ratio: Annotated[tuple[Pixels, ...], _PER_STAGE] = (32, 32, 16, 32)
    """Pixels for each row and column of a window of each stage, where `window_size` is None; more
    than there are stages may be given."""
    window_size: Window | Annotated[tuple[Window, ...], _PER_STAGE] | None = None
    """Rows and columns of positions in a window; one number for all stages, or one each; None for
    a share of `img_size`."""
    embed_dim: Channels = 64
    """Channels of the first stage; each further stage doubles them."""
    depths: Annotated[tuple[Annotated[Depth, Field(ge=2)], ...], _PER_STAGE] = (3, 4, 19, 5)
    """Number of blocks of each stage, at least 2: each second one attends by the global queries."""
    num_heads: Annotated[tuple[Heads, ...], _PER_STAGE] = (2, 4, 8, 16)
    """Attention heads of each stage."""
    mlp_ratio: Ratio = 3.0
    """Hidden features of the MLP, for each feature of a position."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    layer_scale: Ratio | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    weight_init: WeightInit = ""
    """Initial weights of linear layers: PyTorch's own (`""`), a normal distribution of deviation
    0.02 (`normal`), or a uniform one by both fans (`vit`, https://arxiv.org/abs/2010.11929)."""
    act_layer: Activation = "gelu"
    """Activation of the stem and of the MLPs; other convolutions have `gelu`."""
    norm_layer: ConvNorm = "layernorm2d"
    """Normalisation of maps, where they are subsampled."""
    norm_layer_cl: TokenNorm = "layernorm"
    """Normalisation in blocks, and after the last one."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        wrong = list(self._length_conflicts())
        yield from wrong or self._stage_conflicts()
        yield from unpooled_classifier(self, self.global_pool)

    def _length_conflicts(self) -> Iterator[Conflict]:
        count = len(self.depths)
        each = {"num_heads": self.num_heads}
        if isinstance(self.window_size, tuple):
            each["window_size"] = self.window_size
        for name, numbers in each.items():
            if len(numbers) != count:
                yield Conflict(
                    f"'{name}' has {len(numbers)} stages and 'depths' has {count}: give one value "
                    "for each stage",
                    name,
                )
        if self.window_size is None and len(self.window_ratio) < count:
            yield Conflict(
                f"'window_ratio' has {len(self.window_ratio)} stages and 'depths' has {count}: "
                "give one value for each stage",
                "window_ratio",
            )

    def _stage_conflicts(self) -> Iterator[Conflict]:
        stages = self.plan().stages
        reduction = stages[-1].reduction
        if any(side % reduction for side in to_pair(self.img_size)):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of {reduction}, what the stages "
                "divide it by",
                "img_size",
            )
            return
        for index, stage in enumerate(stages):
            if any(
                not part or side != part * 2**stage.poolings
                for side, part in zip(stage.grid, stage.window, strict=True)
            ):
                yield Conflict(
                    f"'img_size' {self.img_size} gives stage {index} a map of {stage.grid[0]} x "
                    f"{stage.grid[1]} positions, which must be a power of two times its windows of "
                    f"{stage.window[0]} x {stage.window[1]}: choose another 'window_size', or such "
                    "a 'window_ratio'",
                    "img_size",
                )
                return
            if stage.channels % stage.num_heads:
                yield Conflict(
                    f"'num_heads' must divide the channels of its stage evenly; got "
                    f"{stage.num_heads} for {stage.channels}: choose one of its divisors",
                    "num_heads",
                )
                return
        if stages[0].hidden < 1:
            yield Conflict(
                f"'mlp_ratio' must leave the MLP a hidden feature; 'embed_dim' is {self.embed_dim}",
                "mlp_ratio",
            )
        yield from norm_conflicts(self.norm_layer, [self.embed_dim])

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, which windows and pooled queries are for."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan().stages)
        )

    def _window(self, index: int) -> Grid:
        if self.window_size is None:
            height, width = to_pair(self.img_size)
            ratio = self.window_ratio[index]
            return height // ratio, width // ratio
        size = self.window_size
        return to_pair(size[index] if isinstance(size, tuple) else size)

    @planned
    def plan(self) -> GCViTPlan:
        """Every stage with its numbers."""
        height, width = to_pair(self.img_size)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        stages = []
        for index, depth in enumerate(self.depths):
            reduction, window = 4 * 2**index, self._window(index)
            grid, channels = (height // reduction, width // reduction), self.embed_dim * 2**index
            stages.append(
                StagePlan(
                    in_channels=channels // 2 if index else channels,
                    channels=channels,
                    num_heads=self.num_heads[index],
                    hidden=int(channels * self.mlp_ratio),
                    grid=grid,
                    window=window,
                    poolings=max(grid[0] // max(window[0], 1), 1).bit_length() - 1,
                    reduction=reduction,
                    drop_path_rates=tuple(islice(rates, depth)),
                )
            )
        return GCViTPlan(to_pair(self.img_size), tuple(stages))


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The blocks of one resolution."""

    in_channels: int
    channels: int
    num_heads: int
    hidden: int
    """Hidden features of the MLPs."""
    grid: Grid
    """Rows and columns of the map."""
    window: Grid
    """Rows and columns of positions in a window."""
    poolings: int
    """How often the map is halved to make the queries of one window."""
    reduction: int
    """Input pixels for each position of the map."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""


@dataclass(frozen=True, slots=True)
class GCViTPlan:
    """The whole network, with every number decided."""

    img_size: Grid
    stages: tuple[StagePlan, ...]
