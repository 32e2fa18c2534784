"""The LCNetV2 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.lcnetv2.config import LCNetV2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.lcnetv2.model import LCNetV2


class LCNetV2Family(ModelFamily[LCNetV2Config, "LCNetV2"]):
    """PP-LCNetV2, with depthwise branches that one convolution replaces after training."""

    key = "lcnetv2"
    title = "PP-LCNetV2"
    paper = "https://github.com/PaddlePaddle/PaddleClas"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: LCNetV2Config) -> LCNetV2:
        """The model, not initialised."""
        from typedvision.families.lcnetv2.model import LCNetV2

        return LCNetV2(cfg)

    @classmethod
    def parts(cls, cfg: LCNetV2Config) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.0.conv",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "lcnetv2_base": LCNetV2Config(scale=1.0, depths=(2, 2, 6, 2)),
        "lcnetv2_large": LCNetV2Config(scale=1.25, depths=(2, 2, 8, 2)),
        "lcnetv2_small": LCNetV2Config(scale=0.75, depths=(2, 2, 4, 2)),
    }
