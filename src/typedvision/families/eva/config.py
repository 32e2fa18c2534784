"""EVA as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Count, Heads, Ratio, Size, planned, to_pair
from typedvision.config.names import TokenPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import BlockPlan, Factor, PrefixTokenConfig, Registers, TokenPlan

if TYPE_CHECKING:
    from typedvision.families.eva.model import Eva

PoolName = Literal[TokenPool, "map"]
RopeName = Literal["cat", "mixed", "dinov3", "mrope"]
MlpName = Literal["mlp", "swiglu_packed", "swiglu"]
KeyHeads = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=1_024)]
Alignment = Annotated[int, Field(ge=0, le=4_096)]
Offset = Annotated[float, Field(ge=-1_024.0, le=1_024.0)]
Temperature = Annotated[float, Field(gt=0.0, le=1e12)]
Stretch = Annotated[float, Field(ge=1.0, le=1_024.0)]


class EvaConfig(PrefixTokenConfig, Builds["Eva"]):
    """A Vision Transformer with rotary positions, gated MLPs and more normalisations: EVA
    (https://arxiv.org/abs/2211.07636), EVA-02 (https://arxiv.org/abs/2303.11331), RoPE-ViT, the
    Perception Encoder, DINOv3, Sapiens2."""

    global_pool: PoolName = "avg"
    """What the classifier sees: the class token (`token`), the mean, maximum or both of the
    patches, a learned query's attention to all tokens (`map`), or every token (`""`)."""
    num_kv_heads: Heads | KeyHeads | None = None
    """Heads of keys and values, of all blocks or of each, which groups of the query heads share
    (https://arxiv.org/abs/2305.13245); None for as many as `num_heads`."""
    qkv_bias: bool = True
    """Whether queries and values have a bias; keys have one too where `attn_type` is `rope`."""
    qkv_fused: bool = True
    """Whether queries, keys and values are projected by one layer, and not by three."""
    swiglu_mlp: bool = False
    """Gate the MLP (https://arxiv.org/abs/2002.05202, equation 6)."""
    swiglu_align_to: Alignment = 0
    """Round the hidden features of a gated MLP up to a multiple of this, and give the gate
    a layer of its own; 0 for neither."""
    scale_mlp: bool = False
    """Normalise before the MLP's last layer; a gate then has a layer of its own."""
    scale_attn_inner: bool = False
    """Normalise before the attention's output projection (https://arxiv.org/abs/2210.06423)."""
    attn_type: Literal["eva", "rope"] = "eva"
    """Attention without (`eva`) or with (`rope`) a bias of the keys, where `qkv_bias` is true."""
    attn_only_layer_scale: bool = False
    """Scale the attention only, and not the MLP."""
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
    rope_grid_offset: Offset = 0.0
    """Position of the first patch, in patches; of `cat` and `dinov3`."""
    rope_grid_indexing: Literal["ij", "xy"] = "ij"
    """Whether the first half of the pairs is for the rows (`ij`) or for the columns (`xy`)."""
    rope_temperature: Temperature = 10_000.0
    """Ratio of the highest frequency to the lowest, about."""
    rope_rotate_half: bool = False
    """Make the pairs of one feature of each half of a head, and not of neighbours; `mrope` always
    does."""
    rope_shift_coords: Factor | None = None
    """Greatest distance that training moves the positions by, on each axis; None for none."""
    rope_jitter_coords: Stretch | None = None
    """Greatest factor that training stretches the positions by, on each axis; None for none."""
    rope_rescale_coords: Stretch | None = None
    """Greatest factor that training stretches the positions by, on both axes; None for none."""
    rope_mrope_section: tuple[Count, Count, Count] | None = None
    """How many pairs are for time, rows and columns at most, where `rope_type` is `mrope`; what
    is over is time's. None for a third each."""
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
        yield from self._key_head_conflicts()
        yield from self._rope_conflicts()
        yield from self._pooling_conflicts()
        if self.use_post_norm:
            yield from self._fixed(
                _FIXED_BY_POST_NORM,
                "'use_post_norm' is true: the normalisation has a scale, and heads are the usual",
            )

    def _key_head_conflicts(self) -> Iterator[Conflict]:
        if self.num_kv_heads is None:
            return
        each = self._key_heads()
        if len(each) != self.depth:
            yield Conflict(
                f"'num_kv_heads' must be one number, or one for each of 'depth' {self.depth} "
                f"blocks; got {len(each)}",
                "num_kv_heads",
            )
        for count in sorted({count for count in each if self.num_heads % count}):
            yield Conflict(
                f"'num_kv_heads' must divide 'num_heads' {self.num_heads} evenly; got {count}",
                "num_kv_heads",
            )
        if set(each) != {self.num_heads} and (self.attn_type != "rope" or self.qkv_fused):
            yield Conflict(
                f"'num_kv_heads' must be 'num_heads' {self.num_heads} unless 'attn_type' is 'rope' "
                "and 'qkv_fused' is false: one layer, and keys without a bias, have equal heads",
                "num_kv_heads",
            )

    def _rope_conflicts(self) -> Iterator[Conflict]:
        if not self.use_rot_pos_emb:
            return
        width, unit = self.embed_dim // self.num_heads, 2 if self.rope_type == "mrope" else 4
        if width % unit:
            yield Conflict(
                f"'num_heads' must leave each head a multiple of {unit} features where 'rope_type' "
                f"is '{self.rope_type}'; 'embed_dim' {self.embed_dim} over {self.num_heads} heads "
                f"is {width}",
                "num_heads",
            )
        if self.rope_type == "mixed" and self.rope_rotate_half:
            yield Conflict(
                "'rope_rotate_half' must be false where 'rope_type' is 'mixed': its pairs are "
                "neighbours",
                "rope_rotate_half",
            )
        if self.rope_type == "mixed" and set(self._key_heads()) != {self.num_heads}:
            yield Conflict(
                f"'num_kv_heads' must be 'num_heads' {self.num_heads} where 'rope_type' is "
                "'mixed': each head has frequencies of its own",
                "num_kv_heads",
            )
        if self.rope_type == "mrope" and self.rope_grid_indexing != "ij":
            yield Conflict(
                "'rope_grid_indexing' must be 'ij' where 'rope_type' is 'mrope': it orders time, "
                "rows, columns",
                "rope_grid_indexing",
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
    def plan(self) -> TokenPlan[EvaBlockPlan]:
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

    def _block(self, index: int, key_heads: int, drop_path_rate: float) -> EvaBlockPlan:
        return EvaBlockPlan(
            hidden=self._hidden(),
            drop_path_rate=drop_path_rate,
            output_scale=(2.0 * (index + 1)) ** -0.5,
            num_kv_heads=key_heads,
            mlp=self._mlp(),
            rope_index=index if self.rope_type == "mixed" else None,
            rope_halves=self.rope_rotate_half or self.rope_type == "mrope",
        )

    def _key_heads(self) -> tuple[int, ...]:
        """Heads of keys and values of each block."""
        if isinstance(self.num_kv_heads, tuple):
            return self.num_kv_heads
        return (self.num_kv_heads or self.num_heads,) * self.depth

    def _hidden(self) -> int:
        """Hidden features of a block's MLP."""
        hidden = int(self.embed_dim * self.mlp_ratio)
        aligned = self.swiglu_mlp and self.swiglu_align_to
        return hidden + -hidden % self.swiglu_align_to if aligned else hidden

    def _mlp(self) -> MlpName:
        if not self.swiglu_mlp:
            return "mlp"
        return "swiglu" if self.scale_mlp or self.swiglu_align_to else "swiglu_packed"


_FIXED_BY_POST_NORM: dict[str, object] = {
    "qk_norm": False,
    "num_kv_heads": None,
    "init_values": None,
    "attn_only_layer_scale": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaBlockPlan(BlockPlan):
    """One block, with every number decided."""

    num_kv_heads: int
    """Heads of keys and values."""
    mlp: MlpName
    """Kind of MLP: plain, or gated by half of its first layer or by a layer of its own."""
    rope_index: int | None
    """Which of the rotary embeddings is the block's; None where all blocks share one."""
    rope_halves: bool
    """Whether a rotation's pairs are one feature of each half of a head."""
