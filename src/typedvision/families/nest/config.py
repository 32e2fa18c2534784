"""NesT as data: what can vary, and every number that follows from it."""

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
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation, ConvPool, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_heads

if TYPE_CHECKING:
    from typedvision.families.nest.model import Nest

MAX_LEVELS = 8
_Few = Field(min_length=1, max_length=MAX_LEVELS)


class NestConfig(ModelConfig, Builds["Nest"]):
    """A Nested Transformer: attention within separate blocks of the map, which merge from level to
    level (https://arxiv.org/abs/2105.12723)."""

    img_size: Size = 224
    """Height and width of the input in pixels, which are equal."""
    patch_size: Pixels = 4
    """Height and width of a patch in pixels."""
    num_levels: Annotated[int, Field(ge=1, le=MAX_LEVELS)] = 3
    """Levels; the last one has one block of tokens, and each before it four times as many."""
    embed_dims: Channels | Annotated[tuple[Channels, ...], _Few] = (128, 256, 512)
    """Features of each token; one number for all levels, or one each."""
    num_heads: Heads | Annotated[tuple[Heads, ...], _Few] = (4, 8, 16)
    """Attention heads; one number for all levels, or one each."""
    depths: Depth | Annotated[tuple[Depth, ...], _Few] = (2, 2, 20)
    """Layers; one number for all levels, or one each."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLPs, for each feature of a token."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.5
    """Probability of dropping the last layer's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    act_layer: Activation = "gelu"
    """Activation."""
    pad_type: Literal["", "same"] = ""
    """Padding of the pooling between levels: symmetric, or TensorFlow's `same`."""
    weight_init: Literal["", "nlhb"] = ""
    """Initial bias of the classifier: 0, or -log(classes) (`nlhb`)."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        for name in ("embed_dims", "num_heads", "depths"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.num_levels:
                yield Conflict(
                    f"'{name}' must have one number for each of 'num_levels' {self.num_levels}; "
                    f"got {len(value)}",
                    name,
                )
                return
        uneven = uneven_heads(self._each(self.embed_dims), self._each(self.num_heads))
        yield from islice(uneven, 1)
        if any(int(dim * self.mlp_ratio) < 1 for dim in self._each(self.embed_dims)):
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave each MLP a hidden feature", "mlp_ratio"
            )
        yield from self._size_conflicts()

    def _size_conflicts(self) -> Iterator[Conflict]:
        height, width = to_pair(self.img_size)
        if height != width:
            yield Conflict(
                f"'img_size' must be a square, whose blocks merge; got {self.img_size}",
                "img_size",
            )
            return
        unit = self.patch_size * 2 ** (self.num_levels - 1)
        if height % unit:
            below, above = height // unit * unit, -(-height // unit) * unit
            fitting = f"{below} or {above}" if below else f"{above}"
            yield Conflict(
                f"'img_size' {height} must be a multiple of 'patch_size' times 2 to the power of "
                f"'num_levels' - 1, which is {unit}: choose {fitting}",
                "img_size",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each level."""
        features = (level.features for level in self.plan())
        return halving_levels(features, self.patch_size, "levels")

    @planned
    def plan(self) -> tuple[LevelPlan, ...]:
        """Every level with its numbers."""
        dims, heads = self._each(self.embed_dims), self._each(self.num_heads)
        depths = self._each(self.depths)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(depths)))
        side = to_pair(self.img_size)[0] // self.patch_size // 2 ** (self.num_levels - 1)
        return tuple(
            LevelPlan(
                in_features=dims[max(index - 1, 0)],
                features=dims[index],
                num_heads=heads[index],
                hidden=int(dims[index] * self.mlp_ratio),
                blocks=4 ** (self.num_levels - 1 - index),
                side=side,
                pools=index > 0,
                drop_path_rates=tuple(islice(rates, depths[index])),
            )
            for index in range(self.num_levels)
        )

    def _each(self, value: int | tuple[int, ...]) -> tuple[int, ...]:
        """A number of each level, which may be one for all."""
        return value if isinstance(value, tuple) else (value,) * self.num_levels


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPlan:
    """The layers of one level."""

    in_features: int
    features: int
    num_heads: int
    hidden: int
    """Hidden features of the MLPs."""
    blocks: int
    """Blocks of the map."""
    side: int
    """Rows and columns of tokens in a block."""
    pools: bool
    """Whether a pooling stands before the layers."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each layer."""
