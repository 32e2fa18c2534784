"""The Twins family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.twins.config import TwinsConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.twins.model import Twins

_PCPVT = TwinsConfig(
    embed_dims=(64, 128, 320, 512), num_heads=(1, 2, 5, 8), mlp_ratios=(8.0, 8.0, 4.0, 4.0)
)
_SVT = TwinsConfig(num_heads=(2, 4, 8, 16), depths=(2, 2, 10, 4), wss=(7, 7, 7, 7))


class TwinsFamily(ModelFamily[TwinsConfig, "Twins"]):
    """Twins: PCPVT, which attends to smaller maps, and SVT, which attends to windows, too."""

    key = "twins"
    title = "Twins"
    paper = "https://arxiv.org/abs/2104.13840"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: TwinsConfig) -> Twins:
        """The model, not initialised."""
        from typedvision.families.twins.model import Twins

        return Twins(cfg)

    @classmethod
    def parts(cls, cfg: TwinsConfig) -> Parts:
        """The projection of the first patches, and the classifier."""
        return Parts(first_conv=("patch_embeds.0.proj",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "twins_pcpvt_base": _PCPVT.replace(depths=(3, 4, 18, 3)),
        "twins_pcpvt_large": _PCPVT.replace(depths=(3, 8, 27, 3)),
        "twins_pcpvt_small": _PCPVT,
        "twins_svt_base": _SVT.replace(
            embed_dims=(96, 192, 384, 768), num_heads=(3, 6, 12, 24), depths=(2, 2, 18, 2)
        ),
        "twins_svt_large": _SVT.replace(
            embed_dims=(128, 256, 512, 1024), num_heads=(4, 8, 16, 32), depths=(2, 2, 18, 2)
        ),
        "twins_svt_small": _SVT,
    }
