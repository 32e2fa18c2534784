"""The VOLO family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.volo.config import VoloConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.volo.model import Volo

_VOLO_D2_224 = VoloConfig(
    layers=(6, 4, 10, 4), embed_dims=(256, 512, 512, 512), num_heads=(8, 16, 16, 16)
)
_VOLO_D3_224 = VoloConfig(
    layers=(8, 8, 16, 4), embed_dims=(256, 512, 512, 512), num_heads=(8, 16, 16, 16)
)
_VOLO_D4_224 = VoloConfig(
    layers=(8, 8, 16, 4), embed_dims=(384, 768, 768, 768), num_heads=(12, 16, 16, 16)
)
_VOLO_D5_224 = VoloConfig(
    layers=(12, 12, 20, 4),
    embed_dims=(384, 768, 768, 768),
    num_heads=(12, 16, 16, 16),
    mlp_ratio=4.0,
    stem_hidden_dim=128,
)


class VoloFamily(ModelFamily[VoloConfig, "Volo"]):
    """Vision outlookers."""

    key = "volo"
    title = "VOLO"
    paper = "https://arxiv.org/abs/2106.13112"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("token", "avg")
    )

    @classmethod
    def build(cls, cfg: VoloConfig) -> Volo:
        """The model, not initialised."""
        from typedvision.families.volo.model import Volo

        return Volo(cfg)

    @classmethod
    def parts(cls, cfg: VoloConfig) -> Parts:
        """The first convolution, and the classifiers."""
        return Parts(
            first_conv=("patch_embed.conv.0",),
            classifier=("head", "aux_head") if cfg.use_aux_head else ("head",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "volo_d1_224": VoloConfig(),
        "volo_d1_384": VoloConfig(img_size=384),
        "volo_d2_224": _VOLO_D2_224,
        "volo_d2_384": _VOLO_D2_224.replace(img_size=384),
        "volo_d3_224": _VOLO_D3_224,
        "volo_d3_448": _VOLO_D3_224.replace(img_size=448),
        "volo_d4_224": _VOLO_D4_224,
        "volo_d4_448": _VOLO_D4_224.replace(img_size=448),
        "volo_d5_224": _VOLO_D5_224,
        "volo_d5_448": _VOLO_D5_224.replace(img_size=448),
        "volo_d5_512": _VOLO_D5_224.replace(img_size=512),
    }
