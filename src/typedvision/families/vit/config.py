"""Vision Transformer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, planned, to_pair
from typedvision.config.features import FeatureSpec
from typedvision.config.names import (
    Activation,
    Resampling,
    TokenAttention,
    TokenNorm,
    WeightInit,
)
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.stems import Stem
from typedvision.config.tokens import (
    BlockPlan,
    PrefixTokenConfig,
    Registers,
    TokenPlan,
    TokenPooling,
    lambda_init,
)

if TYPE_CHECKING:
    from typedvision.families.vit.model import VisionTransformer

BlockName = Literal[
    "standard", "res_post", "parallel_scaling", "diff_parallel_scaling", "parallel_things"
]
MlpName = Literal["mlp", "glu_mlp", "swiglu_packed", "swiglu", "geglu"]


class ViTConfig(PrefixTokenConfig, Builds["VisionTransformer"]):
    """A Vision Transformer (https://arxiv.org/abs/2010.11929) and its descendants: CLIP, SigLIP,
    DINOv2, AIMv2, BEiT-3, FlexiViT, DeiT, parallel and differential blocks."""

    stem: Stem | None = None
    """Convolutions that make a map of the image, whose positions, and not those of the image,
    `patch_size` counts; None for none (a hybrid: https://arxiv.org/abs/2010.11929, section 3.1)."""
    global_pool: TokenPooling = "token"
    """What the classifier sees: the class token (`token`), the mean, maximum or both of the
    patches, a learned query's attention (`map`), the class token refined by an attention without
    parameters (`prr`), or every token (`""`)."""
    scale_attn_norm: bool = False
    """Normalise before the attention's output projection (https://arxiv.org/abs/2210.06423)."""
    scale_mlp_norm: bool = False
    """Normalise before the MLP's last layer (https://arxiv.org/abs/2210.06423)."""
    proj_bias: bool = True
    """Whether the attention's output projection and the MLP have a bias."""
    distilled: bool = False
    """Put a second learned token after the class token, with a classifier of its own, to learn from
    a teacher; the logits are the mean of both (https://arxiv.org/abs/2012.12877, section 4)."""
    pos_embed: Literal["learn", "none"] = "learn"
    """A learned embedding of each position, or none."""
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
    resampling: Resampling = "bicubic"
    """How positions and patch kernels of a checkpoint are brought to other sizes: `bicubic` with
    antialiasing, or `bilinear` without (FlexiViT, https://arxiv.org/abs/2212.08013)."""
    weight_init: WeightInit = ""
    """How linear layers are initialised: normal of deviation 0.02 (`""`), as the paper's JAX code
    does (`jax`, or `jax_nlhb` with the classifier's bias at -log(classes)), as MoCo v3 does
    (`moco`), or as PyTorch does (`reset`, or `skip`, which is stored as `reset`)."""
    fix_init: bool = False
    """Divide the initial output projections of block i by sqrt(2 i) (BEiT)."""
    embed_norm_layer: TokenNorm | None = None
    """Normalisation of the patches before their positions; None for none."""
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
    halves, the second or the first half being the gate; `swiglu` (SwiGLU) and `geglu` (GeGluMlp,
    which normalises its input once more) have a layer for each."""
    attn_layer: TokenAttention = "attn"
    """Attention: the usual one, or the difference of two (https://arxiv.org/abs/2410.05258)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        yield from self._class_token_conflicts(self.global_pool)
        yield from self._block_conflicts()
        yield from self._distillation_conflicts()
        yield from self._stem_conflicts()
        if self.fc_norm and not self.final_norm:
            yield Conflict(
                "'fc_norm' must not be true where 'final_norm' is false: it only moves that "
                "normalisation behind the pooling",
                "fc_norm",
            )

    def _block_conflicts(self) -> Iterator[Conflict]:
        if self._is_differential():
            yield from self._differential_conflicts()
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
        if self.mlp_layer in ("glu_mlp", "swiglu_packed") and hidden % 2:
            yield Conflict(
                f"'mlp_ratio' gives {hidden} hidden features with 'embed_dim' {self.embed_dim}: "
                f"'{self.mlp_layer}' needs an even number",
                "mlp_ratio",
            )

        if self.mlp_layer == "geglu" and self.scale_mlp_norm:
            yield Conflict(
                "'scale_mlp_norm' must be false where 'mlp_layer' is 'geglu': it normalises before "
                "its first layers",
                "scale_mlp_norm",
            )

    def _stem_conflicts(self) -> Iterator[Conflict]:
        if self.stem is None:
            return
        yield from self._fixed(
            {"embed_norm_layer": None, "dynamic_img_pad": False},
            "there is a 'stem': its map is not padded, and patches of it are not normalised",
        )
        if self.stem.channels is None:
            yield from self._fixed(
                {"patch_size": 1, "pre_norm": False},
                f"'stem' is of the kind '{self.stem.kind}': its last convolution makes the tokens",
            )
        sides = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image % (patch * self.stem.reduction) for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of 'patch_size' {self.patch_size} "
                f"times {self.stem.reduction}, the pixels of each position of the stem's map",
                "img_size",
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

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens after each block; all have one resolution."""
        stride = max(to_pair(self.patch_size)) * (self.stem.reduction if self.stem else 1)
        return tuple(
            FeatureSpec(self.embed_dim, stride, f"blocks.{index}") for index in range(self.depth)
        )

    @planned
    def plan(self) -> TokenPlan[ViTBlockPlan]:
        """Every block with its numbers."""
        fc_norm = self.fc_norm
        if fc_norm is None:
            fc_norm = self.final_norm and self.global_pool in ("avg", "max", "avgmax")
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return TokenPlan(
            img_size=to_pair(self.img_size),
            patch_size=to_pair(self.patch_size),
            reduction=self.stem.reduction if self.stem else 1,
            any_size=self.dynamic_img_size,
            pads=self.dynamic_img_pad,
            patch_bias=not self.pre_norm,
            patch_norm=self.embed_norm_layer,
            class_token=self.class_token,
            distilled=self.distilled,
            registers=self.reg_tokens,
            learns_positions=self.pos_embed == "learn",
            embeds_prefix=not self.no_embed_class,
            patch_drop_rate=self.patch_drop_rate,
            pre_norm=self.pre_norm,
            norm=self.final_norm and not fc_norm,
            global_pool=self.global_pool,
            pools_prefix=self.global_pool in ("", "token", "prr") or self.pool_include_prefix,
            pool_heads=self.num_heads,
            pool_hidden=int(self.embed_dim * self.mlp_ratio),
            pool_act=self.act_layer,
            fc_norm=fc_norm,
            weight_init=self.weight_init,
            blocks=tuple(self._block(index, rate) for index, rate in enumerate(rates)),
        )

    def _block(self, index: int, drop_path_rate: float) -> ViTBlockPlan:
        return ViTBlockPlan(
            hidden=int(self.embed_dim * self.mlp_ratio),
            drop_path_rate=drop_path_rate,
            output_scale=(2.0 * (index + 1)) ** -0.5 if self.fix_init else 1.0,
            lambda_init=lambda_init(index),
        )

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTBlockPlan(BlockPlan):
    """One block, with every number decided."""

    lambda_init: float
    """Initial weight of a differential attention's second map (equation 3)."""
