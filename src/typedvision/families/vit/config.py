"""Vision Transformer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
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
from typedvision.config.names import Activation, Resampling, TokenNorm, TokenPool, WeightInit
from typedvision.config.patches import patch_conflicts, token_levels
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.vit.model import VisionTransformer

PoolName = Literal[TokenPool, "map", "prr"]
BlockName = Literal[
    "standard", "res_post", "parallel_scaling", "diff_parallel_scaling", "parallel_things"
]
MlpName = Literal["mlp", "glu_mlp", "swiglu_packed", "swiglu"]
AttentionName = Literal["attn", "diff"]
Registers = Annotated[int, Field(ge=0, le=1_024)]
PatchDropRate = Annotated[float, Field(ge=0.0, lt=1.0)]


class ViTConfig(ModelConfig, Builds["VisionTransformer"]):
    """A Vision Transformer (https://arxiv.org/abs/2010.11929) and its descendants: CLIP, SigLIP,
    DINOv2, AIMv2, BEiT-3, FlexiViT, DeiT, parallel and differential blocks."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 16
    """Height and width of a patch in pixels; one number for a square."""
    global_pool: PoolName = "token"
    """What the classifier sees: the class token (`token`), the mean, maximum or both of the
    patches, a learned query's attention (`map`), the class token refined by an attention without
    parameters (`prr`), or every token (`""`)."""
    embed_dim: Channels = 768
    """Features of each token."""
    depth: Depth = 12
    """Number of blocks."""
    num_heads: Heads = 12
    """Attention heads of each block; they share `embed_dim` evenly."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    qk_norm: bool = False
    """Normalise queries and keys of each head (https://arxiv.org/abs/2302.05442, section 2.2)."""
    scale_attn_norm: bool = False
    """Normalise before the attention's output projection (https://arxiv.org/abs/2210.06423)."""
    scale_mlp_norm: bool = False
    """Normalise before the MLP's last layer (https://arxiv.org/abs/2210.06423)."""
    proj_bias: bool = True
    """Whether the attention's output projection and the MLP have a bias."""
    init_values: Ratio | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    class_token: bool = True
    """Put a learned token in front of the patches."""
    distilled: bool = False
    """Put a second learned token after the class token, with a classifier of its own, to learn from
    a teacher; the logits are the mean of both (https://arxiv.org/abs/2012.12877, section 4)."""
    pos_embed: Literal["learn", "none"] = "learn"
    """A learned embedding of each position, or none."""
    no_embed_class: bool = False
    """Give positions to the patches only, and not to the class token and the registers."""
    reg_tokens: Registers = 0
    """Number of register tokens (https://arxiv.org/abs/2309.16588), after the class token."""
    pre_norm: bool = False
    """Normalise the tokens before the first block (CLIP); the patches then have no bias."""
    final_norm: bool = True
    """Normalise once after the last block."""
    fc_norm: bool | None = None
    """Apply that normalisation after the pooling; None for yes with `avg`, `max` and `avgmax`."""
    pool_include_prefix: bool = False
    """Pool the class token and the registers together with the patches."""
    dynamic_img_size: bool = False
    """Take images of any size, and resample the position embedding for each."""
    dynamic_img_pad: bool = False
    """Pad images at the right and bottom to whole patches, instead of cutting off the rest."""
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
    resampling: Resampling = "bicubic"
    """How positions and patch kernels of a checkpoint are brought to other sizes: `bicubic` with
    antialiasing, or `bilinear` without (FlexiViT, https://arxiv.org/abs/2212.08013)."""
    weight_init: WeightInit = ""
    """How linear layers begin: normal of deviation 0.02 (`""`), as the paper's JAX code does
    (`jax`, or `jax_nlhb` with the classifier's bias at -log(classes)), as MoCo v3 does (`moco`),
    or as PyTorch does (`reset`, or `skip`, which is stored as `reset`)."""
    fix_init: bool = False
    """Divide the initial output projections of block i by sqrt(2 i) (BEiT)."""
    embed_norm_layer: TokenNorm | None = None
    """Normalisation of the patches before their positions; None for none."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    norm_eps: Eps = 1e-6
    """Added to the variance in each normalisation."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    block_fn: BlockName = "standard"
    """Kind of block, with timm's name: `standard` (Block) normalises before attention and
    MLP; `res_post` (ResPostBlock) after them (Swin v2); `parallel_scaling`
    (ParallelScalingBlock) computes both at once from one projection (ViT-22B);
    `diff_parallel_scaling` (DiffParallelScalingBlock) does so with differential attention;
    `parallel_things` (ParallelThingsBlock) has two attentions, then two MLPs, side by side
    (https://arxiv.org/abs/2203.09795)."""
    mlp_layer: MlpName = "mlp"
    """MLP, with timm's name: `mlp` (Mlp); gated ones (https://arxiv.org/abs/2002.05202):
    `glu_mlp` (GluMlp) and `swiglu_packed` (SwiGLUPacked), where the hidden features are both
    halves, the second or the first half being the gate; `swiglu` (SwiGLU) has a layer for each."""
    attn_layer: AttentionName = "attn"
    """Attention: the usual one, or the difference of two (https://arxiv.org/abs/2410.05258)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from self._head_count_conflicts()
        yield from self._block_conflicts()
        yield from self._pooling_conflicts()
        yield from self._distillation_conflicts()
        yield from self._patch_conflicts()

    def _head_count_conflicts(self) -> Iterator[Conflict]:
        width, rest = divmod(self.embed_dim, self.num_heads)
        if rest:
            yield Conflict(
                f"'num_heads' must divide 'embed_dim' {self.embed_dim} evenly; got "
                f"{self.num_heads}: choose one of its divisors",
                "num_heads",
            )
        if width % 2 and self._is_differential():
            yield Conflict(
                f"'num_heads' must leave each head an even number of features for differential "
                f"attention; 'embed_dim' {self.embed_dim} over {self.num_heads} heads is {width}",
                "num_heads",
            )

    def _block_conflicts(self) -> Iterator[Conflict]:
        if self.block_fn in ("parallel_scaling", "diff_parallel_scaling"):
            yield from self._fixed(
                _FIXED_BY_PARALLEL_SCALING,
                f"'block_fn' is '{self.block_fn}': it has an attention and an MLP of its own",
            )
        if self.fix_init and self.block_fn not in ("standard", "res_post"):
            yield Conflict(
                f"'fix_init' must be false where 'block_fn' is '{self.block_fn}': it scales one "
                "output projection after the other, of which this block has several at once",
                "fix_init",
            )
        hidden = int(self.embed_dim * self.mlp_ratio)
        if hidden < 1 or (self.mlp_layer in ("glu_mlp", "swiglu_packed") and hidden % 2):
            yield Conflict(
                f"'mlp_ratio' gives {hidden} hidden features with 'embed_dim' {self.embed_dim}: "
                f"'{self.mlp_layer}' needs {'one' if hidden < 1 else 'an even number'}",
                "mlp_ratio",
            )

    def _pooling_conflicts(self) -> Iterator[Conflict]:
        if self.global_pool in ("token", "prr") and not self.class_token:
            yield Conflict(
                f"'global_pool' must not be '{self.global_pool}' where 'class_token' is false: "
                "there is no such token; pool by 'avg' or 'map'",
                "global_pool",
            )
        if self.fc_norm and not self.final_norm:
            yield Conflict(
                "'fc_norm' must not be true where 'final_norm' is false: it only moves that "
                "normalisation behind the pooling",
                "fc_norm",
            )

    def _distillation_conflicts(self) -> Iterator[Conflict]:
        if not self.distilled:
            return
        yield from self._fixed(
            _FIXED_BY_DISTILLATION,
            "'distilled' is true: the class token and the distillation token stand alone before "
            "the patches, each with a position and a classifier",
        )
        if self.fc_norm:
            yield Conflict(
                "'fc_norm' must not be true where 'distilled' is true: there is no pooling that it "
                "could follow",
                "fc_norm",
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
    def plan(self) -> ViTPlan:
        """Every block with its numbers."""
        (height, width), (tall, wide) = to_pair(self.img_size), to_pair(self.patch_size)
        rows, columns = height // tall, width // wide
        prefix = self.class_token + self.distilled + self.reg_tokens
        positions = rows * columns + (0 if self.no_embed_class else prefix)
        pools_prefix = self.global_pool in ("", "token", "prr") or self.pool_include_prefix
        fc_norm = self.fc_norm
        if fc_norm is None:
            fc_norm = self.final_norm and self.global_pool in ("avg", "max", "avgmax")
        return ViTPlan(
            img_size=(height, width),
            patch_size=(tall, wide),
            grid=(rows, columns),
            prefix=prefix,
            positions=positions if self.pos_embed == "learn" else 0,
            unpooled=0 if pools_prefix else prefix,
            pool=self._pool(),
            norm=self.final_norm and not fc_norm,
            fc_norm=fc_norm,
            blocks=tuple(self._block(index) for index in range(self.depth)),
        )

    def _block(self, index: int) -> BlockPlan:
        return BlockPlan(
            hidden=int(self.embed_dim * self.mlp_ratio),
            drop_path_rate=self.drop_path_rate * index / max(self.depth - 1, 1),
            lambda_init=0.8 - 0.6 * math.exp(-0.3 * index),
            output_scale=(2.0 * (index + 1)) ** -0.5 if self.fix_init else 1.0,
        )

    def _pool(self) -> TokenPool:
        match self.global_pool:
            case "map" | "prr":
                return ""
            case simple:
                return simple

    def _is_differential(self) -> bool:
        return self.attn_layer == "diff" or self.block_fn == "diff_parallel_scaling"


_FIXED_BY_PARALLEL_SCALING: dict[str, object] = {
    "scale_attn_norm": False,
    "scale_mlp_norm": False,
    "mlp_layer": "mlp",
    "attn_layer": "attn",
}
_FIXED_BY_DISTILLATION: dict[str, object] = {
    "global_pool": "token",
    "pos_embed": "learn",
    "no_embed_class": False,
    "reg_tokens": 0,
}


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block, with every number decided."""

    hidden: int
    """Hidden features of the MLP."""
    drop_path_rate: float
    lambda_init: float
    """Initial weight of a differential attention's second map (equation 3)."""
    output_scale: float
    """Factor of the initial output projections."""


@dataclass(frozen=True, slots=True)
class ViTPlan:
    """The whole network."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    grid: tuple[int, int]
    """Rows and columns of patches."""
    prefix: int
    """Tokens in front of the patches: class token, distillation token and registers."""
    positions: int
    """Tokens that have a position; 0 where none has."""
    unpooled: int
    """Tokens in front that the pooling leaves out."""
    pool: TokenPool
    """The pooling, where it is not an attention."""
    norm: bool
    """Whether the last normalisation stands before the pooling."""
    fc_norm: bool
    """Whether it stands behind the pooling."""
    blocks: tuple[BlockPlan, ...]
