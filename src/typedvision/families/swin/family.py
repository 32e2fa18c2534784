"""The Swin Transformer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.swin.config import SwinConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, RelativeTable

if TYPE_CHECKING:
    from typedvision.families.swin.model import SwinTransformer


class SwinFamily(ModelFamily[SwinConfig, "SwinTransformer"]):
    """Swin Transformers, and those of the S3 search."""

    key = "swin"
    title = "Swin Transformer"
    paper = "https://arxiv.org/abs/2103.14030"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: SwinConfig) -> SwinTransformer:
        """The model, not initialised."""
        from typedvision.families.swin.model import SwinTransformer

        return SwinTransformer(cfg)

    @classmethod
    def parts(cls, cfg: SwinConfig) -> Parts:
        """The projection of the patches, the classifier and each block's relative positions."""
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head.fc",),
            relative_tables=tuple(
                RelativeTable(
                    f"layers.{level}.blocks.{index}.attn.relative_position_bias_table",
                    block.window,
                )
                for level, stage in enumerate(cfg.plan().stages)
                for index, block in enumerate(stage.blocks)
            ),
            patch_kernels=("patch_embed.proj",),
            recomputed=("relative_position_index", "attn_mask"),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "swin_base_patch4_window12_384": SwinConfig(
            img_size=384,
            embed_dim=128,
            depths=(2, 2, 18, 2),
            num_heads=(4, 8, 16, 32),
            window_size=12,
        ),
        "swin_base_patch4_window7_224": SwinConfig(
            embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32)
        ),
        "swin_large_patch4_window12_384": SwinConfig(
            img_size=384,
            embed_dim=192,
            depths=(2, 2, 18, 2),
            num_heads=(6, 12, 24, 48),
            window_size=12,
        ),
        "swin_large_patch4_window7_224": SwinConfig(
            embed_dim=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48)
        ),
        "swin_s3_base_224": SwinConfig(depths=(2, 2, 30, 2), window_size=(7, 7, 14, 7)),
        "swin_s3_small_224": SwinConfig(depths=(2, 2, 18, 2), window_size=(14, 14, 14, 7)),
        "swin_s3_tiny_224": SwinConfig(window_size=(7, 7, 14, 7)),
        "swin_small_patch4_window7_224": SwinConfig(depths=(2, 2, 18, 2)),
        "swin_tiny_patch4_window7_224": SwinConfig(),
    }
