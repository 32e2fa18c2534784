"""The Visformer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.visformer.config import VisformerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.visformer.model import Visformer

_SMALL = VisformerConfig(
    depth=(7, 4, 4),
    attn_stage="011",
    spatial_conv="100",
    norm_layer="batchnorm2d",
    conv_init=True,
    embed_norm="batchnorm2d",
)


class VisformerFamily(ModelFamily[VisformerConfig, "Visformer"]):
    """Vision-friendly transformers."""

    key = "visformer"
    title = "Visformer"
    paper = "https://arxiv.org/abs/2104.12533"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: VisformerConfig) -> Visformer:
        """The model, not initialised."""
        from typedvision.families.visformer.model import Visformer

        return Visformer(cfg)

    @classmethod
    def parts(cls, cfg: VisformerConfig) -> Parts:
        """The convolution that sees the image, and the classifier."""
        stem = cfg.init_channels is not None and not cfg.vit_stem
        return Parts(first_conv=("stem.0" if stem else "patch_embed1.proj",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "visformer_small": _SMALL,
        "visformer_tiny": _SMALL.replace(init_channels=16, embed_dim=192, num_heads=3),
    }
