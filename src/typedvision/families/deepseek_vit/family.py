"""The family of DeepSeek's image encoders: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.deepseek_vit.config import DeepseekVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.deepseek_vit.model import DeepseekVit


class DeepseekVitFamily(ModelFamily[DeepseekVitConfig, "DeepseekVit"]):
    """DeepSeek's image encoders, and classifiers around them."""

    key = "deepseek_vit"
    title = "DeepSeek vision encoder"
    paper = "https://arxiv.org/abs/2412.10302"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple", global_pool=("", "avg")
    )

    @classmethod
    def build(cls, cfg: DeepseekVitConfig) -> DeepseekVit:
        """The model, not initialised."""
        from typedvision.families.deepseek_vit.model import (
            DeepseekVitClassifier,
            DeepseekVitEncoder,
        )

        return DeepseekVitEncoder(cfg) if cfg.encoder_only else DeepseekVitClassifier(cfg)

    @classmethod
    def parts(cls, cfg: DeepseekVitConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        prefix = "" if cfg.encoder_only else "encoder."
        return Parts(
            first_conv=(f"{prefix}patch_embed.proj",),
            classifier=() if cfg.encoder_only else ("head",),
            patch_kernels=(f"{prefix}patch_embed.proj",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "deepseek_vit_412m": DeepseekVitConfig(num_classes=0),
        "deepseek_vit_412m_align": DeepseekVitConfig(
            num_classes=0, encoder_pool="align", out_features=5120
        ),
        "deepseek_vit_412m_enc": DeepseekVitConfig(
            num_classes=0, encoder_only=True, global_pool="align", out_features=5120
        ),
    }
