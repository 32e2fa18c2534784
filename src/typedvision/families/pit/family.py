"""The PiT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.pit.config import PitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.pit.model import PoolingVisionTransformer

_PIT_B_224 = PitConfig(
    patch_size=14, stride=7, base_dims=(64, 64, 64), depth=(3, 6, 4), heads=(4, 8, 16)
)
_PIT_S_224 = PitConfig(heads=(3, 6, 12))
_PIT_TI_224 = PitConfig(base_dims=(32, 32, 32))


class PitFamily(ModelFamily[PitConfig, "PoolingVisionTransformer"]):
    """Vision Transformers with pooling between stages."""

    key = "pit"
    title = "PiT"
    paper = "https://arxiv.org/abs/2103.16302"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "token")
    )

    @classmethod
    def build(cls, cfg: PitConfig) -> PoolingVisionTransformer:
        """The model, not initialised."""
        from typedvision.families.pit.model import PoolingVisionTransformer

        return PoolingVisionTransformer(cfg)

    @classmethod
    def parts(cls, cfg: PitConfig) -> Parts:
        """The projection of the patches, and the classifiers."""
        return Parts(
            first_conv=("patch_embed.conv",),
            classifier=("head", "head_dist") if cfg.distilled else ("head",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "pit_b_224": _PIT_B_224,
        "pit_b_distilled_224": _PIT_B_224.replace(distilled=True),
        "pit_s_224": _PIT_S_224,
        "pit_s_distilled_224": _PIT_S_224.replace(distilled=True),
        "pit_ti_224": _PIT_TI_224,
        "pit_ti_distilled_224": _PIT_TI_224.replace(distilled=True),
        "pit_xs_224": PitConfig(),
        "pit_xs_distilled_224": PitConfig(distilled=True),
    }
