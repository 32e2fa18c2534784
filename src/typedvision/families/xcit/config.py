"""XCiT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from typedvision.config.base import Builds, Depth, Rate, Ratio, Whole, planned, to_pair
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.tokens import BlockPlan, TokenConfig, TokenPlan

if TYPE_CHECKING:
    from typedvision.families.xcit.model import Xcit


class XcitConfig(TokenConfig, Builds["Xcit"]):
    """A transformer whose attention compares channels and not tokens
    (https://arxiv.org/abs/2106.09681)."""

    patch_size: Annotated[Literal[8, 16], Whole] = 16  # pyright: ignore[reportIncompatibleVariableOverride] # it is frozen
    """Height and width of a patch in pixels; each convolution before the blocks halves the map."""
    global_pool: Literal["", "token", "avg"] = "token"
    """What the classifier sees: the class token (`token`), the mean of the patches (`avg`), or
    every token (`""`)."""
    act_layer: Activation = "gelu"
    """Activation."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping a residual branch, in each block."""
    cls_attn_layers: Depth = 2
    """Number of blocks in which the class token attends to the patches."""
    use_pos_embed: bool = True
    """Whether positions are encoded, by sines and cosines of their places."""
    eta: Ratio = 1.0
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239)."""
    tokens_norm: bool = False
    """Normalise all tokens before the MLP of a class attention block, not the class token alone."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        if self.embed_dim % (self.patch_size // 2):
            yield Conflict(
                f"'embed_dim' must be a multiple of {self.patch_size // 2} where 'patch_size' is "
                f"{self.patch_size}: the convolutions double the channels up to it",
                "embed_dim",
            )

    @planned
    def plan(self) -> TokenPlan[BlockPlan]:
        """Every block with its numbers."""
        hidden = int(self.embed_dim * self.mlp_ratio)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            learns_positions=False,
            norm=True,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool != "avg",
            pool_heads=self.num_heads,
            pool_hidden=hidden,
            fc_norm=False,
            blocks=(BlockPlan(hidden=hidden, drop_path_rate=self.drop_path_rate),) * self.depth,
        )
