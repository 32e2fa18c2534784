"""The ResNet V2 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.resnetv2.config import ResNetV2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.resnetv2.model import ResNetV2


class ResNetV2Family(ModelFamily[ResNetV2Config, "ResNetV2"]):
    """Residual networks that normalise first, Big Transfer among them."""

    key = "resnetv2"
    title = "ResNet V2"
    paper = "https://arxiv.org/abs/1603.05027"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: ResNetV2Config) -> ResNetV2:
        """The model, not initialised."""
        from typedvision.families.resnetv2.model import ResNetV2

        return ResNetV2(cfg)

    @classmethod
    def parts(cls, cfg: ResNetV2Config) -> Parts:
        """The stem's first convolution, and the classifier."""
        deep = len(cfg.plan().stem) > 1
        return Parts(first_conv=("stem.conv1" if deep else "stem.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "resnetv2_18": ResNetV2Config(
            layers=(2, 2, 2, 2),
            channels=(64, 128, 256, 512),
            basic=True,
            bottle_ratio=1.0,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_18d": ResNetV2Config(
            layers=(2, 2, 2, 2),
            channels=(64, 128, 256, 512),
            stem_type="deep",
            avg_down=True,
            basic=True,
            bottle_ratio=1.0,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_34": ResNetV2Config(
            layers=(3, 4, 6, 3),
            channels=(64, 128, 256, 512),
            basic=True,
            bottle_ratio=1.0,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_34d": ResNetV2Config(
            layers=(3, 4, 6, 3),
            channels=(64, 128, 256, 512),
            stem_type="deep",
            avg_down=True,
            basic=True,
            bottle_ratio=1.0,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_50": ResNetV2Config(
            layers=(3, 4, 6, 3), norm_layer="batchnorm2d", conv_layer="conv2d"
        ),
        "resnetv2_50d": ResNetV2Config(
            layers=(3, 4, 6, 3),
            stem_type="deep",
            avg_down=True,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_50d_evos": ResNetV2Config(
            layers=(3, 4, 6, 3),
            stem_type="deep",
            avg_down=True,
            norm_layer="evonorms0",
            conv_layer="conv2d",
        ),
        "resnetv2_50d_frn": ResNetV2Config(
            layers=(3, 4, 6, 3),
            stem_type="deep",
            avg_down=True,
            norm_layer="frntlu",
            conv_layer="conv2d",
        ),
        "resnetv2_50d_gn": ResNetV2Config(
            layers=(3, 4, 6, 3), stem_type="deep", avg_down=True, conv_layer="conv2d"
        ),
        "resnetv2_50t": ResNetV2Config(
            layers=(3, 4, 6, 3),
            stem_type="tiered",
            avg_down=True,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_50x1_bit": ResNetV2Config(layers=(3, 4, 6, 3), stem_type="fixed", conv_eps=1e-08),
        "resnetv2_50x3_bit": ResNetV2Config(
            layers=(3, 4, 6, 3), width_factor=3, stem_type="fixed", conv_eps=1e-08
        ),
        "resnetv2_101": ResNetV2Config(
            layers=(3, 4, 23, 3), norm_layer="batchnorm2d", conv_layer="conv2d"
        ),
        "resnetv2_101d": ResNetV2Config(
            layers=(3, 4, 23, 3),
            stem_type="deep",
            avg_down=True,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_101x1_bit": ResNetV2Config(
            layers=(3, 4, 23, 3), stem_type="fixed", conv_eps=1e-08
        ),
        "resnetv2_101x3_bit": ResNetV2Config(
            layers=(3, 4, 23, 3), width_factor=3, stem_type="fixed", conv_eps=1e-08
        ),
        "resnetv2_152": ResNetV2Config(
            layers=(3, 8, 36, 3), norm_layer="batchnorm2d", conv_layer="conv2d"
        ),
        "resnetv2_152d": ResNetV2Config(
            layers=(3, 8, 36, 3),
            stem_type="deep",
            avg_down=True,
            norm_layer="batchnorm2d",
            conv_layer="conv2d",
        ),
        "resnetv2_152x2_bit": ResNetV2Config(
            layers=(3, 8, 36, 3), width_factor=2, stem_type="fixed", conv_eps=1e-08
        ),
        "resnetv2_152x4_bit": ResNetV2Config(
            layers=(3, 8, 36, 3), width_factor=4, stem_type="fixed", conv_eps=1e-08
        ),
    }
