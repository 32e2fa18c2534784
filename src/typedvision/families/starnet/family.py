"""The StarNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.starnet.config import StarNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.starnet.model import StarNet


class StarNetFamily(ModelFamily[StarNetConfig, "StarNet"]):
    """StarNet."""

    key = "starnet"
    title = "StarNet"
    paper = "https://arxiv.org/abs/2403.19967"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: StarNetConfig) -> StarNet:
        """The model, not initialised."""
        from typedvision.families.starnet.model import StarNet

        return StarNet(cfg)

    @classmethod
    def parts(cls, cfg: StarNetConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.0.conv",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "starnet_s050": StarNetConfig(base_dim=16, depths=(1, 1, 3, 1), mlp_ratio=3),
        "starnet_s1": StarNetConfig(base_dim=24, depths=(2, 2, 8, 3)),
        "starnet_s100": StarNetConfig(base_dim=20, depths=(1, 2, 4, 1)),
        "starnet_s150": StarNetConfig(base_dim=24, depths=(1, 2, 4, 2), mlp_ratio=3),
        "starnet_s2": StarNetConfig(depths=(1, 2, 6, 2)),
        "starnet_s3": StarNetConfig(depths=(2, 2, 8, 4)),
        "starnet_s4": StarNetConfig(),
    }
