"""The DenseNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.densenet.config import DenseNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.densenet.model import DenseNet


class DenseNetFamily(ModelFamily[DenseNetConfig, "DenseNet"]):
    """Densely connected networks."""

    key = "densenet"
    title = "DenseNet"
    paper = "https://arxiv.org/abs/1608.06993"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: DenseNetConfig) -> DenseNet:
        """The model, not initialised."""
        from typedvision.families.densenet.model import DenseNet

        return DenseNet(cfg)

    @classmethod
    def parts(cls, cfg: DenseNetConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=("features.conv0",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "densenet121": DenseNetConfig(growth_rate=32, block_config=(6, 12, 24, 16)),
        "densenet161": DenseNetConfig(growth_rate=48, block_config=(6, 12, 36, 24)),
        "densenet169": DenseNetConfig(growth_rate=32, block_config=(6, 12, 32, 32)),
        "densenet201": DenseNetConfig(growth_rate=32, block_config=(6, 12, 48, 32)),
        "densenet264d": DenseNetConfig(
            growth_rate=48, block_config=(6, 12, 64, 48), stem_type="deep"
        ),
        "densenetblur121d": DenseNetConfig(
            growth_rate=32, block_config=(6, 12, 24, 16), stem_type="deep", aa_layer="blur"
        ),
    }
