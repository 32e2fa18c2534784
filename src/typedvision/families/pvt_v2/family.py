"""The PVT V2 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.pvt_v2.config import PvtV2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.pvt_v2.model import PyramidVisionTransformerV2

_B2 = PvtV2Config(embed_dims=(64, 128, 320, 512), num_heads=(1, 2, 5, 8))


class PvtV2Family(ModelFamily[PvtV2Config, "PyramidVisionTransformerV2"]):
    """Pyramid Vision Transformers V2."""

    key = "pvt_v2"
    title = "PVT V2"
    paper = "https://arxiv.org/abs/2106.13797"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: PvtV2Config) -> PyramidVisionTransformerV2:
        """The model, not initialised."""
        from typedvision.families.pvt_v2.model import PyramidVisionTransformerV2

        return PyramidVisionTransformerV2(cfg)

    @classmethod
    def parts(cls, cfg: PvtV2Config) -> Parts:
        """The projection of the patches, and the classifier."""
        return Parts(first_conv=("patch_embed.proj",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "pvt_v2_b0": _B2.replace(depths=(2, 2, 2, 2), embed_dims=(32, 64, 160, 256)),
        "pvt_v2_b1": _B2.replace(depths=(2, 2, 2, 2)),
        "pvt_v2_b2": _B2,
        "pvt_v2_b2_li": _B2.replace(linear=True),
        "pvt_v2_b3": _B2.replace(depths=(3, 4, 18, 3)),
        "pvt_v2_b4": _B2.replace(depths=(3, 8, 27, 3)),
        "pvt_v2_b5": _B2.replace(depths=(3, 6, 40, 3), mlp_ratios=(4.0, 4.0, 4.0, 4.0)),
    }
