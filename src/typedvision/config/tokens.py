"""The bases of configs of token models (Vision Transformers and their like), and their plan."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from typedvision.config.base import (
    Channels,
    Depth,
    Eps,
    Heads,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, TokenNorm, TokenPool, WeightInit
from typedvision.config.problems import Conflict

Registers = Annotated[int, Field(ge=0, le=1_024)]
PatchDropRate = Annotated[float, Field(ge=0.0, lt=1.0)]
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]

TokenPooling = Literal[TokenPool, "map", "prr"]
"""How tokens become a vector: simply (`TokenPool`), by a learned query's attention (`map`), or as
the class token refined by an attention without parameters (`prr`)."""


class PatchConfig(ModelConfig):
    """What configs share whose models cut an image into patches, to which blocks of one width
    attend (https://arxiv.org/abs/2010.11929).

    A family adds its own fields and conflicts.
    """

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 16
    """Height and width of a patch in pixels; one number for a square."""
    embed_dim: Channels = 768
    """Features of each token."""
    depth: Depth = 12
    """Number of blocks."""
    num_heads: Heads = 12
    """Attention heads of each block; they share `embed_dim` evenly."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    pos_drop_rate: Rate = 0.0
    """Dropout probability of the tokens before the first block."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    norm_eps: Eps = 1e-6
    """Added to the variance in each normalisation."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: heads with features, patches with the image."""
        yield from self._head_conflicts("num_heads", self.num_heads)
        if int(self.width * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave the MLP a hidden feature; 'embed_dim' is "
                f"{self.embed_dim}",
                "mlp_ratio",
            )
        sides = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image < patch for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be at least 'patch_size' {self.patch_size}: not "
                "one patch fits",
                "img_size",
            )

    def _head_conflicts(self, name: str, count: int) -> Iterator[Conflict]:
        """The conflict of so many heads, which field `name` says, with the features."""
        if self.width % count:
            yield Conflict(
                f"'{name}' must divide 'embed_dim' {self.embed_dim} evenly; got {count}: choose "
                "one of its divisors",
                name,
            )

    def _differential_conflicts(self) -> Iterator[Conflict]:
        """The conflict of the heads with differential attention, which halves each of them."""
        width, rest = divmod(self.embed_dim, self.num_heads)
        if width % 2 and not rest:
            yield Conflict(
                f"'num_heads' must leave each head an even number of features for differential "
                f"attention; 'embed_dim' {self.embed_dim} over {self.num_heads} heads is {width}",
                "num_heads",
            )

    def _fixed(self, wanted: Mapping[str, object], reason: str) -> Iterator[Conflict]:
        """A conflict for each field that has not the only value that goes with another's."""
        for name, value in wanted.items():
            if getattr(self, name) != value:
                yield Conflict(f"'{name}' must be {value!r} where {reason}", name)

    @property
    def width(self) -> int:
        """Features of each token."""
        return self.embed_dim

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens after each block; all have one resolution."""
        stride = max(to_pair(self.patch_size))
        return tuple(
            FeatureSpec(self.width, stride, f"blocks.{index}") for index in range(self.depth)
        )


class TokenConfig(PatchConfig):
    """What configs of token models share, whose tokens a `TokenModel` pools and classifies.

    A family says its `plan`.
    """

    def plan(self) -> TokenPlan[BlockPlan]:
        """The model with every number decided."""
        raise NotImplementedError(f"{type(self).__name__} must say its plan")


class PrefixTokenConfig(TokenConfig):
    """What configs of token models share that choose the tokens in front of the patches, how many
    patches training sees, and whether images have one size."""

    qk_norm: bool = False
    """Normalise queries and keys of each head (https://arxiv.org/abs/2302.05442, section 2.2)."""
    init_values: Ratio | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    class_token: bool = True
    """Put a learned token in front of the patches."""
    no_embed_class: bool = False
    """Give learned positions to the patches only, and not to the class token and the registers."""
    patch_drop_rate: PatchDropRate = 0.0
    """Share of the patches that training leaves out (https://arxiv.org/abs/2212.00794)."""
    dynamic_img_size: bool = False
    """Take images of any size, with positions that are made for each."""
    dynamic_img_pad: bool = False
    """Pad images at the right and bottom to whole patches, instead of cutting off the rest."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also one size of images with padding."""
        yield from super().conflicts()
        sides = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        one_of_both = self.dynamic_img_pad != self.dynamic_img_size
        if one_of_both and any(image % patch for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of 'patch_size' {self.patch_size} "
                "where one of 'dynamic_img_size' and 'dynamic_img_pad' is true without the other",
                "img_size",
            )

    def _class_token_conflicts(self, global_pool: TokenPooling) -> Iterator[Conflict]:
        """The conflict of a pooling that takes the class token where there is none."""
        if global_pool in ("token", "prr") and not self.class_token:
            yield Conflict(
                f"'global_pool' must not be '{global_pool}' where 'class_token' is false: there is "
                "no such token; pool by 'avg' or 'map'",
                "global_pool",
            )

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, unless the model takes any."""
        return None if self.dynamic_img_size else self.img_size


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """One block, with every number decided."""

    hidden: int
    """Hidden features of the MLP."""
    drop_path_rate: float
    """Probability of dropping a residual branch."""
    output_scale: float = 1.0
    """Factor of the initial weights of both output projections."""


def lambda_init(index: int) -> float:
    """Initial weight of the second map of block `index`'s differential attention
    (https://arxiv.org/abs/2410.05258, equation 3); blocks count from 0."""
    return 0.8 - 0.6 * math.exp(-0.3 * index)


BlockT_co = TypeVar("BlockT_co", bound=BlockPlan, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlan(Generic[BlockT_co]):
    """A token model, with every number decided."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    reduction: int = 1
    """Pixels for each position of the map that is cut into patches, where that is a stem's."""
    any_size: bool = False
    """Whether images of any size go in, with positions that are resampled for each."""
    pads: bool = False
    """Whether images are padded to whole patches."""
    patch_bias: bool = True
    """Whether the projection of the patches has a bias."""
    patch_norm: TokenNorm | None = None
    """Normalisation of the projected patches; None for none."""
    class_token: bool = True
    """Whether a class token stands in front."""
    distilled: bool = False
    """Whether a distillation token follows it."""
    registers: int = 0
    """Register tokens, which follow these."""
    learns_positions: bool = True
    """Whether there is a learned table of positions."""
    embeds_prefix: bool = True
    """Whether the table has positions for the tokens in front of the patches."""
    patch_drop_rate: float = 0.0
    """Share of the patches that training leaves out."""
    pre_norm: bool = False
    """Whether a normalisation stands before the first block."""
    norm: bool
    """Whether one stands after the last block."""
    global_pool: TokenPooling
    """How tokens become a vector."""
    pools_prefix: bool
    """Whether the pooling sees the tokens in front of the patches."""
    pool_heads: int
    """Heads of a pooling that is an attention."""
    pool_hidden: int
    """Hidden features of the MLP of a pooling that has one."""
    pool_act: Activation = "gelu"
    """Activation of that MLP."""
    fc_norm: bool
    """Whether a normalisation stands behind the pooling."""
    weight_init: WeightInit = ""
    """How linear layers are initialised."""
    head_scale: float = 1.0
    """Factor of the classifier's initial weights."""
    blocks: tuple[BlockT_co, ...]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        (height, width), (tall, wide) = self.img_size, self.patch_size
        return height // (tall * self.reduction), width // (wide * self.reduction)

    @property
    def prefix(self) -> int:
        """Tokens in front of the patches: class token, distillation token and registers."""
        return self.class_token + self.distilled + self.registers

    @property
    def positions(self) -> int:
        """Rows of the learned table of positions; 0 for no table."""
        rows, columns = self.grid
        count = rows * columns + (self.prefix if self.embeds_prefix else 0)
        return count if self.learns_positions else 0

    @property
    def unpooled(self) -> int:
        """Tokens in front that the pooling leaves out."""
        return 0 if self.pools_prefix else self.prefix

    @property
    def pool(self) -> TokenPool:
        """The pooling that is no attention; `""` behind one that is."""
        match self.global_pool:
            case "map" | "prr":
                return ""
            case simple:
                return simple
