"""The EfficientFormer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.efficientformer.config import EfficientFormerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.efficientformer.model import EfficientFormer


class EfficientFormerFamily(ModelFamily[EfficientFormerConfig, "EfficientFormer"]):
    """EfficientFormer."""

    key = "efficientformer"
    title = "EfficientFormer"
    paper = "https://arxiv.org/abs/2206.01191"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="fixed", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: EfficientFormerConfig) -> EfficientFormer:
        """The model, not initialised."""
        from typedvision.families.efficientformer.model import EfficientFormer

        return EfficientFormer(cfg)

    @classmethod
    def parts(cls, cfg: EfficientFormerConfig) -> Parts:
        """The stem's first convolution, and the classifiers."""
        return Parts(first_conv=("stem.conv1",), classifier=("head", "head_dist"))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "efficientformer_l1": EfficientFormerConfig(
            depths=(3, 2, 6, 4), embed_dims=(48, 96, 224, 448), num_vit=1
        ),
        "efficientformer_l3": EfficientFormerConfig(
            depths=(4, 4, 12, 6), embed_dims=(64, 128, 320, 512), num_vit=4
        ),
        "efficientformer_l7": EfficientFormerConfig(
            depths=(6, 6, 18, 8), embed_dims=(96, 192, 384, 768), num_vit=8
        ),
    }
