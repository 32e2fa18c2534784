"""The ConViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.convit.config import ConVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.convit.model import ConVit


class ConVitFamily(ModelFamily[ConVitConfig, "ConVit"]):
    """Vision Transformers that look around like convolutions at first."""

    key = "convit"
    title = "ConViT"
    paper = "https://arxiv.org/abs/2103.10697"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "token", "avg")
    )

    @classmethod
    def build(cls, cfg: ConVitConfig) -> ConVit:
        """The model, not initialised."""
        from typedvision.families.convit.model import ConVit

        return ConVit(cfg)

    @classmethod
    def parts(cls, cfg: ConVitConfig) -> Parts:
        """The projection of the patches, the classifier and the position table."""
        table = PositionTable("pos_embed", cfg.plan().grid)
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head",),
            position_tables=(table,) if cfg.use_pos_embed else (),
            patch_kernels=("patch_embed.proj",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "convit_base": ConVitConfig(num_heads=16, local_up_to_layer=10),
        "convit_small": ConVitConfig(num_heads=9, local_up_to_layer=10),
        "convit_tiny": ConVitConfig(num_heads=4, local_up_to_layer=10),
    }
