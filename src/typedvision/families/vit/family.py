"""The Vision Transformer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.config.stems import BiTStem, ConvStem, MBConvStem, ResNetStem
from typedvision.families.vit.config import ViTConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.vit.model import VisionTransformer


_AIMV2_1B_PATCH14_224 = ViTConfig(
    patch_size=14,
    num_classes=0,
    global_pool="avg",
    embed_dim=2048,
    depth=24,
    num_heads=16,
    mlp_ratio=2.75,
    qkv_bias=False,
    proj_bias=False,
    class_token=False,
    fc_norm=False,
    embed_norm_layer="rmsnorm",
    norm_layer="rmsnorm",
    norm_eps=1e-05,
    act_layer="silu",
    mlp_layer="swiglu",
)
_AIMV2_3B_PATCH14_224 = ViTConfig(
    patch_size=14,
    num_classes=0,
    global_pool="avg",
    embed_dim=3072,
    depth=24,
    num_heads=24,
    mlp_ratio=2.6667,
    qkv_bias=False,
    proj_bias=False,
    class_token=False,
    fc_norm=False,
    embed_norm_layer="rmsnorm",
    norm_layer="rmsnorm",
    norm_eps=1e-05,
    act_layer="silu",
    mlp_layer="swiglu",
)
_AIMV2_HUGE_PATCH14_224 = ViTConfig(
    patch_size=14,
    num_classes=0,
    global_pool="avg",
    embed_dim=1536,
    depth=24,
    num_heads=12,
    mlp_ratio=2.6667,
    qkv_bias=False,
    proj_bias=False,
    class_token=False,
    fc_norm=False,
    embed_norm_layer="rmsnorm",
    norm_layer="rmsnorm",
    norm_eps=1e-05,
    act_layer="silu",
    mlp_layer="swiglu",
)
_AIMV2_LARGE_PATCH14_224 = ViTConfig(
    patch_size=14,
    num_classes=0,
    global_pool="avg",
    embed_dim=1024,
    depth=24,
    num_heads=8,
    mlp_ratio=2.75,
    qkv_bias=False,
    proj_bias=False,
    class_token=False,
    fc_norm=False,
    embed_norm_layer="rmsnorm",
    norm_layer="rmsnorm",
    norm_eps=1e-05,
    act_layer="silu",
    mlp_layer="swiglu",
)
_BEIT3_GIANT_PATCH14_224 = ViTConfig(
    patch_size=14,
    global_pool="avg",
    embed_dim=1408,
    depth=40,
    num_heads=16,
    mlp_ratio=4.3637,
    scale_attn_norm=True,
    scale_mlp_norm=True,
    norm_eps=1e-05,
)
_DEIT3_LARGE_PATCH16_224 = ViTConfig(
    embed_dim=1024, depth=24, num_heads=16, init_values=1e-06, no_embed_class=True
)
_VITAMIN_LARGE2_224 = ViTConfig(
    patch_size=1,
    num_classes=1024,
    stem=MBConvStem(width=160),
    global_pool="avg",
    embed_dim=1024,
    depth=31,
    num_heads=16,
    mlp_ratio=2.0,
    class_token=False,
    mlp_layer="geglu",
)
_VITAMIN_LARGE_224 = ViTConfig(
    patch_size=1,
    num_classes=768,
    stem=MBConvStem(width=160),
    global_pool="avg",
    embed_dim=1024,
    depth=31,
    num_heads=16,
    mlp_ratio=2.0,
    class_token=False,
    mlp_layer="geglu",
)
_VITAMIN_XLARGE_256 = ViTConfig(
    patch_size=1,
    img_size=256,
    num_classes=1152,
    stem=MBConvStem(width=192),
    global_pool="avg",
    embed_dim=1152,
    depth=32,
    num_heads=16,
    mlp_ratio=2.0,
    class_token=False,
    mlp_layer="geglu",
    pos_embed="none",
)
_VIT_BASE_PATCH16_SIGLIP_224 = ViTConfig(
    num_classes=0,
    global_pool="map",
    embed_dim=768,
    depth=12,
    num_heads=12,
    class_token=False,
)
_VIT_BASE_PATCH16_SIGLIP_GAP_224 = ViTConfig(
    num_classes=0,
    global_pool="avg",
    embed_dim=768,
    depth=12,
    num_heads=12,
    class_token=False,
    fc_norm=False,
)
_VIT_BASE_PATCH32_CLIP_224 = ViTConfig(
    patch_size=32, embed_dim=768, depth=12, num_heads=12, pre_norm=True, norm_eps=1e-05
)
_VIT_BASE_R50_S16_224 = ViTConfig(
    patch_size=1,
    num_classes=0,
    stem=BiTStem(layers=(3, 4, 9)),
    embed_dim=768,
    depth=12,
    num_heads=12,
)
_VIT_BETWIXT_PATCH16_REG4_GAP_256 = ViTConfig(
    img_size=256,
    global_pool="avg",
    embed_dim=640,
    depth=12,
    num_heads=10,
    init_values=1e-05,
    class_token=False,
    no_embed_class=True,
    reg_tokens=4,
)
_VIT_GIANTOPT_PATCH16_SIGLIP_256 = ViTConfig(
    img_size=256,
    num_classes=0,
    global_pool="map",
    embed_dim=1536,
    depth=40,
    num_heads=16,
    class_token=False,
    act_layer="gelu_tanh",
)
_VIT_GIANTOPT_PATCH16_SIGLIP_GAP_256 = ViTConfig(
    img_size=256,
    num_classes=0,
    global_pool="avg",
    embed_dim=1536,
    depth=40,
    num_heads=16,
    class_token=False,
    fc_norm=False,
    act_layer="gelu_tanh",
)
_VIT_GIGANTIC_PATCH14_CLIP_224 = ViTConfig(
    patch_size=14,
    num_classes=1280,
    embed_dim=1664,
    depth=48,
    num_heads=16,
    mlp_ratio=4.923076923076923,
    pre_norm=True,
    norm_eps=1e-05,
)
_VIT_HUGE_PATCH14_CLIP_224 = ViTConfig(
    patch_size=14, embed_dim=1280, depth=32, num_heads=16, pre_norm=True, norm_eps=1e-05
)
_VIT_HUGE_PATCH14_CLIP_QUICKGELU_224 = ViTConfig(
    patch_size=14,
    num_classes=1024,
    embed_dim=1280,
    depth=32,
    num_heads=16,
    pre_norm=True,
    norm_eps=1e-05,
    act_layer="quick_gelu",
)
_VIT_LARGE_PATCH14_CLIP_224 = ViTConfig(
    patch_size=14, embed_dim=1024, depth=24, num_heads=16, pre_norm=True, norm_eps=1e-05
)
_VIT_LARGE_PATCH14_CLIP_QUICKGELU_224 = ViTConfig(
    patch_size=14,
    num_classes=768,
    embed_dim=1024,
    depth=24,
    num_heads=16,
    pre_norm=True,
    norm_eps=1e-05,
    act_layer="quick_gelu",
)
_VIT_LARGE_PATCH16_SIGLIP_256 = ViTConfig(
    img_size=256,
    num_classes=0,
    global_pool="map",
    embed_dim=1024,
    depth=24,
    num_heads=16,
    class_token=False,
)
_VIT_LARGE_PATCH16_SIGLIP_GAP_256 = ViTConfig(
    img_size=256,
    num_classes=0,
    global_pool="avg",
    embed_dim=1024,
    depth=24,
    num_heads=16,
    class_token=False,
    fc_norm=False,
)
_VIT_LARGE_R50_S32_224 = ViTConfig(
    patch_size=1, stem=BiTStem(layers=(3, 4, 6, 3)), embed_dim=1024, depth=24, num_heads=16
)
_VIT_MEDIUMD_PATCH16_REG4_GAP_256 = ViTConfig(
    img_size=256,
    global_pool="avg",
    embed_dim=512,
    depth=20,
    num_heads=8,
    init_values=1e-05,
    class_token=False,
    no_embed_class=True,
    reg_tokens=4,
)
_VIT_MEDIUM_PATCH16_GAP_256 = ViTConfig(
    img_size=256,
    global_pool="avg",
    embed_dim=512,
    depth=12,
    num_heads=8,
    qkv_bias=False,
    init_values=1e-06,
    class_token=False,
    fc_norm=False,
)
_VIT_SMALL_R26_S32_224 = ViTConfig(
    patch_size=1, stem=BiTStem(layers=(2, 2, 2, 2)), embed_dim=384, depth=12, num_heads=6
)
_VIT_SO150M2_PATCH16_REG1_GAP_256 = ViTConfig(
    img_size=256,
    global_pool="avg",
    embed_dim=832,
    depth=21,
    num_heads=13,
    mlp_ratio=2.6153846153846154,
    qkv_bias=False,
    init_values=1e-05,
    class_token=False,
    reg_tokens=1,
)
_VIT_SO150M_PATCH16_REG4_GAP_256 = ViTConfig(
    img_size=256,
    global_pool="avg",
    embed_dim=896,
    depth=18,
    num_heads=14,
    mlp_ratio=2.572,
    class_token=False,
    reg_tokens=4,
    fc_norm=False,
)
_VIT_SO400M_PATCH14_SIGLIP_224 = ViTConfig(
    patch_size=14,
    num_classes=0,
    global_pool="map",
    embed_dim=1152,
    depth=27,
    num_heads=16,
    mlp_ratio=3.7362,
    class_token=False,
)
_VIT_SO400M_PATCH14_SIGLIP_GAP_224 = ViTConfig(
    patch_size=14,
    num_classes=0,
    global_pool="avg",
    embed_dim=1152,
    depth=27,
    num_heads=16,
    mlp_ratio=3.7362,
    class_token=False,
    fc_norm=False,
)
_VIT_SO400M_PATCH16_SIGLIP_256 = ViTConfig(
    img_size=256,
    num_classes=0,
    global_pool="map",
    embed_dim=1152,
    depth=27,
    num_heads=16,
    mlp_ratio=3.7362,
    class_token=False,
    act_layer="gelu_tanh",
)
_VIT_SO400M_PATCH16_SIGLIP_GAP_256 = ViTConfig(
    img_size=256,
    num_classes=0,
    global_pool="avg",
    embed_dim=1152,
    depth=27,
    num_heads=16,
    mlp_ratio=3.7362,
    class_token=False,
    fc_norm=False,
    act_layer="gelu_tanh",
)
_VIT_TINY_R_S16_P8_224 = ViTConfig(
    patch_size=8, stem=BiTStem(), embed_dim=192, depth=12, num_heads=3
)


class ViTFamily(ModelFamily[ViTConfig, "VisionTransformer"]):
    """Vision Transformers and their descendants."""

    key = "vit"
    title = "Vision Transformer"
    paper = "https://arxiv.org/abs/2010.11929"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "token", "avg", "max", "avgmax", "map", "prr")
    )

    @classmethod
    def build(cls, cfg: ViTConfig) -> VisionTransformer:
        """The model, not initialised."""
        from typedvision.families.vit.model import VisionTransformer

        return VisionTransformer(cfg)

    @classmethod
    def parts(cls, cfg: ViTConfig) -> Parts:
        """The first convolution, the classifier and the position table."""
        plan = cfg.plan()
        table = PositionTable("pos_embed", plan.grid)
        return Parts(
            first_conv=(
                f"patch_embed.backbone.{cfg.stem.first_conv}" if cfg.stem else "patch_embed.proj",
            ),
            classifier=("head", "head_dist") if cfg.distilled else ("head",),
            position_tables=(table,) if plan.positions else (),
            patch_kernels=() if cfg.stem else ("patch_embed.proj",),
            resampling=cfg.resampling,
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "aimv2_1b_patch14_224": _AIMV2_1B_PATCH14_224,
        "aimv2_1b_patch14_336": _AIMV2_1B_PATCH14_224.replace(img_size=336),
        "aimv2_1b_patch14_448": _AIMV2_1B_PATCH14_224.replace(img_size=448),
        "aimv2_3b_patch14_224": _AIMV2_3B_PATCH14_224,
        "aimv2_3b_patch14_336": _AIMV2_3B_PATCH14_224.replace(img_size=336),
        "aimv2_3b_patch14_448": _AIMV2_3B_PATCH14_224.replace(img_size=448),
        "aimv2_huge_patch14_224": _AIMV2_HUGE_PATCH14_224,
        "aimv2_huge_patch14_336": _AIMV2_HUGE_PATCH14_224.replace(img_size=336),
        "aimv2_huge_patch14_448": _AIMV2_HUGE_PATCH14_224.replace(img_size=448),
        "aimv2_large_patch14_224": _AIMV2_LARGE_PATCH14_224,
        "aimv2_large_patch14_336": _AIMV2_LARGE_PATCH14_224.replace(img_size=336),
        "aimv2_large_patch14_448": _AIMV2_LARGE_PATCH14_224.replace(img_size=448),
        "beit3_base_patch16_224": ViTConfig(
            global_pool="avg",
            embed_dim=768,
            depth=12,
            num_heads=12,
            scale_attn_norm=True,
            scale_mlp_norm=True,
            norm_eps=1e-05,
        ),
        "beit3_giant_patch14_224": _BEIT3_GIANT_PATCH14_224,
        "beit3_giant_patch14_336": _BEIT3_GIANT_PATCH14_224.replace(img_size=336),
        "beit3_large_patch16_224": ViTConfig(
            global_pool="avg",
            embed_dim=1024,
            depth=24,
            num_heads=16,
            scale_attn_norm=True,
            scale_mlp_norm=True,
            norm_eps=1e-05,
        ),
        "deit3_base_patch16_224": ViTConfig(init_values=1e-06, no_embed_class=True),
        "deit3_base_patch16_384": ViTConfig(img_size=384, init_values=1e-06, no_embed_class=True),
        "deit3_huge_patch14_224": ViTConfig(
            patch_size=14,
            embed_dim=1280,
            depth=32,
            num_heads=16,
            init_values=1e-06,
            no_embed_class=True,
        ),
        "deit3_large_patch16_224": _DEIT3_LARGE_PATCH16_224,
        "deit3_large_patch16_384": _DEIT3_LARGE_PATCH16_224.replace(img_size=384),
        "deit3_medium_patch16_224": ViTConfig(
            embed_dim=512, num_heads=8, init_values=1e-06, no_embed_class=True
        ),
        "deit3_small_patch16_224": ViTConfig(
            embed_dim=384, num_heads=6, init_values=1e-06, no_embed_class=True
        ),
        "deit3_small_patch16_384": ViTConfig(
            img_size=384, embed_dim=384, num_heads=6, init_values=1e-06, no_embed_class=True
        ),
        "deit_base_distilled_patch16_224": ViTConfig(distilled=True),
        "deit_base_distilled_patch16_384": ViTConfig(img_size=384, distilled=True),
        "deit_base_patch16_224": ViTConfig(),
        "deit_base_patch16_384": ViTConfig(img_size=384),
        "deit_small_distilled_patch16_224": ViTConfig(embed_dim=384, num_heads=6, distilled=True),
        "deit_small_patch16_224": ViTConfig(embed_dim=384, num_heads=6),
        "deit_tiny_distilled_patch16_224": ViTConfig(embed_dim=192, num_heads=3, distilled=True),
        "deit_tiny_patch16_224": ViTConfig(embed_dim=192, num_heads=3),
        "eva_large_patch14_196": ViTConfig(
            img_size=196, patch_size=14, global_pool="avg", embed_dim=1024, depth=24, num_heads=16
        ),
        "eva_large_patch14_336": ViTConfig(
            img_size=336, patch_size=14, global_pool="avg", embed_dim=1024, depth=24, num_heads=16
        ),
        "flexivit_base": ViTConfig(
            img_size=240,
            embed_dim=768,
            depth=12,
            num_heads=12,
            no_embed_class=True,
            resampling="bilinear",
        ),
        "flexivit_large": ViTConfig(
            img_size=240,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            no_embed_class=True,
            resampling="bilinear",
        ),
        "flexivit_small": ViTConfig(
            img_size=240,
            embed_dim=384,
            depth=12,
            num_heads=6,
            no_embed_class=True,
            resampling="bilinear",
        ),
        "test_vit": ViTConfig(
            img_size=160, embed_dim=64, depth=6, num_heads=2, mlp_ratio=3.0, dynamic_img_size=True
        ),
        "test_vit2": ViTConfig(
            img_size=160,
            global_pool="avg",
            embed_dim=64,
            depth=8,
            num_heads=2,
            mlp_ratio=3.0,
            init_values=1e-05,
            class_token=False,
            reg_tokens=1,
            dynamic_img_size=True,
        ),
        "test_vit3": ViTConfig(
            img_size=160,
            global_pool="map",
            embed_dim=96,
            depth=9,
            num_heads=3,
            mlp_ratio=2.0,
            init_values=1e-05,
            class_token=False,
            reg_tokens=1,
            pool_include_prefix=True,
        ),
        "test_vit4": ViTConfig(
            img_size=160,
            global_pool="avg",
            embed_dim=96,
            depth=9,
            num_heads=3,
            mlp_ratio=3.0,
            init_values=1e-05,
            class_token=False,
            reg_tokens=1,
            dynamic_img_size=True,
            norm_layer="rmsnorm",
        ),
        "vit_base_mci_224": ViTConfig(
            patch_size=1,
            num_classes=512,
            stem=ConvStem(),
            embed_dim=768,
            depth=12,
            num_heads=12,
            no_embed_class=True,
        ),
        "vit_base_patch14_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=768,
            depth=12,
            num_heads=12,
            init_values=1e-05,
        ),
        "vit_base_patch14_reg1_tipsv2": ViTConfig(
            img_size=448,
            patch_size=14,
            num_classes=0,
            embed_dim=768,
            depth=12,
            num_heads=12,
            init_values=1.0,
            no_embed_class=True,
            reg_tokens=1,
        ),
        "vit_base_patch14_reg4_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=768,
            depth=12,
            num_heads=12,
            init_values=1e-05,
            no_embed_class=True,
            reg_tokens=4,
        ),
        "vit_base_patch16_18x2_224": ViTConfig(
            embed_dim=768, depth=18, num_heads=12, init_values=1e-05, block_fn="parallel_things"
        ),
        "vit_base_patch16_224": ViTConfig(embed_dim=768, depth=12, num_heads=12),
        "vit_base_patch16_224_miil": ViTConfig(
            num_classes=11221, embed_dim=768, depth=12, num_heads=12, qkv_bias=False
        ),
        "vit_base_patch16_384": ViTConfig(img_size=384, embed_dim=768, depth=12, num_heads=12),
        "vit_base_patch16_clip_224": ViTConfig(
            embed_dim=768, depth=12, num_heads=12, pre_norm=True, norm_eps=1e-05
        ),
        "vit_base_patch16_clip_384": ViTConfig(
            img_size=384, embed_dim=768, depth=12, num_heads=12, pre_norm=True, norm_eps=1e-05
        ),
        "vit_base_patch16_clip_quickgelu_224": ViTConfig(
            num_classes=512,
            embed_dim=768,
            depth=12,
            num_heads=12,
            pre_norm=True,
            norm_eps=1e-05,
            act_layer="quick_gelu",
        ),
        "vit_base_patch16_gap_224": ViTConfig(
            global_pool="avg",
            embed_dim=768,
            depth=12,
            num_heads=16,
            class_token=False,
            fc_norm=False,
        ),
        "vit_base_patch16_plus_240": ViTConfig(
            img_size=240, embed_dim=896, depth=12, num_heads=14, init_values=1e-05
        ),
        "vit_base_patch16_plus_clip_240": ViTConfig(
            img_size=240,
            num_classes=640,
            embed_dim=896,
            depth=12,
            num_heads=14,
            pre_norm=True,
            norm_eps=1e-05,
        ),
        "vit_base_patch16_radio_v3": ViTConfig(
            img_size=512,
            num_classes=0,
            embed_dim=768,
            depth=12,
            num_heads=12,
            init_values=1e-05,
            no_embed_class=True,
            reg_tokens=7,
            final_norm=False,
        ),
        "vit_base_patch16_reg4_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=768,
            depth=12,
            num_heads=12,
            class_token=False,
            no_embed_class=True,
            reg_tokens=4,
        ),
        "vit_base_patch16_rpn_224": ViTConfig(
            global_pool="avg",
            embed_dim=768,
            depth=12,
            num_heads=12,
            qkv_bias=False,
            init_values=1e-05,
            class_token=False,
            block_fn="res_post",
        ),
        "vit_base_patch16_siglip_224": _VIT_BASE_PATCH16_SIGLIP_224,
        "vit_base_patch16_siglip_256": _VIT_BASE_PATCH16_SIGLIP_224.replace(img_size=256),
        "vit_base_patch16_siglip_384": _VIT_BASE_PATCH16_SIGLIP_224.replace(img_size=384),
        "vit_base_patch16_siglip_512": _VIT_BASE_PATCH16_SIGLIP_224.replace(img_size=512),
        "vit_base_patch16_siglip_gap_224": _VIT_BASE_PATCH16_SIGLIP_GAP_224,
        "vit_base_patch16_siglip_gap_256": _VIT_BASE_PATCH16_SIGLIP_GAP_224.replace(img_size=256),
        "vit_base_patch16_siglip_gap_384": _VIT_BASE_PATCH16_SIGLIP_GAP_224.replace(img_size=384),
        "vit_base_patch16_siglip_gap_512": _VIT_BASE_PATCH16_SIGLIP_GAP_224.replace(img_size=512),
        "vit_base_patch16_xp_224": ViTConfig(
            embed_dim=768,
            depth=12,
            num_heads=12,
            qkv_bias=False,
            qk_norm=True,
            no_embed_class=True,
            pre_norm=True,
            norm_layer="rmsnorm",
            block_fn="parallel_scaling",
        ),
        "vit_base_patch32_224": ViTConfig(patch_size=32, embed_dim=768, depth=12, num_heads=12),
        "vit_base_patch32_384": ViTConfig(
            img_size=384, patch_size=32, embed_dim=768, depth=12, num_heads=12
        ),
        "vit_base_patch32_clip_224": _VIT_BASE_PATCH32_CLIP_224,
        "vit_base_patch32_clip_256": _VIT_BASE_PATCH32_CLIP_224.replace(
            img_size=256, num_classes=512
        ),
        "vit_base_patch32_clip_384": _VIT_BASE_PATCH32_CLIP_224.replace(img_size=384),
        "vit_base_patch32_clip_448": _VIT_BASE_PATCH32_CLIP_224.replace(img_size=448),
        "vit_base_patch32_clip_quickgelu_224": ViTConfig(
            patch_size=32,
            num_classes=512,
            embed_dim=768,
            depth=12,
            num_heads=12,
            pre_norm=True,
            norm_eps=1e-05,
            act_layer="quick_gelu",
        ),
        "vit_base_patch32_plus_256": ViTConfig(
            img_size=256, patch_size=32, embed_dim=896, depth=12, num_heads=14, init_values=1e-05
        ),
        "vit_base_patch32_siglip_256": ViTConfig(
            img_size=256,
            patch_size=32,
            num_classes=0,
            global_pool="map",
            embed_dim=768,
            depth=12,
            num_heads=12,
            class_token=False,
            act_layer="gelu_tanh",
        ),
        "vit_base_patch32_siglip_gap_256": ViTConfig(
            img_size=256,
            patch_size=32,
            num_classes=0,
            global_pool="avg",
            embed_dim=768,
            depth=12,
            num_heads=12,
            class_token=False,
            fc_norm=False,
            act_layer="gelu_tanh",
        ),
        "vit_base_patch8_224": ViTConfig(patch_size=8, embed_dim=768, depth=12, num_heads=12),
        "vit_base_r26_s32_224": ViTConfig(
            patch_size=1, stem=BiTStem(layers=(2, 2, 2, 2)), embed_dim=768, depth=12, num_heads=12
        ),
        "vit_base_r50_s16_224": _VIT_BASE_R50_S16_224,
        "vit_base_r50_s16_384": _VIT_BASE_R50_S16_224.replace(img_size=384, num_classes=1000),
        "vit_base_resnet26d_224": ViTConfig(
            patch_size=1,
            stem=ResNetStem(layers=(2, 2, 2, 2)),
            embed_dim=768,
            depth=12,
            num_heads=12,
        ),
        "vit_base_resnet50d_224": ViTConfig(
            patch_size=1,
            stem=ResNetStem(layers=(3, 4, 6, 3)),
            embed_dim=768,
            depth=12,
            num_heads=12,
        ),
        "vit_betwixt_patch16_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=640,
            depth=12,
            num_heads=10,
            qkv_bias=False,
            init_values=1e-06,
            class_token=False,
            fc_norm=False,
        ),
        "vit_betwixt_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=640,
            depth=12,
            num_heads=10,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
        ),
        "vit_betwixt_patch16_reg4_gap_256": _VIT_BETWIXT_PATCH16_REG4_GAP_256,
        "vit_betwixt_patch16_reg4_gap_384": _VIT_BETWIXT_PATCH16_REG4_GAP_256.replace(img_size=384),
        "vit_betwixt_patch32_clip_224": ViTConfig(
            patch_size=32,
            num_classes=512,
            embed_dim=640,
            depth=12,
            num_heads=10,
            pre_norm=True,
            norm_eps=1e-05,
        ),
        "vit_dlittle_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=320,
            depth=14,
            num_heads=5,
            mlp_ratio=5.6,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
            attn_layer="diff",
        ),
        "vit_dpwee_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=256,
            depth=16,
            num_heads=4,
            mlp_ratio=5.0,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
            block_fn="diff_parallel_scaling",
        ),
        "vit_dwee_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=256,
            depth=14,
            num_heads=4,
            mlp_ratio=5.0,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
            attn_layer="diff",
        ),
        "vit_giant_patch14_224": ViTConfig(
            patch_size=14, embed_dim=1408, depth=40, num_heads=16, mlp_ratio=4.363636363636363
        ),
        "vit_giant_patch14_clip_224": ViTConfig(
            patch_size=14,
            num_classes=1024,
            embed_dim=1408,
            depth=40,
            num_heads=16,
            mlp_ratio=4.363636363636363,
            pre_norm=True,
            norm_eps=1e-05,
        ),
        "vit_giant_patch14_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=1536,
            depth=40,
            num_heads=24,
            mlp_ratio=5.33334,
            init_values=1e-05,
            act_layer="silu",
            mlp_layer="swiglu_packed",
        ),
        "vit_giant_patch14_reg1_tipsv2": ViTConfig(
            img_size=448,
            patch_size=14,
            num_classes=0,
            embed_dim=1536,
            depth=40,
            num_heads=24,
            mlp_ratio=5.33334,
            init_values=1.0,
            no_embed_class=True,
            reg_tokens=1,
            act_layer="silu",
            mlp_layer="swiglu_packed",
        ),
        "vit_giant_patch14_reg4_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=1536,
            depth=40,
            num_heads=24,
            mlp_ratio=5.33334,
            init_values=1e-05,
            no_embed_class=True,
            reg_tokens=4,
            act_layer="silu",
            mlp_layer="swiglu_packed",
        ),
        "vit_giant_patch16_gap_224": ViTConfig(
            num_classes=0,
            global_pool="avg",
            embed_dim=1408,
            depth=40,
            num_heads=16,
            mlp_ratio=4.363636363636363,
            class_token=False,
            fc_norm=False,
        ),
        "vit_giant_patch16_radio_v3": ViTConfig(
            img_size=512,
            num_classes=0,
            embed_dim=1536,
            depth=40,
            num_heads=24,
            no_embed_class=True,
            reg_tokens=7,
            final_norm=False,
        ),
        "vit_giantopt_patch16_siglip_256": _VIT_GIANTOPT_PATCH16_SIGLIP_256,
        "vit_giantopt_patch16_siglip_384": _VIT_GIANTOPT_PATCH16_SIGLIP_256.replace(img_size=384),
        "vit_giantopt_patch16_siglip_gap_256": _VIT_GIANTOPT_PATCH16_SIGLIP_GAP_256,
        "vit_giantopt_patch16_siglip_gap_384": _VIT_GIANTOPT_PATCH16_SIGLIP_GAP_256.replace(
            img_size=384
        ),
        "vit_gigantic_patch14_224": ViTConfig(
            patch_size=14, embed_dim=1664, depth=48, num_heads=16, mlp_ratio=4.923076923076923
        ),
        "vit_gigantic_patch14_clip_224": _VIT_GIGANTIC_PATCH14_CLIP_224,
        "vit_gigantic_patch14_clip_378": _VIT_GIGANTIC_PATCH14_CLIP_224.replace(img_size=378),
        "vit_gigantic_patch14_clip_quickgelu_224": ViTConfig(
            patch_size=14,
            num_classes=1280,
            embed_dim=1664,
            depth=48,
            num_heads=16,
            mlp_ratio=4.923076923076923,
            pre_norm=True,
            norm_eps=1e-05,
            act_layer="quick_gelu",
        ),
        "vit_huge_patch14_224": ViTConfig(
            patch_size=14, num_classes=0, embed_dim=1280, depth=32, num_heads=16
        ),
        "vit_huge_patch14_clip_224": _VIT_HUGE_PATCH14_CLIP_224,
        "vit_huge_patch14_clip_336": _VIT_HUGE_PATCH14_CLIP_224.replace(img_size=336),
        "vit_huge_patch14_clip_378": _VIT_HUGE_PATCH14_CLIP_224.replace(
            img_size=378, num_classes=1024
        ),
        "vit_huge_patch14_clip_quickgelu_224": _VIT_HUGE_PATCH14_CLIP_QUICKGELU_224,
        "vit_huge_patch14_clip_quickgelu_378": _VIT_HUGE_PATCH14_CLIP_QUICKGELU_224.replace(
            img_size=378
        ),
        "vit_huge_patch14_gap_224": ViTConfig(
            patch_size=14,
            num_classes=0,
            global_pool="avg",
            embed_dim=1280,
            depth=32,
            num_heads=16,
            class_token=False,
            fc_norm=False,
        ),
        "vit_huge_patch14_xp_224": ViTConfig(
            patch_size=14,
            embed_dim=1280,
            depth=32,
            num_heads=16,
            qkv_bias=False,
            qk_norm=True,
            no_embed_class=True,
            pre_norm=True,
            norm_layer="rmsnorm",
            block_fn="parallel_scaling",
        ),
        "vit_huge_patch16_gap_448": ViTConfig(
            img_size=448,
            num_classes=0,
            global_pool="avg",
            embed_dim=1280,
            depth=32,
            num_heads=16,
            class_token=False,
            fc_norm=False,
        ),
        "vit_huge_patch16_radio_v3": ViTConfig(
            img_size=512,
            num_classes=0,
            embed_dim=1280,
            depth=32,
            num_heads=16,
            no_embed_class=True,
            reg_tokens=7,
            final_norm=False,
        ),
        "vit_huge_patch16_radio_v4": ViTConfig(
            img_size=512,
            num_classes=0,
            embed_dim=1280,
            depth=32,
            num_heads=16,
            no_embed_class=True,
            reg_tokens=9,
            final_norm=False,
        ),
        "vit_intern300m_patch14_448": ViTConfig(
            img_size=448,
            patch_size=14,
            num_classes=0,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            init_values=0.1,
            final_norm=False,
            dynamic_img_size=True,
        ),
        "vit_large_patch14_224": ViTConfig(patch_size=14, embed_dim=1024, depth=24, num_heads=16),
        "vit_large_patch14_clip_224": _VIT_LARGE_PATCH14_CLIP_224,
        "vit_large_patch14_clip_336": _VIT_LARGE_PATCH14_CLIP_224.replace(img_size=336),
        "vit_large_patch14_clip_quickgelu_224": _VIT_LARGE_PATCH14_CLIP_QUICKGELU_224,
        "vit_large_patch14_clip_quickgelu_336": _VIT_LARGE_PATCH14_CLIP_QUICKGELU_224.replace(
            img_size=336
        ),
        "vit_large_patch14_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            init_values=1e-05,
        ),
        "vit_large_patch14_reg1_tipsv2": ViTConfig(
            img_size=448,
            patch_size=14,
            num_classes=0,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            init_values=1.0,
            no_embed_class=True,
            reg_tokens=1,
        ),
        "vit_large_patch14_reg4_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            init_values=1e-05,
            no_embed_class=True,
            reg_tokens=4,
        ),
        "vit_large_patch14_xp_224": ViTConfig(
            patch_size=14,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            qkv_bias=False,
            qk_norm=True,
            no_embed_class=True,
            pre_norm=True,
            norm_layer="rmsnorm",
            block_fn="parallel_scaling",
        ),
        "vit_large_patch16_224": ViTConfig(embed_dim=1024, depth=24, num_heads=16),
        "vit_large_patch16_384": ViTConfig(img_size=384, embed_dim=1024, depth=24, num_heads=16),
        "vit_large_patch16_radio_v3": ViTConfig(
            img_size=512,
            num_classes=0,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            init_values=1e-05,
            no_embed_class=True,
            reg_tokens=7,
            final_norm=False,
        ),
        "vit_large_patch16_siglip_256": _VIT_LARGE_PATCH16_SIGLIP_256,
        "vit_large_patch16_siglip_384": _VIT_LARGE_PATCH16_SIGLIP_256.replace(img_size=384),
        "vit_large_patch16_siglip_512": ViTConfig(
            img_size=512,
            num_classes=0,
            global_pool="map",
            embed_dim=1024,
            depth=24,
            num_heads=16,
            class_token=False,
            act_layer="gelu_tanh",
        ),
        "vit_large_patch16_siglip_gap_256": _VIT_LARGE_PATCH16_SIGLIP_GAP_256,
        "vit_large_patch16_siglip_gap_384": _VIT_LARGE_PATCH16_SIGLIP_GAP_256.replace(img_size=384),
        "vit_large_patch16_siglip_gap_512": ViTConfig(
            img_size=512,
            num_classes=0,
            global_pool="avg",
            embed_dim=1024,
            depth=24,
            num_heads=16,
            class_token=False,
            fc_norm=False,
            act_layer="gelu_tanh",
        ),
        "vit_large_patch32_224": ViTConfig(
            patch_size=32, num_classes=0, embed_dim=1024, depth=24, num_heads=16
        ),
        "vit_large_patch32_384": ViTConfig(
            img_size=384, patch_size=32, embed_dim=1024, depth=24, num_heads=16
        ),
        "vit_large_r50_s32_224": _VIT_LARGE_R50_S32_224,
        "vit_large_r50_s32_384": _VIT_LARGE_R50_S32_224.replace(img_size=384),
        "vit_little_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=320,
            depth=14,
            num_heads=5,
            mlp_ratio=5.6,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
        ),
        "vit_little_patch16_reg4_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=320,
            depth=14,
            num_heads=5,
            mlp_ratio=5.6,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=4,
        ),
        "vit_medium_patch16_clip_224": ViTConfig(
            num_classes=512, embed_dim=512, depth=12, num_heads=8, pre_norm=True, norm_eps=1e-05
        ),
        "vit_medium_patch16_gap_240": _VIT_MEDIUM_PATCH16_GAP_256.replace(
            img_size=240, num_classes=11821
        ),
        "vit_medium_patch16_gap_256": _VIT_MEDIUM_PATCH16_GAP_256,
        "vit_medium_patch16_gap_384": _VIT_MEDIUM_PATCH16_GAP_256.replace(img_size=384),
        "vit_medium_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=512,
            depth=12,
            num_heads=8,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
        ),
        "vit_medium_patch16_reg4_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=512,
            depth=12,
            num_heads=8,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=4,
        ),
        "vit_medium_patch32_clip_224": ViTConfig(
            patch_size=32,
            num_classes=512,
            embed_dim=512,
            depth=12,
            num_heads=8,
            pre_norm=True,
            norm_eps=1e-05,
        ),
        "vit_mediumd_patch16_reg4_gap_256": _VIT_MEDIUMD_PATCH16_REG4_GAP_256,
        "vit_mediumd_patch16_reg4_gap_384": _VIT_MEDIUMD_PATCH16_REG4_GAP_256.replace(img_size=384),
        "vit_pwee_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=256,
            depth=16,
            num_heads=4,
            mlp_ratio=5.0,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
            block_fn="parallel_scaling",
        ),
        "vit_small_patch14_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=384,
            depth=12,
            num_heads=6,
            init_values=1e-05,
        ),
        "vit_small_patch14_reg4_dinov2": ViTConfig(
            img_size=518,
            patch_size=14,
            num_classes=0,
            embed_dim=384,
            depth=12,
            num_heads=6,
            init_values=1e-05,
            no_embed_class=True,
            reg_tokens=4,
        ),
        "vit_small_patch16_18x2_224": ViTConfig(
            embed_dim=384, depth=18, num_heads=6, init_values=1e-05, block_fn="parallel_things"
        ),
        "vit_small_patch16_224": ViTConfig(embed_dim=384, depth=12, num_heads=6),
        "vit_small_patch16_36x1_224": ViTConfig(
            embed_dim=384, depth=36, num_heads=6, init_values=1e-05
        ),
        "vit_small_patch16_384": ViTConfig(img_size=384, embed_dim=384, depth=12, num_heads=6),
        "vit_small_patch32_224": ViTConfig(patch_size=32, embed_dim=384, depth=12, num_heads=6),
        "vit_small_patch32_384": ViTConfig(
            img_size=384, patch_size=32, embed_dim=384, depth=12, num_heads=6
        ),
        "vit_small_patch8_224": ViTConfig(
            patch_size=8, num_classes=0, embed_dim=384, depth=12, num_heads=6
        ),
        "vit_small_r26_s32_224": _VIT_SMALL_R26_S32_224,
        "vit_small_r26_s32_384": _VIT_SMALL_R26_S32_224.replace(img_size=384),
        "vit_small_resnet26d_224": ViTConfig(
            patch_size=1,
            stem=ResNetStem(layers=(2, 2, 2, 2)),
            embed_dim=768,
            depth=8,
            num_heads=8,
            mlp_ratio=3.0,
        ),
        "vit_small_resnet50d_s16_224": ViTConfig(
            patch_size=1,
            stem=ResNetStem(layers=(3, 4, 6)),
            embed_dim=768,
            depth=8,
            num_heads=8,
            mlp_ratio=3.0,
        ),
        "vit_so150m2_patch16_reg1_gap_256": _VIT_SO150M2_PATCH16_REG1_GAP_256,
        "vit_so150m2_patch16_reg1_gap_384": _VIT_SO150M2_PATCH16_REG1_GAP_256.replace(img_size=384),
        "vit_so150m2_patch16_reg1_gap_448": _VIT_SO150M2_PATCH16_REG1_GAP_256.replace(img_size=448),
        "vit_so150m_patch16_reg4_gap_256": _VIT_SO150M_PATCH16_REG4_GAP_256,
        "vit_so150m_patch16_reg4_gap_384": _VIT_SO150M_PATCH16_REG4_GAP_256.replace(img_size=384),
        "vit_so150m_patch16_reg4_map_256": ViTConfig(
            img_size=256,
            global_pool="map",
            embed_dim=896,
            depth=18,
            num_heads=14,
            mlp_ratio=2.572,
            class_token=False,
            reg_tokens=4,
        ),
        "vit_so400m_patch14_reg1_tipsv2": ViTConfig(
            img_size=448,
            patch_size=14,
            num_classes=0,
            embed_dim=1152,
            depth=27,
            num_heads=16,
            mlp_ratio=3.736111111111111,
            init_values=1.0,
            no_embed_class=True,
            reg_tokens=1,
        ),
        "vit_so400m_patch14_siglip_224": _VIT_SO400M_PATCH14_SIGLIP_224,
        "vit_so400m_patch14_siglip_378": _VIT_SO400M_PATCH14_SIGLIP_224.replace(img_size=378),
        "vit_so400m_patch14_siglip_384": _VIT_SO400M_PATCH14_SIGLIP_224.replace(img_size=384),
        "vit_so400m_patch14_siglip_gap_224": _VIT_SO400M_PATCH14_SIGLIP_GAP_224,
        "vit_so400m_patch14_siglip_gap_378": _VIT_SO400M_PATCH14_SIGLIP_GAP_224.replace(
            img_size=378
        ),
        "vit_so400m_patch14_siglip_gap_384": _VIT_SO400M_PATCH14_SIGLIP_GAP_224.replace(
            img_size=384
        ),
        "vit_so400m_patch14_siglip_gap_448": _VIT_SO400M_PATCH14_SIGLIP_GAP_224.replace(
            img_size=448
        ),
        "vit_so400m_patch14_siglip_gap_896": _VIT_SO400M_PATCH14_SIGLIP_GAP_224.replace(
            img_size=896
        ),
        "vit_so400m_patch16_radio_v4": ViTConfig(
            img_size=512,
            num_classes=0,
            embed_dim=1152,
            depth=27,
            num_heads=16,
            mlp_ratio=3.736111111111111,
            no_embed_class=True,
            reg_tokens=9,
            final_norm=False,
        ),
        "vit_so400m_patch16_siglip_256": _VIT_SO400M_PATCH16_SIGLIP_256,
        "vit_so400m_patch16_siglip_384": _VIT_SO400M_PATCH16_SIGLIP_256.replace(img_size=384),
        "vit_so400m_patch16_siglip_512": _VIT_SO400M_PATCH16_SIGLIP_256.replace(img_size=512),
        "vit_so400m_patch16_siglip_gap_256": _VIT_SO400M_PATCH16_SIGLIP_GAP_256,
        "vit_so400m_patch16_siglip_gap_384": _VIT_SO400M_PATCH16_SIGLIP_GAP_256.replace(
            img_size=384
        ),
        "vit_so400m_patch16_siglip_gap_512": _VIT_SO400M_PATCH16_SIGLIP_GAP_256.replace(
            img_size=512
        ),
        "vit_tiny_patch16_224": ViTConfig(embed_dim=192, depth=12, num_heads=3),
        "vit_tiny_patch16_384": ViTConfig(img_size=384, embed_dim=192, depth=12, num_heads=3),
        "vit_tiny_r_s16_p8_224": _VIT_TINY_R_S16_P8_224,
        "vit_tiny_r_s16_p8_384": _VIT_TINY_R_S16_P8_224.replace(img_size=384),
        "vit_wee_patch16_reg1_gap_256": ViTConfig(
            img_size=256,
            global_pool="avg",
            embed_dim=256,
            depth=14,
            num_heads=4,
            mlp_ratio=5.0,
            init_values=1e-05,
            class_token=False,
            no_embed_class=True,
            reg_tokens=1,
        ),
        "vit_xsmall_patch16_clip_224": ViTConfig(
            num_classes=512, embed_dim=256, depth=10, num_heads=4, pre_norm=True, norm_eps=1e-05
        ),
        "vitamin_base_224": ViTConfig(
            patch_size=1,
            num_classes=768,
            stem=MBConvStem(width=128),
            global_pool="avg",
            embed_dim=768,
            depth=14,
            num_heads=12,
            mlp_ratio=2.0,
            class_token=False,
            mlp_layer="geglu",
        ),
        "vitamin_large2_224": _VITAMIN_LARGE2_224,
        "vitamin_large2_256": _VITAMIN_LARGE2_224.replace(img_size=256),
        "vitamin_large2_336": _VITAMIN_LARGE2_224.replace(img_size=336),
        "vitamin_large2_384": _VITAMIN_LARGE2_224.replace(img_size=384),
        "vitamin_large_224": _VITAMIN_LARGE_224,
        "vitamin_large_256": _VITAMIN_LARGE_224.replace(img_size=256),
        "vitamin_large_336": _VITAMIN_LARGE_224.replace(img_size=336),
        "vitamin_large_384": _VITAMIN_LARGE_224.replace(img_size=384),
        "vitamin_small_224": ViTConfig(
            patch_size=1,
            num_classes=768,
            stem=MBConvStem(width=64),
            global_pool="avg",
            embed_dim=384,
            depth=14,
            num_heads=6,
            mlp_ratio=2.0,
            class_token=False,
            mlp_layer="geglu",
        ),
        "vitamin_xlarge_256": _VITAMIN_XLARGE_256,
        "vitamin_xlarge_336": _VITAMIN_XLARGE_256.replace(img_size=336),
        "vitamin_xlarge_384": _VITAMIN_XLARGE_256.replace(img_size=384),
    }
