"""The GhostNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.ghostnet.config import GhostNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.ghostnet.model import GhostNet


class GhostNetFamily(ModelFamily[GhostNetConfig, "GhostNet"]):
    """GhostNet, GhostNetV2 and GhostNetV3."""

    key = "ghostnet"
    title = "GhostNet"
    paper = "https://arxiv.org/abs/1911.11907"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: GhostNetConfig) -> GhostNet:
        """The model, not initialised."""
        from typedvision.families.ghostnet.model import GhostNet

        return GhostNet(cfg)

    @classmethod
    def parts(cls, cfg: GhostNetConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("conv_stem",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "ghostnet_050": GhostNetConfig(width=0.5),
        "ghostnet_100": GhostNetConfig(),
        "ghostnet_130": GhostNetConfig(width=1.3),
        "ghostnetv2_100": GhostNetConfig(version="v2"),
        "ghostnetv2_130": GhostNetConfig(width=1.3, version="v2"),
        "ghostnetv2_160": GhostNetConfig(width=1.6, version="v2"),
        "ghostnetv3_050": GhostNetConfig(width=0.5, version="v3"),
        "ghostnetv3_100": GhostNetConfig(version="v3"),
        "ghostnetv3_130": GhostNetConfig(width=1.3, version="v3"),
        "ghostnetv3_160": GhostNetConfig(width=1.6, version="v3"),
    }
