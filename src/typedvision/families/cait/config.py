"""CaiT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, Depth, Rate, Ratio, planned, to_pair
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.tokens import BlockPlan, TokenConfig, TokenPlan

if TYPE_CHECKING:
    from typedvision.families.cait.model import Cait


class CaitConfig(TokenConfig, Builds["Cait"]):
    """A deep Vision Transformer whose class token only comes in after the patches have attended to
    one another (https://arxiv.org/abs/2103.17239)."""

    global_pool: Literal["", "token", "avg"] = "token"
    """What the classifier sees: the class token (`token`), the mean of the patches (`avg`), or
    every token (`""`)."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping a residual branch, in each block of patches."""
    init_values: Ratio = 1e-4
    """Initial factor of LayerScale (section 2)."""
    depth_token_only: Depth = 2
    """Number of blocks in which the class token attends to the patches."""
    mlp_ratio_token_only: Ratio = 4.0
    """Hidden features of the MLP of those blocks, for each feature of the class token."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        if self._token_hidden() < 1:
            yield Conflict(
                f"'mlp_ratio_token_only' {self.mlp_ratio_token_only} must leave the MLP a hidden "
                f"feature; 'embed_dim' is {self.embed_dim}",
                "mlp_ratio_token_only",
            )

    @planned
    def plan(self) -> TokenPlan[BlockPlan]:
        """Every block of patches with its numbers."""
        hidden = int(self.embed_dim * self.mlp_ratio)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            embeds_prefix=False,
            norm=True,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool != "avg",
            pool_heads=self.num_heads,
            pool_hidden=hidden,
            fc_norm=False,
            blocks=(BlockPlan(hidden=hidden, drop_path_rate=self.drop_path_rate),) * self.depth,
        )

    def token_plan(self) -> BlockPlan:
        """The numbers of each block of the class token."""
        return BlockPlan(hidden=self._token_hidden(), drop_path_rate=0.0)

    def _token_hidden(self) -> int:
        return int(self.embed_dim * self.mlp_ratio_token_only)
