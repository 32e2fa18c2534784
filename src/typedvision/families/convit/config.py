"""ConViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Channels, Count, planned, to_pair
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import BlockPlan, TokenConfig, TokenPlan

if TYPE_CHECKING:
    from typedvision.families.convit.model import ConVit

Strength = Annotated[float, Field(ge=0.0, le=1_024.0)]


class ConVitConfig(TokenConfig, Builds["ConVit"]):
    """A Vision Transformer whose first blocks look around like convolutions at first, and learn how
    much to (https://arxiv.org/abs/2103.10697)."""

    global_pool: Literal["", "token", "avg"] = "token"
    """What the classifier sees: the class token (`token`), the mean of the patches (`avg`), or
    every token (`""`)."""
    embed_dim: Channels = 48
    """Features of each head; a token has `num_heads` times as many."""
    qkv_bias: bool = False
    """Whether queries, keys and values have a bias."""
    local_up_to_layer: Count = 3
    """Number of blocks with gated positional attention, which come first; the class token comes in
    behind them."""
    locality_strength: Strength = 1.0
    """How narrowly those blocks look at first (section 3)."""
    use_pos_embed: bool = True
    """Whether each position has a learned embedding."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        if self.local_up_to_layer >= self.depth:
            yield Conflict(
                f"'local_up_to_layer' must be less than 'depth' {self.depth}; got "
                f"{self.local_up_to_layer}: the class token comes in with the block behind",
                "local_up_to_layer",
            )

    @property
    def width(self) -> int:
        """Features of each token."""
        return self.embed_dim * self.num_heads

    @planned
    def plan(self) -> TokenPlan[BlockPlan]:
        """Every block with its numbers."""
        hidden = int(self.width * self.mlp_ratio)
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            learns_positions=self.use_pos_embed,
            embeds_prefix=False,
            norm=True,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool != "avg",
            pool_heads=self.num_heads,
            pool_hidden=hidden,
            fc_norm=False,
            blocks=tuple(BlockPlan(hidden=hidden, drop_path_rate=rate) for rate in rates),
        )
