"""The base of configs whose blocks may give queries and keys rotary positions
(https://arxiv.org/abs/2104.09864), gate the MLP and share heads of keys and values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from typedvision.config.base import Count, Heads
from typedvision.config.names import Activation, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.tokens import BlockPlan, Factor, TokenConfig

RopeKind = Literal["axial", "mixed", "dinov3", "mrope"]
MlpName = Literal["mlp", "swiglu_packed", "swiglu"]
KeyHeads = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=1_024)]
Alignment = Annotated[int, Field(ge=0, le=4_096)]
Offset = Annotated[float, Field(ge=-1_024.0, le=1_024.0)]
Temperature = Annotated[float, Field(gt=0.0, le=1e12)]
Stretch = Annotated[float, Field(ge=1.0, le=1_024.0)]


class RotaryConfig(TokenConfig):
    """What configs of such models share. A family says its `rope_type`, and where its blocks
    normalise."""

    num_kv_heads: Heads | KeyHeads | None = None
    """Heads of keys and values, of all blocks or of each, which groups of the query heads share
    (https://arxiv.org/abs/2305.13245); None for as many as `num_heads`."""
    qkv_fused: bool = True
    """Whether queries, keys and values are projected by one layer, and not by three."""
    swiglu_mlp: bool = False
    """Gate the MLP (https://arxiv.org/abs/2002.05202, equation 6)."""
    swiglu_align_to: Alignment = 0
    """Round the hidden features of a gated MLP up to a multiple of this, and give the gate
    a layer of its own; 0 for neither."""
    attn_only_layer_scale: bool = False
    """Scale the attention only, and not the MLP."""
    rope_grid_offset: Offset = 0.0
    """Position of the first patch, in patches; of `cat`, `axial` and `dinov3`."""
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

    def _key_head_conflicts(self, attn_type: str) -> Iterator[Conflict]:
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
        if set(each) != {self.num_heads} and (attn_type != "rope" or self.qkv_fused):
            yield Conflict(
                f"'num_kv_heads' must be 'num_heads' {self.num_heads} unless 'attn_type' is 'rope' "
                "and 'qkv_fused' is false: one layer, and keys without a bias, have equal heads",
                "num_kv_heads",
            )

    def _rope_conflicts(self, kind: RopeKind, name: str) -> Iterator[Conflict]:
        """What a rotary embedding, which `rope_type` calls by that name, does not go with."""
        width, unit = self.embed_dim // self.num_heads, 2 if kind == "mrope" else 4
        if width % unit:
            yield Conflict(
                f"'num_heads' must leave each head a multiple of {unit} features where 'rope_type' "
                f"is '{name}'; 'embed_dim' {self.embed_dim} over {self.num_heads} heads is {width}",
                "num_heads",
            )
        if kind == "mixed" and self.rope_rotate_half:
            yield Conflict(
                "'rope_rotate_half' must be false where 'rope_type' is 'mixed': its pairs are "
                "neighbours",
                "rope_rotate_half",
            )
        if kind == "mixed" and set(self._key_heads()) != {self.num_heads}:
            yield Conflict(
                f"'num_kv_heads' must be 'num_heads' {self.num_heads} where 'rope_type' is "
                "'mixed': each head has frequencies of its own",
                "num_kv_heads",
            )
        if kind == "mrope" and self.rope_grid_indexing != "ij":
            yield Conflict(
                "'rope_grid_indexing' must be 'ij' where 'rope_type' is 'mrope': it orders time, "
                "rows, columns",
                "rope_grid_indexing",
            )

    def _rope(self, kind: RopeKind, reference: tuple[int, int] | None) -> RopePlan:
        return RopePlan(
            kind=kind,
            width=self.embed_dim // self.num_heads,
            temperature=self.rope_temperature,
            reference=reference,
            offset=self.rope_grid_offset,
            columns_first=self.rope_grid_indexing == "xy",
            shift=self.rope_shift_coords,
            jitter=self.rope_jitter_coords,
            rescale=self.rope_rescale_coords,
            section=self.rope_mrope_section,
            depth=self.depth,
            num_heads=self.num_heads,
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

    def _mlp(self, normalises: bool) -> MlpName:
        """Kind of the MLP, which may normalise before its last layer."""
        if not self.swiglu_mlp:
            return "mlp"
        return "swiglu" if normalises or self.swiglu_align_to else "swiglu_packed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RopePlan:
    """A rotary embedding, with every number decided."""

    kind: RopeKind
    """Half of the pairs for rows and for columns each, counted in patches (`axial`) or from edge to
    edge of the image (`dinov3`); frequencies that each head learns (`mixed`); pairs for time, rows
    and columns alternately (`mrope`)."""
    width: int
    """Features of each head."""
    temperature: float
    """Ratio of the highest frequency to the lowest, about."""
    reference: tuple[int, int] | None
    """The grid that others are stretched to; None for none."""
    offset: float
    """Position of the first patch, in patches."""
    columns_first: bool
    """Whether the first half of the pairs is for the columns."""
    shift: float | None
    """Greatest distance that training moves each axis by."""
    jitter: float | None
    """Greatest factor that training stretches each axis by."""
    rescale: float | None
    """Greatest factor that training stretches both axes by."""
    section: tuple[int, int, int] | None
    """How many pairs are for time, rows and columns at most."""
    depth: int
    """Number of blocks."""
    num_heads: int
    """Heads of queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaryBlockPlan(BlockPlan):
    """One block, with every number decided."""

    features: int
    """Features of each token."""
    num_heads: int
    """Heads of queries."""
    num_kv_heads: int
    """Heads of keys and values."""
    qkv_bias: bool
    """Whether queries and values have a bias."""
    key_bias: bool
    """Whether keys have a bias, too."""
    qkv_fused: bool
    """Whether one layer projects queries, keys and values."""
    head_norm: bool
    """Whether queries and keys of each head are normalised."""
    gated: bool
    """Whether what attention gives is multiplied by a gate of its input."""
    out_norm: bool
    """Whether what attention gives is normalised before its last layer."""
    mlp: MlpName
    """Kind of MLP: plain, or gated by half of its first layer or by a layer of its own."""
    mlp_norm: bool
    """Whether the MLP normalises before its last layer."""
    act: Activation
    """Activation of a plain MLP."""
    norm_layer: TokenNorm
    """Normalisation."""
    norm_eps: float
    """Added to the variance in each normalisation."""
    attn_drop: float
    """Dropout probability of the attention weights."""
    proj_drop: float
    """Dropout probability after the output projections."""
    attn_scale: float | None
    """Initial factor of the attention's LayerScale; None for none."""
    mlp_scale: float | None
    """Initial factor of the MLP's LayerScale; None for none."""
    rope_index: int | None
    """Which of the rotary embeddings is the block's; None where all blocks share one."""
    rope_halves: bool
    """Whether a rotation's pairs are one feature of each half of a head."""
