"""The relative position Vision Transformer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.vit_relpos.config import ViTRelPosConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, RelativeTable

if TYPE_CHECKING:
    from typedvision.families.vit_relpos.model import VisionTransformerRelPos

_BASE_PATCH16 = ViTRelPosConfig(qkv_bias=False)
_MEDIUM_PATCH16 = ViTRelPosConfig(embed_dim=512, num_heads=8, qkv_bias=False)
_SMALL_PATCH16 = ViTRelPosConfig(embed_dim=384, num_heads=6, qkv_bias=False)


class ViTRelPosFamily(ModelFamily[ViTRelPosConfig, "VisionTransformerRelPos"]):
    """Vision Transformers that attend by the distance of patches."""

    key = "vit_relpos"
    title = "Relative Position Vision Transformer"
    paper = "https://arxiv.org/abs/2111.09883"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="fixed", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: ViTRelPosConfig) -> VisionTransformerRelPos:
        """The model, not initialised."""
        from typedvision.families.vit_relpos.model import VisionTransformerRelPos

        return VisionTransformerRelPos(cfg)

    @classmethod
    def parts(cls, cfg: ViTRelPosConfig) -> Parts:
        """The projection of the patches, the classifier and the tables of learned biases."""
        own = [f"blocks.{index}.attn.rel_pos" for index in range(cfg.depth)]
        owners = ["shared_rel_pos"] if cfg.shared_rel_pos else own
        learned = owners if cfg.rel_pos_type == "bias" else []
        grid = cfg.plan().grid
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head",),
            relative_tables=tuple(
                RelativeTable(f"{owner}.relative_position_bias_table", grid) for owner in learned
            ),
            patch_kernels=("patch_embed.proj",),
            recomputed=("relative_position_index", "rel_coords_log"),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "test_vit_relpos": ViTRelPosConfig(
            img_size=160,
            embed_dim=96,
            depth=9,
            num_heads=3,
            mlp_ratio=2,
            qkv_bias=False,
            fc_norm=True,
        ),
        "vit_relpos_base_patch16_224": _BASE_PATCH16.replace(fc_norm=True),
        "vit_relpos_base_patch16_cls_224": _BASE_PATCH16.replace(
            global_pool="token", class_token=True
        ),
        "vit_relpos_base_patch16_clsgap_224": _BASE_PATCH16.replace(class_token=True, fc_norm=True),
        "vit_relpos_base_patch16_plus_240": ViTRelPosConfig(
            img_size=240, embed_dim=896, num_heads=14
        ),
        "vit_relpos_base_patch16_rpn_224": _BASE_PATCH16.replace(block_fn="res_post"),
        "vit_relpos_base_patch32_plus_rpn_256": ViTRelPosConfig(
            img_size=256, patch_size=32, embed_dim=896, num_heads=14, block_fn="res_post"
        ),
        "vit_relpos_medium_patch16_224": _MEDIUM_PATCH16.replace(fc_norm=True),
        "vit_relpos_medium_patch16_cls_224": _MEDIUM_PATCH16.replace(
            global_pool="token", class_token=True, rel_pos_dim=256
        ),
        "vit_relpos_medium_patch16_rpn_224": _MEDIUM_PATCH16.replace(block_fn="res_post"),
        "vit_relpos_small_patch16_224": _SMALL_PATCH16.replace(fc_norm=True),
        "vit_relpos_small_patch16_rpn_224": _SMALL_PATCH16.replace(block_fn="res_post"),
        "vit_srelpos_medium_patch16_224": _MEDIUM_PATCH16.replace(
            rel_pos_dim=512, shared_rel_pos=True
        ),
        "vit_srelpos_small_patch16_224": _SMALL_PATCH16.replace(
            rel_pos_dim=384, shared_rel_pos=True
        ),
    }
