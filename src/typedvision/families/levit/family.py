"""The LeViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.levit.config import LevitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.levit.model import Levit


class LevitFamily(ModelFamily[LevitConfig, "Levit"]):
    """LeViT, of linear layers or of 1x1 convolutions."""

    key = "levit"
    title = "LeViT"
    paper = "https://arxiv.org/abs/2104.01136"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="fixed", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: LevitConfig) -> Levit:
        """The model, not initialised."""
        from typedvision.families.levit.model import Levit

        return Levit(cfg)

    @classmethod
    def parts(cls, cfg: LevitConfig) -> Parts:
        """The stem's first convolution, and the classifiers."""
        inside = "" if cfg.inference_mode else ".linear"
        last = inside if cfg.num_classes else ""
        return Parts(
            first_conv=(f"stem.conv1{inside}",),
            classifier=(f"head{last}", f"head_dist{last}") if cfg.distilled else (f"head{last}",),
            recomputed=("attention_bias_idxs",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "levit_128": LevitConfig(
            embed_dim=(128, 256, 384),
            key_dim=16,
            num_heads=(4, 8, 12),
            depth=(4, 4, 4),
            distilled=True,
        ),
        "levit_128s": LevitConfig(
            embed_dim=(128, 256, 384),
            key_dim=16,
            num_heads=(4, 6, 8),
            depth=(2, 3, 4),
            distilled=True,
        ),
        "levit_192": LevitConfig(
            embed_dim=(192, 288, 384),
            key_dim=32,
            num_heads=(3, 5, 6),
            depth=(4, 4, 4),
            distilled=True,
        ),
        "levit_256": LevitConfig(
            embed_dim=(256, 384, 512),
            key_dim=32,
            num_heads=(4, 6, 8),
            depth=(4, 4, 4),
            distilled=True,
        ),
        "levit_256d": LevitConfig(
            embed_dim=(256, 384, 512),
            key_dim=32,
            num_heads=(4, 6, 8),
            depth=(4, 8, 6),
            act_layer="silu",
        ),
        "levit_384": LevitConfig(
            embed_dim=(384, 512, 768),
            key_dim=32,
            num_heads=(6, 9, 12),
            depth=(4, 4, 4),
            distilled=True,
        ),
        "levit_384_s8": LevitConfig(
            embed_dim=(384, 512, 768),
            key_dim=32,
            num_heads=(6, 9, 12),
            depth=(4, 4, 4),
            act_layer="silu",
            stem_type="s8",
            distilled=True,
        ),
        "levit_512": LevitConfig(
            embed_dim=(512, 768, 1024),
            key_dim=64,
            num_heads=(8, 12, 16),
            depth=(4, 4, 4),
            act_layer="silu",
        ),
        "levit_512_s8": LevitConfig(
            embed_dim=(512, 640, 896),
            key_dim=64,
            num_heads=(8, 10, 14),
            depth=(4, 4, 4),
            act_layer="silu",
            stem_type="s8",
        ),
        "levit_512d": LevitConfig(
            embed_dim=(512, 640, 768),
            key_dim=64,
            num_heads=(8, 10, 12),
            depth=(4, 8, 6),
            act_layer="silu",
        ),
        "levit_conv_128": LevitConfig(
            embed_dim=(128, 256, 384),
            key_dim=16,
            num_heads=(4, 8, 12),
            depth=(4, 4, 4),
            use_conv=True,
            distilled=True,
        ),
        "levit_conv_128s": LevitConfig(
            embed_dim=(128, 256, 384),
            key_dim=16,
            num_heads=(4, 6, 8),
            depth=(2, 3, 4),
            use_conv=True,
            distilled=True,
        ),
        "levit_conv_192": LevitConfig(
            embed_dim=(192, 288, 384),
            key_dim=32,
            num_heads=(3, 5, 6),
            depth=(4, 4, 4),
            use_conv=True,
            distilled=True,
        ),
        "levit_conv_256": LevitConfig(
            embed_dim=(256, 384, 512),
            key_dim=32,
            num_heads=(4, 6, 8),
            depth=(4, 4, 4),
            use_conv=True,
            distilled=True,
        ),
        "levit_conv_256d": LevitConfig(
            embed_dim=(256, 384, 512),
            key_dim=32,
            num_heads=(4, 6, 8),
            depth=(4, 8, 6),
            act_layer="silu",
            use_conv=True,
        ),
        "levit_conv_384": LevitConfig(
            embed_dim=(384, 512, 768),
            key_dim=32,
            num_heads=(6, 9, 12),
            depth=(4, 4, 4),
            use_conv=True,
            distilled=True,
        ),
        "levit_conv_384_s8": LevitConfig(
            embed_dim=(384, 512, 768),
            key_dim=32,
            num_heads=(6, 9, 12),
            depth=(4, 4, 4),
            act_layer="silu",
            stem_type="s8",
            use_conv=True,
            distilled=True,
        ),
        "levit_conv_512": LevitConfig(
            embed_dim=(512, 768, 1024),
            key_dim=64,
            num_heads=(8, 12, 16),
            depth=(4, 4, 4),
            act_layer="silu",
            use_conv=True,
        ),
        "levit_conv_512_s8": LevitConfig(
            embed_dim=(512, 640, 896),
            key_dim=64,
            num_heads=(8, 10, 14),
            depth=(4, 4, 4),
            act_layer="silu",
            stem_type="s8",
            use_conv=True,
        ),
        "levit_conv_512d": LevitConfig(
            embed_dim=(512, 640, 768),
            key_dim=64,
            num_heads=(8, 10, 12),
            depth=(4, 8, 6),
            act_layer="silu",
            use_conv=True,
        ),
    }
