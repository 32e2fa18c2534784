"""The CaiT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.cait.config import CaitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.cait.model import Cait

_CAIT_S24_224 = CaitConfig(embed_dim=384, depth=24, num_heads=8, init_values=1e-5)
_CAIT_XXS24_224 = CaitConfig(embed_dim=192, depth=24, num_heads=4, init_values=1e-5)
_CAIT_XXS36_224 = CaitConfig(embed_dim=192, depth=36, num_heads=4, init_values=1e-5)


class CaitFamily(ModelFamily[CaitConfig, "Cait"]):
    """Deep Vision Transformers with class attention."""

    key = "cait"
    title = "CaiT"
    paper = "https://arxiv.org/abs/2103.17239"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "token", "avg")
    )

    @classmethod
    def build(cls, cfg: CaitConfig) -> Cait:
        """The model, not initialised."""
        from typedvision.families.cait.model import Cait

        return Cait(cfg)

    @classmethod
    def parts(cls, cfg: CaitConfig) -> Parts:
        """The projection of the patches, the classifier and the position table."""
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head",),
            position_tables=(PositionTable("pos_embed", cfg.plan().grid),),
            patch_kernels=("patch_embed.proj",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "cait_m36_384": CaitConfig(img_size=384, depth=36, num_heads=16, init_values=1e-6),
        "cait_m48_448": CaitConfig(img_size=448, depth=48, num_heads=16, init_values=1e-6),
        "cait_s24_224": _CAIT_S24_224,
        "cait_s24_384": _CAIT_S24_224.replace(img_size=384),
        "cait_s36_384": CaitConfig(
            img_size=384, embed_dim=384, depth=36, num_heads=8, init_values=1e-6
        ),
        "cait_xs24_384": CaitConfig(
            img_size=384, embed_dim=288, depth=24, num_heads=6, init_values=1e-5
        ),
        "cait_xxs24_224": _CAIT_XXS24_224,
        "cait_xxs24_384": _CAIT_XXS24_224.replace(img_size=384),
        "cait_xxs36_224": _CAIT_XXS36_224,
        "cait_xxs36_384": _CAIT_XXS36_224.replace(img_size=384),
    }
