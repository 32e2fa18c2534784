"""The family of SAM's image encoders: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.vit_sam.config import ViTSamConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.vit_sam.model import VisionTransformerSAM


class ViTSamFamily(ModelFamily[ViTSamConfig, "VisionTransformerSAM"]):
    """Image encoders of Segment Anything."""

    key = "vit_sam"
    title = "SAM Vision Transformer"
    paper = "https://arxiv.org/abs/2304.02643"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: ViTSamConfig) -> VisionTransformerSAM:
        """The model, not initialised."""
        from typedvision.families.vit_sam.model import VisionTransformerSAM

        return VisionTransformerSAM(cfg)

    @classmethod
    def parts(cls, cfg: ViTSamConfig) -> Parts:
        """The projection of the patches and the classifier."""
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head.fc",),
            patch_kernels=("patch_embed.proj",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "samvit_base_patch16": ViTSamConfig(
            num_classes=0,
            embed_dim=768,
            depth=12,
            num_heads=12,
            use_rel_pos=True,
            global_attn_indexes=(2, 5, 8, 11),
        ),
        "samvit_base_patch16_224": ViTSamConfig(
            img_size=224,
            embed_dim=768,
            depth=12,
            num_heads=12,
            use_abs_pos=False,
            use_rel_pos=True,
            global_attn_indexes=(2, 5, 8, 11),
            neck_chans=None,
        ),
        "samvit_huge_patch16": ViTSamConfig(
            num_classes=0,
            embed_dim=1280,
            depth=32,
            num_heads=16,
            use_rel_pos=True,
            global_attn_indexes=(7, 15, 23, 31),
        ),
        "samvit_large_patch16": ViTSamConfig(
            num_classes=0,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            use_rel_pos=True,
            global_attn_indexes=(5, 11, 17, 23),
        ),
    }
