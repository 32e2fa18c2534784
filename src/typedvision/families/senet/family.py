"""The SENet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.senet.config import SENetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.senet.model import SENet


class SENetFamily(ModelFamily[SENetConfig, "SENet"]):
    """Networks with squeeze-and-excitation, as their authors published them."""

    key = "senet"
    title = "SENet"
    paper = "https://arxiv.org/abs/1709.01507"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: SENetConfig) -> SENet:
        """The model, not initialised."""
        from typedvision.families.senet.model import SENet

        return SENet(cfg)

    @classmethod
    def parts(cls, cfg: SENetConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("layer0.conv1",), classifier=("last_linear",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "legacy_senet154": SENetConfig(
            block="se",
            layers=(3, 8, 36, 3),
            groups=64,
            downsample_kernel_size=3,
            inplanes=128,
            input_3x3=True,
        ),
        "legacy_seresnet18": SENetConfig(block="se_resnet_basic", layers=(2, 2, 2, 2)),
        "legacy_seresnet34": SENetConfig(block="se_resnet_basic", layers=(3, 4, 6, 3)),
        "legacy_seresnet50": SENetConfig(block="se_resnet", layers=(3, 4, 6, 3)),
        "legacy_seresnet101": SENetConfig(block="se_resnet", layers=(3, 4, 23, 3)),
        "legacy_seresnet152": SENetConfig(block="se_resnet", layers=(3, 8, 36, 3)),
        "legacy_seresnext26_32x4d": SENetConfig(block="se_resnext", layers=(2, 2, 2, 2), groups=32),
        "legacy_seresnext50_32x4d": SENetConfig(block="se_resnext", layers=(3, 4, 6, 3), groups=32),
        "legacy_seresnext101_32x4d": SENetConfig(
            block="se_resnext", layers=(3, 4, 23, 3), groups=32
        ),
    }
