"""BEiT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, Ratio, planned, to_pair
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import BlockPlan, Factor, TokenConfig, TokenPlan

if TYPE_CHECKING:
    from typedvision.families.beit.model import Beit

PoolName = Literal["", "token", "avg"]


class BeitConfig(TokenConfig, Builds["Beit"]):
    """A BEiT (https://arxiv.org/abs/2106.08254) or BEiT v2 (https://arxiv.org/abs/2208.06366): a
    Vision Transformer that attends by relative positions."""

    global_pool: PoolName = "avg"
    """What the classifier sees: the mean of the patches (`avg`), the class token (`token`), or
    every token (`""`)."""
    qkv_bias: bool = True
    """Whether queries and values have a bias; keys have none."""
    swiglu_mlp: bool = False
    """Gate the MLP (https://arxiv.org/abs/2002.05202), by SiLU instead of GELU."""
    scale_mlp: bool = False
    """Normalise before the MLP's last layer (https://arxiv.org/abs/2210.06423)."""
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

    @planned
    def plan(self) -> TokenPlan[BlockPlan]:
        """Every block with its numbers."""
        fc_norm = self.global_pool == "avg" if self.use_fc_norm is None else self.use_fc_norm
        hidden = int(self.embed_dim * self.mlp_ratio)
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            learns_positions=self.use_abs_pos_emb,
            norm=not fc_norm,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool != "avg",
            pool_heads=self.num_heads,
            pool_hidden=hidden,
            fc_norm=fc_norm,
            head_scale=self.head_init_scale,
            blocks=tuple(
                BlockPlan(
                    hidden=hidden,
                    drop_path_rate=rate,
                    output_scale=(2.0 * (index + 1)) ** -0.5,  # section 2.5
                )
                for index, rate in enumerate(rates)
            ),
        )
