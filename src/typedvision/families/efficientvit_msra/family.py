"""The EfficientViT family of Microsoft: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, get_args

from typedvision.config.base import ModelConfig
from typedvision.config.names import ConvPoolName
from typedvision.families.efficientvit_msra.config import EfficientVitMsraConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.efficientvit_msra.model import EfficientVitMsra


class EfficientVitMsraFamily(ModelFamily[EfficientVitMsraConfig, "EfficientVitMsra"]):
    """EfficientViT of Microsoft, with cascaded group attention."""

    key = "efficientvit_msra"
    title = "EfficientViT (MSRA)"
    paper = "https://arxiv.org/abs/2305.07027"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=get_args(ConvPoolName)
    )

    @classmethod
    def build(cls, cfg: EfficientVitMsraConfig) -> EfficientVitMsra:
        """The model, not initialised."""
        from typedvision.families.efficientvit_msra.model import EfficientVitMsra

        return EfficientVitMsra(cfg)

    @classmethod
    def parts(cls, cfg: EfficientVitMsraConfig) -> Parts:
        """The first convolution, the classifier, and the tables of the windows' distances."""
        return Parts(
            first_conv=("patch_embed.conv1.conv",),
            classifier=("head.linear" if cfg.num_classes else "head",),
            distance_tables=tuple(
                f"stages.{level}.blocks.{index}.mixer.m.attn.attention_biases"
                for level, stage in enumerate(cfg.plan())
                for index in range(stage.depth)
            ),
            recomputed=("attention_bias_idxs",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "efficientvit_m0": EfficientVitMsraConfig(
            embed_dim=(64, 128, 192),
            depth=(1, 2, 3),
            num_heads=(4, 4, 4),
            kernels=(5, 5, 5, 5),
        ),
        "efficientvit_m1": EfficientVitMsraConfig(
            embed_dim=(128, 144, 192),
            depth=(1, 2, 3),
            num_heads=(2, 3, 3),
            kernels=(7, 5, 3, 3),
        ),
        "efficientvit_m2": EfficientVitMsraConfig(
            embed_dim=(128, 192, 224),
            depth=(1, 2, 3),
            num_heads=(4, 3, 2),
            kernels=(7, 5, 3, 3),
        ),
        "efficientvit_m3": EfficientVitMsraConfig(
            embed_dim=(128, 240, 320),
            depth=(1, 2, 3),
            num_heads=(4, 3, 4),
            kernels=(5, 5, 5, 5),
        ),
        "efficientvit_m4": EfficientVitMsraConfig(
            embed_dim=(128, 256, 384),
            depth=(1, 2, 3),
            num_heads=(4, 4, 4),
            kernels=(7, 5, 3, 3),
        ),
        "efficientvit_m5": EfficientVitMsraConfig(
            embed_dim=(192, 288, 384),
            depth=(1, 3, 4),
            num_heads=(3, 3, 4),
            kernels=(7, 5, 3, 3),
        ),
    }
