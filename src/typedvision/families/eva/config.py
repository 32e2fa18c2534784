"""EVA as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Count,
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
from typedvision.config.names import TokenNorm, TokenPool
from typedvision.config.patches import patch_conflicts, token_levels
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.eva.model import Eva

PoolName = Literal[TokenPool, "map"]
RopeName = Literal["cat", "mixed", "dinov3", "mrope"]
KeyHeads = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=1_024)]
Registers = Annotated[int, Field(ge=0, le=1_024)]
PatchDropRate = Annotated[float, Field(ge=0.0, lt=1.0)]
Alignment = Annotated[int, Field(ge=0, le=4_096)]
Offset = Annotated[float, Field(ge=-1_024.0, le=1_024.0)]
Temperature = Annotated[float, Field(gt=0.0, le=1e12)]
Shift = Annotated[float, Field(ge=0.0, le=1_024.0)]
Stretch = Annotated[float, Field(ge=1.0, le=1_024.0)]
Scale = Annotated[float, Field(ge=0.0, le=1_024.0)]


class EvaConfig(ModelConfig, Builds["Eva"]):
    """A Vision Transformer with rotary positions, gated MLPs and more normalisations: EVA
    (https://arxiv.org/abs/2211.07636), EVA-02 (https://arxiv.org/abs/2303.11331), RoPE-ViT, the
    Perception Encoder, DINOv3, Sapiens2."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 16
    """Height and width of a patch in pixels; one number for a square."""
    global_pool: PoolName = "avg"
    """What the classifier sees: the class token (`token`), the mean, maximum or both of the
    patches, a learned query's attention to all tokens (`map`), or every token (`""`)."""
    embed_dim: Channels = 768
    """Features of each token."""
    depth: Depth = 12
    """Number of blocks."""
    num_heads: Heads = 12
    """Attention heads of each block; they share `embed_dim` evenly."""
    num_kv_heads: Heads | KeyHeads | None = None
    """Heads of keys and values, of all blocks or of each, which groups of the query heads share
    (https://arxiv.org/abs/2305.13245); None for as many as `num_heads`."""
    qkv_bias: bool = True
    """Whether queries and values have a bias; keys have one too where `attn_type` is `rope`."""
    qkv_fused: bool = True
    """Whether queries, keys and values are projected by one layer, and not by three."""
    qk_norm: bool = False
    """Normalise queries and keys of each head (https://arxiv.org/abs/2302.05442, section 2.2)."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
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
    pos_drop_rate: Rate = 0.0
    """Dropout probability of the tokens before the first block."""
    patch_drop_rate: PatchDropRate = 0.0
    """Share of the patches that training leaves out (https://arxiv.org/abs/2212.00794)."""
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
    attn_only_layer_scale: bool = False
    """Scale the attention only, and not the MLP."""
    class_token: bool = True
    """Put a learned token in front of the patches."""
    num_reg_tokens: Registers = 0
    """Number of register tokens (https://arxiv.org/abs/2309.16588), after the class token."""
    no_embed_class: bool = False
    """Give learned positions to the patches only, and not to the class token and the registers."""
    use_abs_pos_emb: bool = True
    """Add a learned embedding of its position to each token."""
    use_rot_pos_emb: bool = False
    """Turn queries and keys by the position of their patch (https://arxiv.org/abs/2104.09864)."""
    rope_type: RopeName = "cat"
    """How the angles follow from rows and columns: half of the pairs for each, from patch to patch
    (`cat`) or from edge to edge (`dinov3`); learned by each head (`mixed`,
    https://arxiv.org/abs/2403.13298); in turns with time, of which there is none (`mrope`)."""
    rope_grid_offset: Offset = 0.0
    """Position of the first patch, in patches; of `cat` and `dinov3`."""
    rope_grid_indexing: Literal["ij", "xy"] = "ij"
    """Whether the first half of the pairs is for the rows (`ij`) or for the columns (`xy`)."""
    rope_temperature: Temperature = 10_000.0
    """How many times slower the slowest pairs turn than the fastest."""
    rope_rotate_half: bool = False
    """Make the pairs of one feature of each half of a head, and not of neighbours; `mrope` always
    does."""
    rope_shift_coords: Shift | None = None
    """Greatest distance that training moves the positions by, on each axis; None for none."""
    rope_jitter_coords: Stretch | None = None
    """Greatest factor that training stretches the positions by, on each axis; None for none."""
    rope_rescale_coords: Stretch | None = None
    """Greatest factor that training stretches the positions by, on both axes; None for none."""
    rope_mrope_section: tuple[Count, Count, Count] | None = None
    """How many pairs turn with time, rows and columns at most, where `rope_type` is `mrope`; what
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
    """The same as `mlp_ratio` in the pooling `map`; None for that of the blocks."""
    dynamic_img_size: bool = False
    """Take images of any size, and make positions for each."""
    dynamic_img_pad: bool = False
    """Pad images at the right and bottom to whole patches, instead of cutting off the rest."""
    ref_feat_shape: Size | None = None
    """Rows and columns of patches that the angles of `cat` are stretched to, so that other sizes
    keep them; None for none."""
    head_init_scale: Scale = 0.001
    """Factor of the classifier's initial weights; 0 for none, which is 1."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from self._head_count_conflicts()
        yield from self._key_head_conflicts()
        yield from self._rope_conflicts()
        yield from self._block_conflicts()
        yield from self._pooling_conflicts()
        yield from self._patch_conflicts()

    def _head_count_conflicts(self) -> Iterator[Conflict]:
        counts = {"num_heads": self.num_heads}
        if self.global_pool == "map" and self.attn_pool_num_heads:
            counts["attn_pool_num_heads"] = self.attn_pool_num_heads
        for name, count in counts.items():
            if self.embed_dim % count:
                yield Conflict(
                    f"'{name}' must divide 'embed_dim' {self.embed_dim} evenly; got {count}: "
                    "choose one of its divisors",
                    name,
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
                "'mixed': each head has angles of its own",
                "num_kv_heads",
            )
        if self.rope_type == "mrope" and self.rope_grid_indexing != "ij":
            yield Conflict(
                "'rope_grid_indexing' must be 'ij' where 'rope_type' is 'mrope': it orders time, "
                "rows, columns",
                "rope_grid_indexing",
            )

    def _block_conflicts(self) -> Iterator[Conflict]:
        if self.use_post_norm:
            yield from self._fixed(
                _FIXED_BY_POST_NORM,
                "'use_post_norm' is true: the normalisation has a scale, and heads are the usual",
            )
        if self._hidden() < 1:
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave one hidden feature of 'embed_dim' "
                f"{self.embed_dim}",
                "mlp_ratio",
            )
        ratio = self.attn_pool_mlp_ratio
        if self.global_pool == "map" and ratio and int(self.embed_dim * ratio) < 1:
            yield Conflict(
                f"'attn_pool_mlp_ratio' {ratio} must leave one hidden feature of 'embed_dim' "
                f"{self.embed_dim}",
                "attn_pool_mlp_ratio",
            )

    def _pooling_conflicts(self) -> Iterator[Conflict]:
        if self.global_pool == "token" and not self.class_token:
            yield Conflict(
                "'global_pool' must not be 'token' where 'class_token' is false: there is no such "
                "token; pool by 'avg' or 'map'",
                "global_pool",
            )

    def _patch_conflicts(self) -> Iterator[Conflict]:
        pads_one_size = self.dynamic_img_pad and not self.dynamic_img_size
        return patch_conflicts(self.img_size, self.patch_size, pads_one_size=pads_one_size)

    def _fixed(self, wanted: Mapping[str, object], reason: str) -> Iterator[Conflict]:
        """A conflict for each field that has not the only value that goes with another's."""
        for name, value in wanted.items():
            if getattr(self, name) != value:
                yield Conflict(f"'{name}' must be {value!r} where {reason}", name)

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`, unless the model takes any."""
        return None if self.dynamic_img_size else self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens after each block; all have one resolution."""
        return token_levels(self.embed_dim, self.depth, self.patch_size)

    @planned
    def plan(self) -> EvaPlan:
        """Every block with its numbers."""
        (height, width), (tall, wide) = to_pair(self.img_size), to_pair(self.patch_size)
        rows, columns = height // tall, width // wide
        prefix = self.class_token + self.num_reg_tokens
        positions = rows * columns + (0 if self.no_embed_class else prefix)
        pools_prefix = self.global_pool in ("", "token", "map")
        fc_norm = self.global_pool == "avg" if self.use_fc_norm is None else self.use_fc_norm
        norm = self.use_post_transformer_norm
        pool_ratio = self.attn_pool_mlp_ratio or self.mlp_ratio
        return EvaPlan(
            img_size=(height, width),
            patch_size=(tall, wide),
            grid=(rows, columns),
            reference=None if self.ref_feat_shape is None else to_pair(self.ref_feat_shape),
            prefix=prefix,
            positions=positions if self.use_abs_pos_emb else 0,
            unpooled=0 if pools_prefix else prefix,
            pool="" if self.global_pool == "map" else self.global_pool,
            pool_heads=self.attn_pool_num_heads or self.num_heads,
            pool_hidden=int(self.embed_dim * pool_ratio),
            norm=not fc_norm if norm is None else norm,
            fc_norm=fc_norm,
            mlp=self._mlp(),
            halves=self.rope_rotate_half or self.rope_type == "mrope",
            blocks=tuple(self._block(i, count) for i, count in enumerate(self._key_heads())),
        )

    def _block(self, index: int, key_heads: int) -> BlockPlan:
        return BlockPlan(
            hidden=self._hidden(),
            num_kv_heads=key_heads,
            drop_path_rate=self.drop_path_rate * index / max(self.depth - 1, 1),
            output_scale=(2.0 * (index + 1)) ** -0.5,
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

MlpName = Literal["mlp", "swiglu_packed", "swiglu"]


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    hidden: int
    """Hidden features of the MLP."""
    num_kv_heads: int
    drop_path_rate: float
    output_scale: float
    """Factor of the initial output projections."""


@dataclass(frozen=True, slots=True)
class EvaPlan:
    """The whole network."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    grid: tuple[int, int]
    """Rows and columns of patches."""
    reference: tuple[int, int] | None
    """Rows and columns of the patches that the angles are stretched to."""
    prefix: int
    """Tokens in front of the patches: class token and registers."""
    positions: int
    """Tokens that have a learned position; 0 where none has."""
    unpooled: int
    """Tokens in front that the pooling leaves out."""
    pool: TokenPool
    """The pooling, where it is not an attention."""
    pool_heads: int
    pool_hidden: int
    """Heads and hidden features of the pooling that is an attention."""
    norm: bool
    """Whether a normalisation stands before the pooling."""
    fc_norm: bool
    """Whether one stands behind the pooling."""
    mlp: MlpName
    """Kind of MLP: plain, or gated by half of its first layer or by a layer of its own."""
    halves: bool
    """Whether a rotation's pairs are one feature of each half of a head."""
    blocks: tuple[BlockPlan, ...]
