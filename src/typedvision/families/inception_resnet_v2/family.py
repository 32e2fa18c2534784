"""The Inception-ResNet-v2 family: its published variant, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.inception_resnet_v2.config import InceptionResnetV2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.inception_resnet_v2.model import InceptionResnetV2


class InceptionResnetV2Family(ModelFamily[InceptionResnetV2Config, "InceptionResnetV2"]):
    """Inception-ResNet-v2."""

    key = "inception_resnet_v2"
    title = "Inception-ResNet-v2"
    paper = "https://arxiv.org/abs/1602.07261"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: InceptionResnetV2Config) -> InceptionResnetV2:
        """The model, not initialised."""
        from typedvision.families.inception_resnet_v2.model import InceptionResnetV2

        return InceptionResnetV2(cfg)

    @classmethod
    def parts(cls, cfg: InceptionResnetV2Config) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("conv2d_1a.conv",), classifier=("classif",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "inception_resnet_v2": InceptionResnetV2Config()
    }
