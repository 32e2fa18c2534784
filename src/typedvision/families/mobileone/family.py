"""The MobileOne family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.mobileone.config import MobileOneConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.mobileone.model import MobileOne


class MobileOneFamily(ModelFamily[MobileOneConfig, "MobileOne"]):
    """MobileOne, with branches that one convolution replaces after training."""

    key = "mobileone"
    title = "MobileOne"
    paper = "https://arxiv.org/abs/2206.04040"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: MobileOneConfig) -> MobileOne:
        """The model, not initialised."""
        from typedvision.families.mobileone.model import MobileOne

        return MobileOne(cfg)

    @classmethod
    def parts(cls, cfg: MobileOneConfig) -> Parts:
        """The convolutions of the first block, and the classifier."""
        if cfg.inference_mode:
            return Parts(first_conv=("stem.reparam_conv",), classifier=("head.fc",))
        first = ("stem.conv_kxk.0.conv", "stem.conv_scale.conv")
        return Parts(first_conv=first, classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "mobileone_s0": MobileOneConfig(
            dims=(48, 128, 256, 1024), stem_chs=48, num_conv_branches=4
        ),
        "mobileone_s1": MobileOneConfig(dims=(96, 192, 512, 1280)),
        "mobileone_s2": MobileOneConfig(dims=(96, 256, 640, 2048)),
        "mobileone_s3": MobileOneConfig(dims=(128, 320, 768, 2048)),
        "mobileone_s4": MobileOneConfig(dims=(192, 448, 896, 2048), se_blocks=(0, 0, 5, 1)),
    }
