"""The EfficientViT family of MIT: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.efficientvit_mit.config import EfficientVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.efficientvit_mit.model import EfficientVit


class EfficientVitFamily(ModelFamily[EfficientVitConfig, "EfficientVit"]):
    """EfficientViT of MIT, with linear attention over several scales."""

    key = "efficientvit_mit"
    title = "EfficientViT (MIT)"
    paper = "https://arxiv.org/abs/2205.14756"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: EfficientVitConfig) -> EfficientVit:
        """The model, not initialised."""
        from typedvision.families.efficientvit_mit.model import EfficientVit

        return EfficientVit(cfg)

    @classmethod
    def parts(cls, cfg: EfficientVitConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=("stem.in_conv.conv",), classifier=("head.classifier.4",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "efficientvit_b0": EfficientVitConfig(
            widths=(8, 16, 32, 64, 128),
            depths=(1, 2, 2, 2, 2),
            head_dim=16,
            head_widths=(1024, 1280),
        ),
        "efficientvit_b1": EfficientVitConfig(
            widths=(16, 32, 64, 128, 256),
            depths=(1, 2, 3, 3, 4),
            head_dim=16,
            head_widths=(1536, 1600),
        ),
        "efficientvit_b2": EfficientVitConfig(
            widths=(24, 48, 96, 192, 384),
            depths=(1, 3, 4, 4, 6),
            head_dim=32,
            head_widths=(2304, 2560),
        ),
        "efficientvit_b3": EfficientVitConfig(
            widths=(32, 64, 128, 256, 512),
            depths=(1, 4, 6, 6, 9),
            head_dim=32,
            head_widths=(2304, 2560),
        ),
        "efficientvit_l1": EfficientVitConfig(
            large=True,
            widths=(32, 64, 128, 256, 512),
            depths=(1, 1, 1, 6, 6),
            head_dim=32,
            act_layer="gelu_tanh",
            norm_eps=1e-7,
            head_widths=(3072, 3200),
        ),
        "efficientvit_l2": EfficientVitConfig(
            large=True,
            widths=(32, 64, 128, 256, 512),
            depths=(1, 2, 2, 8, 8),
            head_dim=32,
            act_layer="gelu_tanh",
            norm_eps=1e-7,
            head_widths=(3072, 3200),
        ),
        "efficientvit_l3": EfficientVitConfig(
            large=True,
            widths=(64, 128, 256, 512, 1024),
            depths=(1, 2, 2, 8, 8),
            head_dim=32,
            act_layer="gelu_tanh",
            norm_eps=1e-7,
            head_widths=(6144, 6400),
        ),
    }
