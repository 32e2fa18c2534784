"""The TResNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.tresnet.config import PATCH, TResNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.tresnet.model import TResNet


class TResNetFamily(ModelFamily[TResNetConfig, "TResNet"]):
    """TResNet."""

    key = "tresnet"
    title = "TResNet"
    paper = "https://arxiv.org/abs/2003.13630"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: TResNetConfig) -> TResNet:
        """The model, not initialised."""
        from typedvision.families.tresnet.model import TResNet

        return TResNet(cfg)

    @classmethod
    def parts(cls, cfg: TResNetConfig) -> Parts:
        """The first convolution, which sees the channels of a square of pixels, and the
        classifier."""
        return Parts(
            first_conv=("body.conv1.conv",), classifier=("head.fc",), stacked_pixels=PATCH**2
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "tresnet_l": TResNetConfig(layers=(4, 5, 18, 3), width_factor=1.2),
        "tresnet_m": TResNetConfig(layers=(3, 4, 11, 3)),
        "tresnet_v2_l": TResNetConfig(layers=(3, 4, 23, 3), v2=True),
        "tresnet_xl": TResNetConfig(layers=(4, 5, 24, 3), width_factor=1.3),
    }
