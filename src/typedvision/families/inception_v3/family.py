"""The Inception-v3 family: its published variant, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.inception_v3.config import InceptionV3Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.inception_v3.model import InceptionV3


class InceptionV3Family(ModelFamily[InceptionV3Config, "InceptionV3"]):
    """Inception-v3."""

    key = "inception_v3"
    title = "Inception-v3"
    paper = "https://arxiv.org/abs/1512.00567"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any",
        global_pool=("", "avg", "max", "avgmax", "catavgmax"),
        grad_checkpointing=False,
    )

    @classmethod
    def build(cls, cfg: InceptionV3Config) -> InceptionV3:
        """The model, not initialised."""
        from typedvision.families.inception_v3.model import InceptionV3

        return InceptionV3(cfg)

    @classmethod
    def parts(cls, cfg: InceptionV3Config) -> Parts:
        """The first convolution, the classifiers, and the auxiliary one that may stay out."""
        first = ("Conv2d_1a_3x3.conv",)
        if cfg.aux_logits:
            return Parts(first_conv=first, classifier=("fc", "AuxLogits.fc"))
        return Parts(first_conv=first, classifier=("fc",), optional=("AuxLogits",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {"inception_v3": InceptionV3Config()}
