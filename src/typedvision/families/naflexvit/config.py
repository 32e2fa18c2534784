"""NaFlexViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Heads, Ratio, Size, planned, to_pair
from typedvision.config.names import Activation, Resampling, TokenNorm, TokenPool, WeightInit
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import (
    BlockPlan,
    PatchDropRate,
    Registers,
    TokenConfig,
    TokenPlan,
)

if TYPE_CHECKING:
    from typedvision.families.naflexvit.model import NaFlexVit

PoolName = Literal[TokenPool, "map"]
GridSide = Annotated[int, Field(ge=1, le=1_024)]
GridSize = tuple[GridSide, GridSide]


class NaFlexVitConfig(TokenConfig, Builds["NaFlexVit"]):
    """A Vision Transformer for images of any aspect ratio (https://arxiv.org/abs/2307.06304), as in
    SigLIP 2 (https://arxiv.org/abs/2502.14786, NaFlex) and C-RADIO."""

    img_size: Size = 384
    """Height and width of the input in pixels; one number for a square. Other sizes go in, too."""
    global_pool: PoolName = "map"
    """What the classifier sees: a learned query's attention (`map`), the class token (`token`), the
    mean, maximum or both of the patches, or every token (`""`)."""
    qk_norm: bool = False
    """Normalise queries and keys of each head (https://arxiv.org/abs/2302.05442, section 2.2)."""
    proj_bias: bool = True
    """Whether the attention's output projection and the MLP have a bias."""
    scale_mlp_norm: bool = False
    """Normalise before the MLP's last layer (https://arxiv.org/abs/2210.06423)."""
    scale_attn_inner_norm: bool = False
    """Normalise before the attention's output projection (https://arxiv.org/abs/2210.06423)."""
    init_values: Ratio | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    class_token: bool = False
    """Put a learned token in front of the patches."""
    reg_tokens: Registers = 0
    """Number of register tokens (https://arxiv.org/abs/2309.16588), after the class token."""
    patch_drop_rate: PatchDropRate = 0.0
    """Share of the patches that training leaves out (https://arxiv.org/abs/2212.00794)."""
    pos_embed: Literal["learned", "factorized", "none"] = "learned"
    """A learned embedding of each position, the sum of one of its row and one of its column, or
    none."""
    pos_embed_grid_size: GridSize = (16, 16)
    """Rows and columns of the learned positions, which are resampled for each image."""
    pos_embed_interp_mode: Resampling = "bicubic"
    """How positions are resampled; `factorized` ones are always linear."""
    pos_embed_ar_preserving: bool = False
    """Resample positions to a square as long as the image's longer side, and take its upper left;
    else to the shape of the image."""
    pos_embed_antialias: bool = True
    """Filter positions before they are brought to a smaller grid."""
    pos_embed_align_corners: bool = False
    """Resample from corner to corner, and not from edge to edge."""
    embed_proj_type: Literal["linear", "conv"] = "linear"
    """Whether patches are projected by a linear layer or by a convolution, which only images go
    through."""
    embed_norm_layer: TokenNorm | None = None
    """Normalisation of the patches before their positions; None for none."""
    pre_norm: bool = False
    """Normalise the tokens before the first block; the patches then have no bias."""
    final_norm: bool = True
    """Normalise once after the last block."""
    fc_norm: bool | None = None
    """Apply that normalisation after the pooling; None for yes with `avg`, `max` and `avgmax`."""
    pool_include_prefix: bool = False
    """Pool the class token and the registers together with the patches."""
    attn_pool_num_heads: Heads | None = None
    """Heads of the pooling `map`; None for `num_heads`."""
    attn_pool_mlp_ratio: Ratio | None = None
    """Hidden features of the MLP in the pooling `map`, for each feature of a token; None for
    `mlp_ratio`."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    weight_init: WeightInit = ""
    """How linear layers are initialised: normal of deviation 0.02 (`""`), as the paper's JAX code
    does (`jax`, or `jax_nlhb` with the classifier's bias at -log(classes)), as MoCo v3 does
    (`moco`), or as PyTorch does (`reset`, or `skip`, which is stored as `reset`)."""
    fix_init: bool = True
    """Divide the initial output projections of block i by sqrt(2 i) (BEiT)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        sides = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image % patch for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of 'patch_size' {self.patch_size}",
                "img_size",
            )
        if self.global_pool == "token" and not self.class_token:
            yield Conflict(
                "'global_pool' must not be 'token' where 'class_token' is false: there is no such "
                "token; pool by 'avg' or 'map'",
                "global_pool",
            )
        if self.fc_norm and not self.final_norm:
            yield Conflict(
                "'fc_norm' must not be true where 'final_norm' is false: it only moves that "
                "normalisation behind the pooling",
                "fc_norm",
            )
        if self.pos_embed_align_corners and self.pos_embed_antialias:
            yield Conflict(
                "'pos_embed_antialias' must be false where 'pos_embed_align_corners' is true: the "
                "filter knows edges only",
                "pos_embed_antialias",
            )
        if self.global_pool == "map":
            yield from self._head_conflicts(
                "attn_pool_num_heads", self.attn_pool_num_heads or self.num_heads
            )
            if self._pool_hidden() < 1:
                yield Conflict(
                    f"'attn_pool_mlp_ratio' {self.attn_pool_mlp_ratio} must leave the MLP a hidden "
                    f"feature; 'embed_dim' is {self.embed_dim}",
                    "attn_pool_mlp_ratio",
                )

    @planned
    def plan(self) -> TokenPlan[BlockPlan]:
        """Every block with its numbers."""
        fc_norm = self.fc_norm
        if fc_norm is None:
            fc_norm = self.final_norm and self.global_pool in ("avg", "max", "avgmax")
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            any_size=True,
            patch_bias=not self.pre_norm,
            patch_norm=self.embed_norm_layer,
            class_token=self.class_token,
            registers=self.reg_tokens,
            embeds_prefix=False,
            patch_drop_rate=self.patch_drop_rate,
            pre_norm=self.pre_norm,
            norm=self.final_norm and not fc_norm,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool in ("", "token") or self.pool_include_prefix,
            pool_heads=self.attn_pool_num_heads or self.num_heads,
            pool_hidden=self._pool_hidden(),
            pool_act=self.act_layer,
            fc_norm=fc_norm,
            weight_init=self.weight_init,
            blocks=tuple(
                BlockPlan(
                    hidden=int(self.embed_dim * self.mlp_ratio),
                    drop_path_rate=rate,
                    output_scale=(2.0 * (index + 1)) ** -0.5 if self.fix_init else 1.0,
                )
                for index, rate in enumerate(rates)
            ),
        )

    def _pool_hidden(self) -> int:
        """Hidden features of the MLP of the pooling `map`."""
        return int(self.embed_dim * (self.attn_pool_mlp_ratio or self.mlp_ratio))
