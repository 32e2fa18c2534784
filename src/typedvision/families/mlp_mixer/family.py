"""The MLP-Mixer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.mlp_mixer.config import MlpMixerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.mlp_mixer.model import MlpMixer

_GMIXER = MlpMixerConfig(embed_dim=384, mlp_ratio=(1.0, 4.0), mlp_layer="glu", act_layer="silu")
_GMLP = MlpMixerConfig(
    num_blocks=30, mlp_ratio=6.0, block_layer="spatial_gating", mlp_layer="gated"
)
_RESMLP = MlpMixerConfig(embed_dim=384, mlp_ratio=4.0, block_layer="res", norm_layer="affine")


class MlpMixerFamily(ModelFamily[MlpMixerConfig, "MlpMixer"]):
    """MLP-Mixer, ResMLP and gMLP."""

    key = "mlp_mixer"
    title = "MLP-Mixer"
    paper = "https://arxiv.org/abs/2105.01601"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="fixed", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: MlpMixerConfig) -> MlpMixer:
        """The model, not initialised."""
        from typedvision.families.mlp_mixer.model import MlpMixer

        return MlpMixer(cfg)

    @classmethod
    def parts(cls, cfg: MlpMixerConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        return Parts(first_conv=("stem.proj",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "gmixer_12_224": _GMIXER.replace(num_blocks=12),
        "gmixer_24_224": _GMIXER.replace(num_blocks=24),
        "gmlp_b16_224": _GMLP,
        "gmlp_s16_224": _GMLP.replace(embed_dim=256),
        "gmlp_ti16_224": _GMLP.replace(embed_dim=128),
        "mixer_b16_224": MlpMixerConfig(num_blocks=12, embed_dim=768),
        "mixer_b32_224": MlpMixerConfig(patch_size=32, num_blocks=12, embed_dim=768),
        "mixer_l16_224": MlpMixerConfig(num_blocks=24, embed_dim=1024),
        "mixer_l32_224": MlpMixerConfig(patch_size=32, num_blocks=24, embed_dim=1024),
        "mixer_s16_224": MlpMixerConfig(),
        "mixer_s32_224": MlpMixerConfig(patch_size=32),
        "resmlp_12_224": _RESMLP.replace(num_blocks=12),
        "resmlp_24_224": _RESMLP.replace(num_blocks=24, init_values=1e-5),
        "resmlp_36_224": _RESMLP.replace(num_blocks=36, init_values=1e-6),
        "resmlp_big_24_224": _RESMLP.replace(
            patch_size=8, num_blocks=24, embed_dim=768, init_values=1e-6
        ),
    }
