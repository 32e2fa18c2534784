"""The NaFlexViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.naflexvit.config import NaFlexVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.naflexvit.model import NaFlexVit


class NaFlexVitFamily(ModelFamily[NaFlexVitConfig, "NaFlexVit"]):
    """Vision Transformers for images of any aspect ratio."""

    key = "naflexvit"
    title = "NaFlexViT"
    paper = "https://arxiv.org/abs/2307.06304"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple", global_pool=("", "avg", "max", "avgmax", "map")
    )

    @classmethod
    def build(cls, cfg: NaFlexVitConfig) -> NaFlexVit:
        """The model, not initialised."""
        from typedvision.families.naflexvit.model import NaFlexVit

        return NaFlexVit(cfg)

    @classmethod
    def parts(cls, cfg: NaFlexVitConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        return Parts(
            first_conv=("embeds.proj",) if cfg.embed_proj_type == "conv" else (),
            classifier=("head",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "naflexvit_base_patch16_gap": NaFlexVitConfig(
            global_pool="avg", init_values=1e-05, reg_tokens=4, fc_norm=True
        ),
        "naflexvit_base_patch16_map": NaFlexVitConfig(init_values=1e-05, reg_tokens=1),
        "naflexvit_base_patch16_par_gap": NaFlexVitConfig(
            global_pool="avg",
            init_values=1e-05,
            reg_tokens=4,
            pos_embed_ar_preserving=True,
            fc_norm=True,
        ),
        "naflexvit_base_patch16_parfac_gap": NaFlexVitConfig(
            global_pool="avg",
            init_values=1e-05,
            reg_tokens=4,
            pos_embed="factorized",
            pos_embed_ar_preserving=True,
            fc_norm=True,
        ),
        "naflexvit_base_patch16_radio_v3": NaFlexVitConfig(
            img_size=512,
            num_classes=0,
            global_pool="token",
            init_values=1e-05,
            class_token=True,
            reg_tokens=7,
            pos_embed_grid_size=(128, 128),
            pos_embed_interp_mode="bilinear",
            pos_embed_ar_preserving=True,
            pos_embed_antialias=False,
            pos_embed_align_corners=True,
            final_norm=False,
        ),
        "naflexvit_base_patch16_siglip": NaFlexVitConfig(
            num_classes=0, pos_embed_interp_mode="bilinear", act_layer="gelu_tanh"
        ),
        "naflexvit_giant_patch16_radio_v3": NaFlexVitConfig(
            img_size=512,
            num_classes=0,
            global_pool="token",
            embed_dim=1536,
            depth=40,
            num_heads=24,
            class_token=True,
            reg_tokens=7,
            pos_embed_grid_size=(128, 128),
            pos_embed_interp_mode="bilinear",
            pos_embed_ar_preserving=True,
            pos_embed_antialias=False,
            final_norm=False,
        ),
        "naflexvit_huge_patch16_radio_v3": NaFlexVitConfig(
            img_size=512,
            num_classes=0,
            global_pool="token",
            embed_dim=1280,
            depth=32,
            num_heads=16,
            class_token=True,
            reg_tokens=7,
            pos_embed_grid_size=(128, 128),
            pos_embed_interp_mode="bilinear",
            pos_embed_ar_preserving=True,
            pos_embed_antialias=False,
            pos_embed_align_corners=True,
            final_norm=False,
        ),
        "naflexvit_huge_patch16_radio_v4": NaFlexVitConfig(
            img_size=512,
            num_classes=0,
            global_pool="token",
            embed_dim=1280,
            depth=32,
            num_heads=16,
            class_token=True,
            reg_tokens=9,
            pos_embed_grid_size=(128, 128),
            pos_embed_interp_mode="bilinear",
            pos_embed_ar_preserving=True,
            pos_embed_antialias=False,
            final_norm=False,
        ),
        "naflexvit_large_patch16_radio_v3": NaFlexVitConfig(
            img_size=512,
            num_classes=0,
            global_pool="token",
            embed_dim=1024,
            depth=24,
            num_heads=16,
            init_values=1e-05,
            class_token=True,
            reg_tokens=7,
            pos_embed_grid_size=(128, 128),
            pos_embed_interp_mode="bilinear",
            pos_embed_ar_preserving=True,
            pos_embed_antialias=False,
            final_norm=False,
        ),
        "naflexvit_so150m2_patch16_reg1_gap": NaFlexVitConfig(
            global_pool="avg",
            embed_dim=832,
            depth=21,
            num_heads=13,
            mlp_ratio=2.6153846153846154,
            qkv_bias=False,
            init_values=1e-05,
            reg_tokens=1,
            fc_norm=True,
        ),
        "naflexvit_so150m2_patch16_reg1_map": NaFlexVitConfig(
            embed_dim=832,
            depth=21,
            num_heads=13,
            mlp_ratio=2.6153846153846154,
            qkv_bias=False,
            init_values=1e-05,
            reg_tokens=1,
        ),
        "naflexvit_so400m_patch16_radio_v4": NaFlexVitConfig(
            img_size=512,
            num_classes=0,
            global_pool="token",
            embed_dim=1152,
            depth=27,
            num_heads=16,
            mlp_ratio=3.736111111111111,
            class_token=True,
            reg_tokens=9,
            pos_embed_grid_size=(128, 128),
            pos_embed_interp_mode="bilinear",
            pos_embed_ar_preserving=True,
            pos_embed_antialias=False,
            final_norm=False,
        ),
        "naflexvit_so400m_patch16_siglip": NaFlexVitConfig(
            num_classes=0,
            embed_dim=1152,
            depth=27,
            num_heads=16,
            mlp_ratio=3.7362,
            pos_embed_interp_mode="bilinear",
            act_layer="gelu_tanh",
        ),
    }
