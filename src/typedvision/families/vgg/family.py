"""The VGG family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.vgg.config import Layers, VGGConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.vgg.model import VGG


# The columns of table 1; a row of each stands for what one pooling ends.
A: Layers = (
    *(64, "M"),
    *(128, "M"),
    *(256, 256, "M"),
    *(512, 512, "M"),
    *(512, 512, "M"),
)
B: Layers = (
    *(64, 64, "M"),
    *(128, 128, "M"),
    *(256, 256, "M"),
    *(512, 512, "M"),
    *(512, 512, "M"),
)
D: Layers = (
    *(64, 64, "M"),
    *(128, 128, "M"),
    *(256, 256, 256, "M"),
    *(512, 512, 512, "M"),
    *(512, 512, 512, "M"),
)
E: Layers = (
    *(64, 64, "M"),
    *(128, 128, "M"),
    *(256, 256, 256, 256, "M"),
    *(512, 512, 512, 512, "M"),
    *(512, 512, 512, 512, "M"),
)


class VGGFamily(ModelFamily[VGGConfig, "VGG"]):
    """Rows of 3x3 convolutions."""

    key = "vgg"
    title = "VGG"
    paper = "https://arxiv.org/abs/1409.1556"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: VGGConfig) -> VGG:
        """The model, not initialised."""
        from typedvision.families.vgg.model import VGG

        return VGG(cfg)

    @classmethod
    def parts(cls, cfg: VGGConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("features.0",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "vgg11": VGGConfig(cfg=A),
        "vgg11_bn": VGGConfig(cfg=A, norm_layer="batchnorm2d"),
        "vgg13": VGGConfig(cfg=B),
        "vgg13_bn": VGGConfig(cfg=B, norm_layer="batchnorm2d"),
        "vgg16": VGGConfig(cfg=D),
        "vgg16_bn": VGGConfig(cfg=D, norm_layer="batchnorm2d"),
        "vgg19": VGGConfig(cfg=E),
        "vgg19_bn": VGGConfig(cfg=E, norm_layer="batchnorm2d"),
    }
