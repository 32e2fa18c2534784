"""EVA as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, Heads, Ratio, Size, planned, to_pair
from typedvision.config.names import TokenPool
from typedvision.config.problems import Conflict
from typedvision.config.rotary import RopeKind, RopePlan, RotaryBlockPlan, RotaryConfig
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import Factor, PrefixTokenConfig, Registers, TokenPlan

if TYPE_CHECKING:
    from typedvision.families.eva.model import Eva

PoolName = Literal[TokenPool, "map"]
RopeName = Literal["cat", "mixed", "dinov3", "mrope"]


class EvaConfig(RotaryConfig, PrefixTokenConfig, Builds["Eva"]):
    """A Vision Transformer with rotary positions, gated MLPs and more normalisations: EVA
    (https://arxiv.org/abs/2211.07636), EVA-02 (https://arxiv.org/abs/2303.11331), RoPE-ViT, the
    Perception Encoder, DINOv3, Sapiens2."""

    global_pool: PoolName = "avg"
    """What the classifier sees: the class token (`token`), the mean, maximum or both of the
    patches, a learned query's attention to all tokens (`map`), or every token (`""`)."""
    qkv_bias: bool = True
    """Whether queries and values have a bias; keys have one too where `attn_type` is `rope`."""
    scale_mlp: bool = False
    """Normalise before the MLP's last layer; a gate then has a layer of its own."""
    scale_attn_inner: bool = False
    """Normalise before the attention's output projection (https://arxiv.org/abs/2210.06423)."""
    attn_type: Literal["eva", "rope"] = "eva"
    """Attention without (`eva`) or with (`rope`) a bias of the keys, where `qkv_bias` is true."""
    num_reg_tokens: Registers = 0
    """Number of register tokens (https://arxiv.org/abs/2309.16588), after the class token."""
    use_abs_pos_emb: bool = True
    """Add a learned embedding of its position to each token."""
    use_rot_pos_emb: bool = False
    """Give queries and keys a rotary embedding of the position of their patch
    (https://arxiv.org/abs/2104.09864)."""
    rope_type: RopeName = "cat"
    """Rotary embedding of rows and columns: half of the pairs of features for each, counted in
    patches (`cat`) or from edge to edge of the image (`dinov3`); frequencies that each head learns
    (`mixed`, https://arxiv.org/abs/2403.13298); pairs for time, rows and columns alternately, where
    the time of an image is 0 (`mrope`)."""
    use_post_norm: bool = False
    """Normalise after attention and MLP instead of before."""
    use_pre_transformer_norm: bool = False
    """Normalise the tokens before the first block; the patches then have no bias."""
    use_post_transformer_norm: bool | None = None
    """Normalise after the last block; None for yes unless `use_fc_norm` does after the pooling."""
    use_fc_norm: bool | None = None
    """Normalise after the pooling; None for yes with `avg`."""
    attn_pool_num_heads: Heads | None = None
    """Heads of the pooling `map`; None for `num_heads`."""
    attn_pool_mlp_ratio: Ratio | None = None
    """Hidden features of the MLP in the pooling `map`, for each feature of a token; None for
    `mlp_ratio`."""
    ref_feat_shape: Size | None = None
    """Rows and columns of patches that positions of `cat` are stretched to, whatever the image's
    size; None for no stretching."""
    head_init_scale: Factor = 0.001
    """Factor of the classifier's initial weights; 0 for none, which is 1."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        yield from self._class_token_conflicts(self.global_pool)
        yield from self._key_head_conflicts(self.attn_type)
        if self.use_rot_pos_emb:
            yield from self._rope_conflicts(self._rope_kind(), self.rope_type)
        yield from self._pooling_conflicts()
        if self.use_post_norm:
            yield from self._fixed(
                _FIXED_BY_POST_NORM,
                "'use_post_norm' is true: the normalisation has a scale, and heads are the usual",
            )

    def _pooling_conflicts(self) -> Iterator[Conflict]:
        if self.global_pool != "map":
            return
        if self.attn_pool_num_heads:
            yield from self._head_conflicts("attn_pool_num_heads", self.attn_pool_num_heads)
        ratio = self.attn_pool_mlp_ratio
        if ratio and int(self.embed_dim * ratio) < 1:
            yield Conflict(
                f"'attn_pool_mlp_ratio' {ratio} must leave the MLP a hidden feature; 'embed_dim' "
                f"is {self.embed_dim}",
                "attn_pool_mlp_ratio",
            )

    @planned
    def plan(self) -> TokenPlan[RotaryBlockPlan]:
        """Every block with its numbers."""
        fc_norm = self.global_pool == "avg" if self.use_fc_norm is None else self.use_fc_norm
        norm = self.use_post_transformer_norm
        pool_ratio = self.attn_pool_mlp_ratio or self.mlp_ratio
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            any_size=self.dynamic_img_size,
            pads=self.dynamic_img_pad,
            patch_bias=not self.use_pre_transformer_norm,
            class_token=self.class_token,
            registers=self.num_reg_tokens,
            learns_positions=self.use_abs_pos_emb,
            embeds_prefix=not self.no_embed_class,
            patch_drop_rate=self.patch_drop_rate,
            pre_norm=self.use_pre_transformer_norm,
            norm=not fc_norm if norm is None else norm,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool in ("", "token", "map"),
            pool_heads=self.attn_pool_num_heads or self.num_heads,
            pool_hidden=int(self.embed_dim * pool_ratio),
            fc_norm=fc_norm,
            head_scale=self.head_init_scale or 1.0,
            blocks=tuple(
                self._block(index, heads, rate)
                for index, (heads, rate) in enumerate(zip(self._key_heads(), rates, strict=True))
            ),
        )

    def _block(self, index: int, key_heads: int, drop_path_rate: float) -> RotaryBlockPlan:
        return RotaryBlockPlan(
            hidden=self._hidden(),
            drop_path_rate=drop_path_rate,
            output_scale=(2.0 * (index + 1)) ** -0.5,
            features=self.embed_dim,
            num_heads=self.num_heads,
            num_kv_heads=key_heads,
            qkv_bias=self.qkv_bias,
            key_bias=self.qkv_bias and self.attn_type == "rope",
            qkv_fused=self.qkv_fused,
            head_norm=self.qk_norm,
            gated=False,
            out_norm=self.scale_attn_inner,
            mlp=self._mlp(self.scale_mlp),
            mlp_norm=self.scale_mlp,
            act="gelu",
            norm_layer=self.norm_layer,
            norm_eps=self.norm_eps,
            attn_drop=self.attn_drop_rate,
            proj_drop=self.proj_drop_rate,
            attn_scale=self.init_values,
            mlp_scale=None if self.attn_only_layer_scale else self.init_values,
            rope_index=index if self.rope_type == "mixed" else None,
            rope_halves=self.rope_rotate_half or self.rope_type == "mrope",
        )

    def rope(self) -> RopePlan:
        """The rotary embedding, where there is one."""
        reference = to_pair(self.ref_feat_shape) if self.ref_feat_shape else None
        return self._rope(self._rope_kind(), reference)

    def _rope_kind(self) -> RopeKind:
        return "axial" if self.rope_type == "cat" else self.rope_type


_FIXED_BY_POST_NORM: dict[str, object] = {
    "qk_norm": False,
    "num_kv_heads": None,
    "init_values": None,
    "attn_only_layer_scale": False,
}
