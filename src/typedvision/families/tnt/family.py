"""The TNT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.tnt.config import TNTConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.tnt.model import TNT


class TNTFamily(ModelFamily[TNTConfig, "TNT"]):
    """Transformers in transformers."""

    key = "tnt"
    title = "TNT"
    paper = "https://arxiv.org/abs/2103.00112"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "token", "avg")
    )

    @classmethod
    def build(cls, cfg: TNTConfig) -> TNT:
        """The model, not initialised."""
        from typedvision.families.tnt.model import TNT

        return TNT(cfg)

    @classmethod
    def parts(cls, cfg: TNTConfig) -> Parts:
        """The first convolution, the classifier and the positions of the patches."""
        return Parts(
            first_conv=("pixel_embed.proj",),
            classifier=("head",),
            position_tables=(PositionTable("patch_pos", cfg.plan().grid),),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "tnt_b_patch16_224": TNTConfig(embed_dim=640, inner_dim=40, depth=12, num_heads_outer=10),
        "tnt_s_legacy_patch16_224": TNTConfig(
            embed_dim=384, inner_dim=24, depth=12, num_heads_outer=6, legacy=True
        ),
        "tnt_s_patch16_224": TNTConfig(embed_dim=384, inner_dim=24, depth=12, num_heads_outer=6),
    }
