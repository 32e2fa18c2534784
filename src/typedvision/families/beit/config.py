"""BEiT as data: what can vary, and every number that follows from it."""

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
from typedvision.config.patches import patch_conflicts, token_levels
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.beit.model import Beit

PoolName = Literal["", "token", "avg"]
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]


class BeitConfig(ModelConfig, Builds["Beit"]):
    """A BEiT (https://arxiv.org/abs/2106.08254) or BEiT v2 (https://arxiv.org/abs/2208.06366): a
    Vision Transformer that attends by relative positions."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 16
    """Height and width of a patch in pixels; one number for a square."""
    global_pool: PoolName = "avg"
    """What the classifier sees: the mean of the patches (`avg`), the class token (`token`), or
    every token (`""`)."""
    embed_dim: Channels = 768
    """Features of each token."""
    depth: Depth = 12
    """Number of blocks."""
    num_heads: Heads = 12
    """Attention heads of each block; they share `embed_dim` evenly."""
    qkv_bias: bool = True
    """Whether queries and values have a bias; keys have none."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
    swiglu_mlp: bool = False
    """Gate the MLP (https://arxiv.org/abs/2002.05202), by SiLU instead of GELU."""
    scale_mlp: bool = False
    """Normalise before the MLP's last layer (https://arxiv.org/abs/2210.06423)."""
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
    init_values: Ratio | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    use_abs_pos_emb: bool = True
    """Whether each position has a learned embedding."""
    use_rel_pos_bias: bool = False
    """Whether each block has a learned bias of the attention for each distance of two patches."""
    use_shared_rel_pos_bias: bool = False
    """Whether there is such a bias that all blocks share; it adds to the block's own."""
    head_init_scale: Factor = 0.001
    """Factor of the classifier's initial weights."""
    use_fc_norm: bool | None = None
    """Normalise what was pooled, and not the tokens after the last block; None for yes with
    `avg`."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.embed_dim % self.num_heads:
            yield Conflict(
                f"'num_heads' must divide 'embed_dim' {self.embed_dim} evenly; got "
                f"{self.num_heads}: choose one of its divisors",
                "num_heads",
            )
        yield from patch_conflicts(self.img_size, self.patch_size)
        if int(self.embed_dim * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' must leave the MLP a hidden feature; 'embed_dim' is {self.embed_dim}",
                "mlp_ratio",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`; the tables of positions are made for it."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens after each block; all have one resolution."""
        return token_levels(self.embed_dim, self.depth, self.patch_size)

    @planned
    def plan(self) -> BeitPlan:
        """Every block with its numbers."""
        img_size, patch_size = to_pair(self.img_size), to_pair(self.patch_size)
        rows, columns = img_size[0] // patch_size[0], img_size[1] // patch_size[1]
        fc_norm = self.global_pool == "avg" if self.use_fc_norm is None else self.use_fc_norm
        return BeitPlan(
            img_size=img_size,
            patch_size=patch_size,
            grid=(rows, columns),
            tokens=1 + rows * columns,
            relations=(2 * rows - 1) * (2 * columns - 1) + 3,
            hidden=int(self.embed_dim * self.mlp_ratio),
            unpooled=1 if self.global_pool == "avg" else 0,
            fc_norm=fc_norm,
            blocks=tuple(self._block(index) for index in range(self.depth)),
        )

    def _block(self, index: int) -> BlockPlan:
        return BlockPlan(
            drop_path_rate=self.drop_path_rate * index / max(self.depth - 1, 1),
            output_scale=(2.0 * (index + 1)) ** -0.5,
        )


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """What differs from block to block."""

    drop_path_rate: float
    output_scale: float
    """Factor of the initial output projections (section 2.5)."""


@dataclass(frozen=True, slots=True)
class BeitPlan:
    """The whole network, with every number decided."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    grid: tuple[int, int]
    """Rows and columns of patches."""
    tokens: int
    """The class token and the patches."""
    relations: int
    """Rows of a table of relative positions: each distance of two patches, and from the class
    token to patches, from patches to it, and to itself."""
    hidden: int
    """Hidden features of the MLPs."""
    unpooled: int
    """Tokens in front that the pooling leaves out."""
    fc_norm: bool
    """Whether the last normalisation stands behind the pooling, and not before it."""
    blocks: tuple[BlockPlan, ...]
