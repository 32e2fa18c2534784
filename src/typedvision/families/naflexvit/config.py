"""NaFlexViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Heads, Ratio, Size, planned, to_pair
from typedvision.config.names import (
    Activation,
    Resampling,
    TokenAttention,
    TokenNorm,
    TokenPool,
    WeightInit,
)
from typedvision.config.problems import Conflict
from typedvision.config.rotary import RopePlan, RotaryBlockPlan, RotaryConfig
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import (
    PatchDropRate,
    Registers,
    TokenPlan,
    lambda_init,
)

if TYPE_CHECKING:
    from typedvision.families.naflexvit.model import NaFlexVit

PoolName = Literal[TokenPool, "map"]
GridSide = Annotated[int, Field(ge=1, le=1_024)]
GridSize = tuple[GridSide, GridSide]


class NaFlexVitConfig(RotaryConfig, Builds["NaFlexVit"]):
    """A Vision Transformer for images of any aspect ratio (https://arxiv.org/abs/2307.06304), as in
    SigLIP 2 (https://arxiv.org/abs/2502.14786, NaFlex) and C-RADIO."""

    img_size: Size = 384
    """Height and width of the input in pixels; one number for a square. Other sizes go in, too."""
    global_pool: PoolName = "map"
    """What the classifier sees: a learned query's attention (`map`), the class token (`token`), the
    mean, maximum or both of the patches, or every token (`""`)."""
    attn_type: Literal["standard", "eva", "rope"] = "standard"
    """Blocks of the Vision Transformer (`standard`), or those of EVA-02, whose keys have a bias
    (`rope`) or none (`eva`). What `standard` blocks lack makes them EVA-02's: with a `rope_type`,
    those of `rope`; with `swiglu_mlp`, `attn_gated` or `attn_only_layer_scale`, those of
    `eva`."""
    attn_layer: TokenAttention = "attn"
    """Attention of `standard` blocks: the usual one, or the difference of two
    (https://arxiv.org/abs/2410.05258)."""
    attn_gated: bool = False
    """Multiply what attention gives by a gate of its input (https://arxiv.org/abs/2505.06708)."""
    rope_type: Literal["", "axial", "mixed", "dinov3", "mrope"] = ""
    """Rotary embedding of queries and keys (https://arxiv.org/abs/2104.09864); none (`""`); half of
    the pairs of features for rows and for columns each, counted in patches (`axial`) or from edge
    to edge of the image (`dinov3`); frequencies that each head learns (`mixed`,
    https://arxiv.org/abs/2403.13298); pairs for time, rows and columns alternately, where the time
    of an image is 0 (`mrope`)."""
    rope_ref_feat_shape: GridSize | None = None
    """Rows and columns of patches that positions of `axial` are stretched to, whatever the image's
    size; None for no stretching."""
    qk_norm: bool = False
    """Normalise queries and keys of each head (https://arxiv.org/abs/2302.05442, section 2.2)."""
    proj_bias: bool = True
    """Whether the attention's output projection and the MLP have a bias."""
    scale_mlp_norm: bool = False
    """Normalise before the MLP's last layer (https://arxiv.org/abs/2210.06423)."""
    scale_attn_inner_norm: bool = False
    """Normalise before the attention's output projection (https://arxiv.org/abs/2210.06423)."""
    use_key_only_attn_mask: bool = False
    """With `Patches`, let padding attend to the patches of its image, as they do, and not to every
    token equally. It changes padding alone, which only `global_pool` `""` gives, and a mask of keys
    is smaller."""
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
    """Resample from corner to corner, and not from edge to edge; of `learned` positions only."""
    pos_embed_use_grid_sample: bool = False
    """Resample the positions of `Patches` without the filter of `pos_embed_antialias`, which those
    of images of one size still go through."""
    dynamic_img_pad: bool = False
    """Pad images at the right and bottom to whole patches."""
    embed_proj_type: Literal["linear", "conv"] = "linear"
    """Whether patches are projected by a linear layer or by a convolution, which only images go
    through."""
    patchify_channels_last: bool = True
    """Whether the linear layer takes a patch pixel by pixel, each with its channels, and not
    channel by channel."""
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
        if not self.dynamic_img_pad and any(image % patch for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of 'patch_size' {self.patch_size} "
                "where 'dynamic_img_pad' is false",
                "img_size",
            )
        yield from self._block_conflicts()
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
        if self.pos_embed_use_grid_sample and not self._filters_positions():
            yield Conflict(
                "'pos_embed_use_grid_sample' must be false unless 'pos_embed' is 'learned' and "
                "'pos_embed_antialias' is true: there is no filter to leave out",
                "pos_embed_use_grid_sample",
            )
        if self.embed_proj_type == "conv":
            yield from self._fixed(
                {"patchify_channels_last": True, "use_key_only_attn_mask": False},
                "'embed_proj_type' is 'conv': a convolution takes images",
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

    def _block_conflicts(self) -> Iterator[Conflict]:
        kind = self.block_type()
        if not self.rope_type:
            yield from self._fixed(_FIXED_WITHOUT_ROPE, "'rope_type' is '': there are no positions")
        else:
            yield from self._rope_conflicts(self.rope_type, self.rope_type)
            others = {
                name: value
                for name, (kinds, value) in _ROPE_FIELDS.items()
                if self.rope_type not in kinds
            }
            yield from self._fixed(others, f"'rope_type' is '{self.rope_type}': it has no effect")
        if kind == "standard":
            yield from self._fixed(
                {"qkv_fused": True, "num_kv_heads": None},
                "'attn_type' is 'standard': one layer gives queries, keys and values",
            )
            if self.attn_layer == "diff":
                yield from self._differential_conflicts()
            return
        yield from self._key_head_conflicts(kind)
        yield from self._fixed(
            {"attn_layer": "attn"},
            "'attn_type', 'rope_type', 'swiglu_mlp', 'attn_gated' or 'attn_only_layer_scale' asks "
            "for the blocks of EVA-02: they have an attention of their own",
        )
        if not self.proj_bias:
            yield Conflict(
                "'proj_bias' must be true in the blocks of EVA-02, which 'attn_type', 'rope_type', "
                "'swiglu_mlp', 'attn_gated' or 'attn_only_layer_scale' ask for: they have these "
                "biases",
                "proj_bias",
            )
        if self.swiglu_mlp and self.global_pool != "map":
            yield from self._fixed({"act_layer": "gelu"}, "'swiglu_mlp' is true: gates are SiLU's")
        if self.swiglu_align_to and not self.swiglu_mlp:
            yield Conflict(
                "'swiglu_align_to' means nothing where 'swiglu_mlp' is false: leave it out",
                "swiglu_align_to",
            )

    def input_patches(self) -> tuple[int, int] | None:
        """`patch_size`, where a linear layer projects patches."""
        return to_pair(self.patch_size) if self.embed_proj_type == "linear" else None

    def block_type(self) -> Literal["standard", "eva", "rope"]:
        """Which blocks the model has: those of `attn_type`, unless they lack something."""
        if self.attn_type != "standard":
            return self.attn_type
        if self.rope_type:
            return "rope"
        lacking = self.swiglu_mlp or self.attn_gated or self.attn_only_layer_scale
        return "eva" if lacking else "standard"

    def rope(self) -> RopePlan | None:
        """The rotary embedding; None for none."""
        return self._rope(self.rope_type, self.rope_ref_feat_shape) if self.rope_type else None

    @planned
    def plan(self) -> TokenPlan[NaFlexVitBlockPlan]:
        """Every block with its numbers."""
        fc_norm = self.fc_norm
        if fc_norm is None:
            fc_norm = self.final_norm and self.global_pool in ("avg", "max", "avgmax")
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            any_size=True,
            pads=self.dynamic_img_pad,
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
                self._block(index, heads, rate)
                for index, (heads, rate) in enumerate(zip(self._key_heads(), rates, strict=True))
            ),
        )

    def _block(self, index: int, key_heads: int, drop_path_rate: float) -> NaFlexVitBlockPlan:
        return NaFlexVitBlockPlan(
            hidden=self._hidden(),
            drop_path_rate=drop_path_rate,
            output_scale=(2.0 * (index + 1)) ** -0.5 if self.fix_init else 1.0,
            features=self.embed_dim,
            num_heads=self.num_heads,
            num_kv_heads=key_heads,
            qkv_bias=self.qkv_bias,
            key_bias=self.qkv_bias and self.block_type() != "eva",
            qkv_fused=self.qkv_fused,
            head_norm=self.qk_norm,
            gated=self.attn_gated,
            out_norm=self.scale_attn_inner_norm,
            mlp=self._mlp(self.scale_mlp_norm),
            mlp_norm=self.scale_mlp_norm,
            act=self.act_layer,
            norm_layer=self.norm_layer,
            norm_eps=self.norm_eps,
            attn_drop=self.attn_drop_rate,
            proj_drop=self.proj_drop_rate,
            attn_scale=self.init_values,
            mlp_scale=None if self.attn_only_layer_scale else self.init_values,
            rope_index=index if self.rope_type == "mixed" else None,
            rope_halves=self.rope_rotate_half or self.rope_type == "mrope",
            lambda_init=lambda_init(index) if self.attn_layer == "diff" else None,
        )

    def _filters_positions(self) -> bool:
        return self.pos_embed == "learned" and self.pos_embed_antialias

    def _pool_hidden(self) -> int:
        """Hidden features of the MLP of the pooling `map`."""
        return int(self.embed_dim * (self.attn_pool_mlp_ratio or self.mlp_ratio))


@dataclass(frozen=True, slots=True, kw_only=True)
class NaFlexVitBlockPlan(RotaryBlockPlan):
    """One block, with every number decided."""

    lambda_init: float | None
    """Initial weight of a differential attention's second map; None for the usual attention."""


_FIXED_WITHOUT_ROPE: dict[str, object] = {
    "rope_ref_feat_shape": None,
    "rope_grid_offset": 0.0,
    "rope_grid_indexing": "ij",
    "rope_temperature": 10_000.0,
    "rope_rotate_half": False,
    "rope_shift_coords": None,
    "rope_jitter_coords": None,
    "rope_rescale_coords": None,
    "rope_mrope_section": None,
}
_ROPE_FIELDS: dict[str, tuple[tuple[str, ...], object]] = {
    "rope_ref_feat_shape": (("axial",), None),
    "rope_grid_offset": (("axial", "dinov3"), 0.0),
    "rope_mrope_section": (("mrope",), None),
}
"""Which embeddings a field is for, and its value for the others."""
