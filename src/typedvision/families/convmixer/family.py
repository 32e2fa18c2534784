"""The ConvMixer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.convmixer.config import ConvMixerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.convmixer.model import ConvMixer


class ConvMixerFamily(ModelFamily[ConvMixerConfig, "ConvMixer"]):
    """Patches, then convolutions of one resolution."""

    key = "convmixer"
    title = "ConvMixer"
    paper = "https://arxiv.org/abs/2201.09792"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: ConvMixerConfig) -> ConvMixer:
        """The model, not initialised."""
        from typedvision.families.convmixer.model import ConvMixer

        return ConvMixer(cfg)

    @classmethod
    def parts(cls, cfg: ConvMixerConfig) -> Parts:
        """The projection of patches, and the classifier."""
        return Parts(first_conv=("stem.0",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "convmixer_1024_20_ks9_p14": ConvMixerConfig(dim=1024, depth=20, patch_size=14),
        "convmixer_1536_20": ConvMixerConfig(dim=1536, depth=20),
        "convmixer_768_32": ConvMixerConfig(dim=768, depth=32, kernel_size=7, act_layer="relu"),
    }
