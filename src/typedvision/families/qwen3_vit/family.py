"""The family of the image encoders of Qwen3-VL: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.qwen3_vit.config import Qwen3VitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.qwen3_vit.model import Qwen3Vit


class Qwen3VitFamily(ModelFamily[Qwen3VitConfig, "Qwen3Vit"]):
    """The image encoders of Qwen3-VL, and classifiers around them."""

    key = "qwen3_vit"
    title = "Qwen3-VL vision encoder"
    paper = "https://arxiv.org/abs/2511.21631"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple", global_pool=("", "avg")
    )

    @classmethod
    def build(cls, cfg: Qwen3VitConfig) -> Qwen3Vit:
        """The model, not initialised."""
        from typedvision.families.qwen3_vit.model import Qwen3VitClassifier, Qwen3VitEncoder

        return Qwen3VitEncoder(cfg) if cfg.encoder_only else Qwen3VitClassifier(cfg)

    @classmethod
    def parts(cls, cfg: Qwen3VitConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        prefix = "" if cfg.encoder_only else "encoder."
        return Parts(
            first_conv=(f"{prefix}patch_embed.proj",),
            classifier=() if cfg.encoder_only else ("head",),
            position_tables=(PositionTable(f"{prefix}pos_embed", cfg.grid),),
            patch_kernels=(f"{prefix}patch_embed.proj",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "qwen3_vit_88m": Qwen3VitConfig(
            num_classes=0, embed_dim=768, depth=12, num_heads=12, mlp_ratio=4.0
        ),
        "qwen3_vit_88m_enc": Qwen3VitConfig(
            num_classes=0,
            encoder_only=True,
            global_pool="merge",
            out_features=1024,
            embed_dim=768,
            depth=12,
            num_heads=12,
            mlp_ratio=4.0,
        ),
        "qwen3_vit_88m_merge": Qwen3VitConfig(
            num_classes=0,
            encoder_pool="merge",
            out_features=1024,
            embed_dim=768,
            depth=12,
            num_heads=12,
            mlp_ratio=4.0,
        ),
        "qwen3_vit_306m": Qwen3VitConfig(
            num_classes=0, embed_dim=1024, depth=24, num_heads=16, mlp_ratio=4.0
        ),
        "qwen3_vit_306m_enc": Qwen3VitConfig(
            num_classes=0,
            encoder_only=True,
            global_pool="merge",
            out_features=2048,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            mlp_ratio=4.0,
        ),
        "qwen3_vit_306m_merge": Qwen3VitConfig(
            num_classes=0,
            encoder_pool="merge",
            out_features=2048,
            embed_dim=1024,
            depth=24,
            num_heads=16,
            mlp_ratio=4.0,
        ),
        "qwen3_vit_416m": Qwen3VitConfig(num_classes=0),
        "qwen3_vit_416m_enc": Qwen3VitConfig(
            num_classes=0, encoder_only=True, global_pool="merge", out_features=5120
        ),
        "qwen3_vit_416m_merge": Qwen3VitConfig(
            num_classes=0, encoder_pool="merge", out_features=5120
        ),
    }
