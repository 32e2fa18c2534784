"""TNT as data: what can vary, and every number that follows from it."""

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
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.tnt.model import TNT

Stride = Annotated[int, Field(ge=1, le=64)]


class TNTConfig(ModelConfig, Builds["TNT"]):
    """A transformer in a transformer (https://arxiv.org/abs/2103.00112): an inner one of the parts
    of each patch, an outer one of the patches."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 16
    """Height and width of a patch in pixels; one number for a square."""
    global_pool: Literal["", "token", "avg"] = "token"
    """What the classifier sees: the class token (`token`), the mean of the patches (`avg`), or
    every token (`""`)."""
    embed_dim: Channels = 768
    """Features of each patch."""
    inner_dim: Channels = 48
    """Features of each part of a patch."""
    depth: Depth = 12
    """Number of blocks."""
    num_heads_inner: Heads = 4
    """Attention heads among the parts of a patch; they share `inner_dim` evenly."""
    num_heads_outer: Heads = 12
    """Attention heads among the patches; they share `embed_dim` evenly."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of each outer MLP, for each feature of a patch; inner ones have 4."""
    qkv_bias: bool = False
    """Whether queries, keys and values have a bias."""
    pos_drop_rate: Rate = 0.0
    """Dropout probability of the patches before the first block."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation."""
    first_stride: Stride = 4
    """Pixels from one part of a patch to the next."""
    legacy: bool = False
    """Convolve the whole image before it is cut into patches, so that parts see over the edge of
    their patch, and normalise each part by itself, as the first weights were trained. The others
    cut first, and normalise all parts of a patch together, before and after their projection."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: heads with features, parts with the patch, patches with the
        image."""
        for name, heads, dim in (
            ("num_heads_inner", self.num_heads_inner, "inner_dim"),
            ("num_heads_outer", self.num_heads_outer, "embed_dim"),
        ):
            features = getattr(self, dim)
            if features % heads:
                yield Conflict(f"'{name}' must divide '{dim}' {features} evenly; got {heads}", name)
        if int(self.embed_dim * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave the MLP a hidden feature; 'embed_dim' is "
                f"{self.embed_dim}",
                "mlp_ratio",
            )
        sizes = to_pair(self.patch_size)
        if any(image < patch for image, patch in zip(to_pair(self.img_size), sizes, strict=True)):
            yield Conflict(
                f"'img_size' {self.img_size} must be at least 'patch_size' {self.patch_size}: not "
                "one patch fits",
                "img_size",
            )
        if self.legacy and any(side % self.first_stride for side in sizes):
            yield Conflict(
                f"'first_stride' must divide 'patch_size' {self.patch_size} evenly where 'legacy' "
                f"is true; got {self.first_stride}",
                "first_stride",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The patches after each block; all have one resolution."""
        stride = max(to_pair(self.patch_size))
        return tuple(
            FeatureSpec(self.embed_dim, stride, f"blocks.{index}") for index in range(self.depth)
        )

    @planned
    def plan(self) -> TNTPlan:
        """The model with every number decided."""
        (height, width), (tall, wide) = to_pair(self.img_size), to_pair(self.patch_size)
        return TNTPlan(
            img_size=(height, width),
            patch_size=(tall, wide),
            grid=(height // tall, width // wide),
            parts=(-(-tall // self.first_stride), -(-wide // self.first_stride)),
            inner_hidden=4 * self.inner_dim,
            outer_hidden=int(self.embed_dim * self.mlp_ratio),
            drop_path_rates=drop_path_rates(self.drop_path_rate, self.depth),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TNTPlan:
    """The model, with every number decided."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    grid: tuple[int, int]
    """Rows and columns of patches."""
    parts: tuple[int, int]
    """Rows and columns of parts in a patch."""
    inner_hidden: int
    """Hidden features of an inner MLP."""
    outer_hidden: int
    """Hidden features of an outer MLP."""
    drop_path_rates: tuple[float, ...]
    """Of each block, the probability of dropping a residual branch."""
