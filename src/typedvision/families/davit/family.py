"""The DaViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.davit.config import DaViTConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.davit.model import DaViT

_BASE = DaViTConfig(depths=(1, 1, 9, 1), embed_dims=(128, 256, 512, 1024), num_heads=(4, 8, 16, 32))
_HUGE = DaViTConfig(
    depths=(1, 1, 9, 1), embed_dims=(256, 512, 1024, 2048), num_heads=(8, 16, 32, 64)
)


class DaViTFamily(ModelFamily[DaViTConfig, "DaViT"]):
    """DaViT, and the image encoders of Florence-2."""

    key = "davit"
    title = "DaViT"
    paper = "https://arxiv.org/abs/2204.03645"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: DaViTConfig) -> DaViT:
        """The model, not initialised."""
        from typedvision.families.davit.model import DaViT

        return DaViT(cfg)

    @classmethod
    def parts(cls, cfg: DaViTConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "davit_base": _BASE,
        "davit_base_fl": _BASE.replace(
            num_classes=0,
            window_size=12,
            down_kernel_size=3,
            channel_attn_v2=True,
            named_blocks=True,
        ),
        "davit_giant": DaViTConfig(
            depths=(1, 1, 12, 3), embed_dims=(384, 768, 1536, 3072), num_heads=(12, 24, 48, 96)
        ),
        "davit_huge": _HUGE,
        "davit_huge_fl": _HUGE.replace(
            num_classes=0,
            window_size=12,
            down_kernel_size=3,
            channel_attn_v2=True,
            named_blocks=True,
        ),
        "davit_large": DaViTConfig(
            depths=(1, 1, 9, 1), embed_dims=(192, 384, 768, 1536), num_heads=(6, 12, 24, 48)
        ),
        "davit_small": DaViTConfig(depths=(1, 1, 9, 1)),
        "davit_tiny": DaViTConfig(),
    }
