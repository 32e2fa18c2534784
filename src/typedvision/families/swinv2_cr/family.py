"""The family of Christoph Reich's Swin Transformer V2: its published variants, and how to build
one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.swinv2_cr.config import SwinV2CrConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.swinv2_cr.model import SwinTransformerV2Cr

_TINY = SwinV2CrConfig()
_SMALL = SwinV2CrConfig(depths=(2, 2, 18, 2))
_BASE = SwinV2CrConfig(embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32))
_LARGE = SwinV2CrConfig(embed_dim=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48))
_HUGE = SwinV2CrConfig(
    embed_dim=352, depths=(2, 2, 18, 2), num_heads=(8, 16, 32, 64), extra_norm_period=6
)
_GIANT = SwinV2CrConfig(
    embed_dim=512, depths=(2, 2, 42, 2), num_heads=(16, 32, 64, 128), extra_norm_period=6
)


class SwinV2CrFamily(ModelFamily[SwinV2CrConfig, "SwinTransformerV2Cr"]):
    """Swin Transformers V2 by Christoph Reich."""

    key = "swinv2_cr"
    title = "Swin Transformer V2 (Christoph Reich)"
    paper = "https://arxiv.org/abs/2111.09883"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: SwinV2CrConfig) -> SwinTransformerV2Cr:
        """The model, not initialised."""
        from typedvision.families.swinv2_cr.model import SwinTransformerV2Cr

        return SwinTransformerV2Cr(cfg)

    @classmethod
    def parts(cls, cfg: SwinV2CrConfig) -> Parts:
        """The projection of the patches, and the classifier; distances are computed."""
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head.fc",),
            patch_kernels=("patch_embed.proj",),
            recomputed=("relative_coordinates_log", "attn_mask"),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "swinv2_cr_base_224": _BASE,
        "swinv2_cr_base_384": _BASE.replace(img_size=384),
        "swinv2_cr_base_ns_224": _BASE.replace(extra_norm_stage=True),
        "swinv2_cr_giant_224": _GIANT,
        "swinv2_cr_giant_384": _GIANT.replace(img_size=384),
        "swinv2_cr_huge_224": _HUGE,
        "swinv2_cr_huge_384": _HUGE.replace(img_size=384, num_heads=(11, 22, 44, 88)),
        "swinv2_cr_large_224": _LARGE,
        "swinv2_cr_large_384": _LARGE.replace(img_size=384),
        "swinv2_cr_small_224": _SMALL,
        "swinv2_cr_small_384": _SMALL.replace(img_size=384),
        "swinv2_cr_small_ns_224": _SMALL.replace(extra_norm_stage=True),
        "swinv2_cr_small_ns_256": _SMALL.replace(img_size=256, extra_norm_stage=True),
        "swinv2_cr_tiny_224": _TINY,
        "swinv2_cr_tiny_384": _TINY.replace(img_size=384),
        "swinv2_cr_tiny_ns_224": _TINY.replace(extra_norm_stage=True),
    }
