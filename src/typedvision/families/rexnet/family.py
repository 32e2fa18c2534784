"""The ReXNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.rexnet.config import RexNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.rexnet.model import RexNet


class RexNetFamily(ModelFamily[RexNetConfig, "RexNet"]):
    """ReXNet."""

    key = "rexnet"
    title = "ReXNet"
    paper = "https://arxiv.org/abs/2007.00992"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: RexNetConfig) -> RexNet:
        """The model, not initialised."""
        from typedvision.families.rexnet.model import RexNet

        return RexNet(cfg)

    @classmethod
    def parts(cls, cfg: RexNetConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "rexnet_100": RexNetConfig(),
        "rexnet_130": RexNetConfig(width_mult=1.3),
        "rexnet_150": RexNetConfig(width_mult=1.5),
        "rexnet_200": RexNetConfig(width_mult=2.0),
        "rexnet_300": RexNetConfig(width_mult=3.0),
        "rexnetr_100": RexNetConfig(ch_div=8),
        "rexnetr_130": RexNetConfig(width_mult=1.3, ch_div=8),
        "rexnetr_150": RexNetConfig(width_mult=1.5, ch_div=8),
        "rexnetr_200": RexNetConfig(width_mult=2.0, ch_div=8),
        "rexnetr_300": RexNetConfig(width_mult=3.0, ch_div=16),
    }
