"""The relative position Vision Transformer as data: what can vary, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, Channels, Ratio, planned, to_pair
from typedvision.config.names import Activation, WeightInit
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import BlockPlan, TokenConfig, TokenPlan

if TYPE_CHECKING:
    from typedvision.families.vit_relpos.model import VisionTransformerRelPos

PoolName = Literal["", "token", "avg"]
RelativeBias = Literal["mlp", "mlp_swin", "bias"]
BlockName = Literal["standard", "res_post"]


class ViTRelPosConfig(TokenConfig, Builds["VisionTransformerRelPos"]):
    """A Vision Transformer that knows only how far two patches are apart, and not where they are
    (R. Wightman, 2022; the bias is that of https://arxiv.org/abs/2111.09883, section 3.3)."""

    global_pool: PoolName = "avg"
    """What the classifier sees: the mean of the patches (`avg`), the class token (`token`), or
    every token (`""`)."""
    qk_norm: bool = False
    """Normalise queries and keys of each head (https://arxiv.org/abs/2302.05442, section 2.2)."""
    init_values: Ratio | None = 1e-6
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239), or of the normalisations
    where `block_fn` is `res_post`; None for no LayerScale, and for factors of 1."""
    class_token: bool = False
    """Put a learned token in front of the patches, which has no position."""
    fc_norm: bool = False
    """Normalise what was pooled, and not the tokens after the last block."""
    rel_pos_type: RelativeBias = "mlp"
    """Bias of the attention: computed from the logarithm of the distance by an MLP (`mlp`), with
    bounds (`mlp_swin`), or learned for each distance (`bias`)."""
    rel_pos_dim: Channels | None = None
    """Hidden features of that MLP; None for 128."""
    shared_rel_pos: bool = False
    """Whether all blocks have one bias in common."""
    weight_init: WeightInit = "reset"
    """How linear layers are initialised: as PyTorch does (`reset`, or `skip`, which is stored as
    `reset`), normal of deviation 0.02 (`""`), as the Vision Transformer's JAX code does (`jax`, or
    `jax_nlhb` with the classifier's bias at -log(classes)), or as MoCo v3 does (`moco`)."""
    fix_init: bool = False
    """Divide the initial output projections of block i by sqrt(2 i) (BEiT)."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    block_fn: BlockName = "standard"
    """Kind of block, with timm's name: `standard` (RelPosBlock) normalises before attention and
    MLP; `res_post` (ResPostRelPosBlock) after them (Swin v2)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        if self.global_pool == "token" and not self.class_token:
            yield Conflict(
                "'global_pool' must not be 'token' where 'class_token' is false: there is no such "
                "token; pool by 'avg'",
                "global_pool",
            )
        if self.rel_pos_type == "bias":
            yield from self._fixed(
                {"rel_pos_dim": None}, "'rel_pos_type' is 'bias': a learned bias has no MLP"
            )

    @planned
    def plan(self) -> TokenPlan[BlockPlan]:
        """Every block with its numbers."""
        hidden = int(self.embed_dim * self.mlp_ratio)
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            class_token=self.class_token,
            learns_positions=False,
            norm=not self.fc_norm,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool != "avg",
            pool_heads=self.num_heads,
            pool_hidden=hidden,
            fc_norm=self.fc_norm,
            weight_init=self.weight_init,
            blocks=tuple(
                BlockPlan(
                    hidden=hidden,
                    drop_path_rate=rate,
                    output_scale=(2.0 * (index + 1)) ** -0.5 if self.fix_init else 1.0,
                )
                for index, rate in enumerate(rates)
            ),
        )
