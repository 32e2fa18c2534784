"""The Swin Transformer V2 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.swinv2.config import SwinV2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.swinv2.model import SwinTransformerV2

_SMALL = SwinV2Config(img_size=256, depths=(2, 2, 18, 2))
_BASE = SwinV2Config(embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32))
_LARGE = SwinV2Config(embed_dim=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48))


class SwinV2Family(ModelFamily[SwinV2Config, "SwinTransformerV2"]):
    """Swin Transformers V2."""

    key = "swinv2"
    title = "Swin Transformer V2"
    paper = "https://arxiv.org/abs/2111.09883"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: SwinV2Config) -> SwinTransformerV2:
        """The model, not initialised."""
        from typedvision.families.swinv2.model import SwinTransformerV2

        return SwinTransformerV2(cfg)

    @classmethod
    def parts(cls, cfg: SwinV2Config) -> Parts:
        """The projection of the patches, and the classifier; distances are computed."""
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head.fc",),
            patch_kernels=("patch_embed.proj",),
            recomputed=(
                "relative_position_index",
                "relative_coords_table",
                "attn_mask",
                "k_bias",
            ),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "swinv2_base_window12_192": _BASE.replace(num_classes=21841, img_size=192, window_size=12),
        "swinv2_base_window12to16_192to256": _BASE.replace(
            img_size=256, window_size=16, pretrained_window_sizes=(12, 12, 12, 6)
        ),
        "swinv2_base_window12to24_192to384": _BASE.replace(
            img_size=384, window_size=24, pretrained_window_sizes=(12, 12, 12, 6)
        ),
        "swinv2_base_window16_256": _BASE.replace(img_size=256, window_size=16),
        "swinv2_base_window8_256": _BASE.replace(img_size=256, window_size=8),
        "swinv2_large_window12_192": _LARGE.replace(
            num_classes=21841, img_size=192, window_size=12
        ),
        "swinv2_large_window12to16_192to256": _LARGE.replace(
            img_size=256, window_size=16, pretrained_window_sizes=(12, 12, 12, 6)
        ),
        "swinv2_large_window12to24_192to384": _LARGE.replace(
            img_size=384, window_size=24, pretrained_window_sizes=(12, 12, 12, 6)
        ),
        "swinv2_small_window16_256": _SMALL.replace(window_size=16),
        "swinv2_small_window8_256": _SMALL.replace(window_size=8),
        "swinv2_tiny_window16_256": SwinV2Config(img_size=256, window_size=16),
        "swinv2_tiny_window8_256": SwinV2Config(img_size=256, window_size=8),
    }
