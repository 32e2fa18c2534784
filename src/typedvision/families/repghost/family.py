"""The RepGhostNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.repghost.config import RepGhostConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.repghost.model import RepGhostNet


class RepGhostFamily(ModelFamily[RepGhostConfig, "RepGhostNet"]):
    """RepGhostNet, with shortcuts that one convolution replaces after training."""

    key = "repghost"
    title = "RepGhostNet"
    paper = "https://arxiv.org/abs/2211.06088"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: RepGhostConfig) -> RepGhostNet:
        """The model, not initialised."""
        from typedvision.families.repghost.model import RepGhostNet

        return RepGhostNet(cfg)

    @classmethod
    def parts(cls, cfg: RepGhostConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("conv_stem",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "repghostnet_050": RepGhostConfig(width=0.5),
        "repghostnet_058": RepGhostConfig(width=0.58),
        "repghostnet_080": RepGhostConfig(width=0.8),
        "repghostnet_100": RepGhostConfig(),
        "repghostnet_111": RepGhostConfig(width=1.11),
        "repghostnet_130": RepGhostConfig(width=1.3),
        "repghostnet_150": RepGhostConfig(width=1.5),
        "repghostnet_200": RepGhostConfig(width=2.0),
    }
