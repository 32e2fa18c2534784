"""The EfficientFormerV2 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.efficientformer_v2.config import EfficientFormerV2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.efficientformer_v2.model import EfficientFormerV2


class EfficientFormerV2Family(ModelFamily[EfficientFormerV2Config, "EfficientFormerV2"]):
    """EfficientFormerV2."""

    key = "efficientformer_v2"
    title = "EfficientFormerV2"
    paper = "https://arxiv.org/abs/2212.08059"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="fixed", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: EfficientFormerV2Config) -> EfficientFormerV2:
        """The model, not initialised."""
        from typedvision.families.efficientformer_v2.model import EfficientFormerV2

        return EfficientFormerV2(cfg)

    @classmethod
    def parts(cls, cfg: EfficientFormerV2Config) -> Parts:
        """The stem's first convolution, and the classifiers."""
        return Parts(
            first_conv=("stem.conv1.conv",),
            classifier=("head", "head_dist") if cfg.distillation else ("head",),
            recomputed=("attention_bias_idxs",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "efficientformerv2_l": EfficientFormerV2Config(
            depths=(5, 5, 15, 10),
            embed_dims=(40, 80, 192, 384),
            mlp_ratios=(
                4,
                4,
                (4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4),
                (4, 4, 4, 3, 3, 3, 3, 4, 4, 4),
            ),
            num_vit=6,
            drop_path_rate=0.1,
        ),
        "efficientformerv2_s0": EfficientFormerV2Config(
            depths=(2, 2, 6, 4),
            embed_dims=(32, 48, 96, 176),
            mlp_ratios=(4, 4, (4, 3, 3, 3, 4, 4), (4, 3, 3, 4)),
            num_vit=2,
        ),
        "efficientformerv2_s1": EfficientFormerV2Config(
            depths=(3, 3, 9, 6),
            embed_dims=(32, 48, 120, 224),
            mlp_ratios=(4, 4, (4, 4, 3, 3, 3, 3, 4, 4, 4), (4, 4, 3, 3, 4, 4)),
            num_vit=2,
        ),
        "efficientformerv2_s2": EfficientFormerV2Config(
            depths=(4, 4, 12, 8),
            embed_dims=(32, 64, 144, 288),
            mlp_ratios=(
                4,
                4,
                (4, 4, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4),
                (4, 4, 3, 3, 3, 3, 4, 4),
            ),
            num_vit=4,
            drop_path_rate=0.02,
        ),
    }
