"""The family of the image encoders of Gemma 4: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.gemma4_vit.config import Gemma4VitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.gemma4_vit.model import Gemma4Vit

_SMALL = Gemma4VitConfig(num_classes=0, use_clipped_linears=True)
_LARGE = Gemma4VitConfig(
    num_classes=0,
    embed_dim=1152,
    depth=27,
    num_heads=16,
    head_dim=72,
    intermediate_size=4304,
    standardize=True,
)


class Gemma4VitFamily(ModelFamily[Gemma4VitConfig, "Gemma4Vit"]):
    """The image encoders of Gemma 4, and classifiers around them."""

    key = "gemma4_vit"
    title = "Gemma 4 vision encoder"
    paper = "https://ai.google.dev/gemma/docs"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple", global_pool=("", "avg")
    )

    @classmethod
    def build(cls, cfg: Gemma4VitConfig) -> Gemma4Vit:
        """The model, not initialised."""
        from typedvision.families.gemma4_vit.model import Gemma4VitClassifier, Gemma4VitEncoder

        return Gemma4VitEncoder(cfg) if cfg.encoder_only else Gemma4VitClassifier(cfg)

    @classmethod
    def parts(cls, cfg: Gemma4VitConfig) -> Parts:
        """The classifier; patches are projected by a linear layer, which stays as it is."""
        return Parts(first_conv=(), classifier=() if cfg.encoder_only else ("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "gemma4_vit_167m": _SMALL,
        "gemma4_vit_167m_enc": _SMALL.replace(encoder_only=True, global_pool="soft"),
        "gemma4_vit_570m": _LARGE,
        "gemma4_vit_570m_enc": _LARGE.replace(encoder_only=True, global_pool="soft"),
    }
