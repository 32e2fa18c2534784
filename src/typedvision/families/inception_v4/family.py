"""The Inception-v4 family: its published variant, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.inception_v4.config import InceptionV4Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.inception_v4.model import InceptionV4


class InceptionV4Family(ModelFamily[InceptionV4Config, "InceptionV4"]):
    """Inception-v4."""

    key = "inception_v4"
    title = "Inception-v4"
    paper = "https://arxiv.org/abs/1602.07261"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: InceptionV4Config) -> InceptionV4:
        """The model, not initialised."""
        from typedvision.families.inception_v4.model import InceptionV4

        return InceptionV4(cfg)

    @classmethod
    def parts(cls, cfg: InceptionV4Config) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("features.0.conv",), classifier=("last_linear",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {"inception_v4": InceptionV4Config()}
