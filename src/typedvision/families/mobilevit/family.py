"""The MobileViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.mobilevit.config import MobileViTConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.mobilevit.model import MobileViT


class MobileViTFamily(ModelFamily[MobileViTConfig, "MobileViT"]):
    """MobileViT and MobileViTv2."""

    key = "mobilevit"
    title = "MobileViT"
    paper = "https://arxiv.org/abs/2110.02178"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: MobileViTConfig) -> MobileViT:
        """The model, not initialised."""
        from typedvision.families.mobilevit.model import MobileViT

        return MobileViT(cfg)

    @classmethod
    def parts(cls, cfg: MobileViTConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "mobilevit_s": MobileViTConfig(
            channels=(32, 64, 96, 128, 160), transformer_dims=(144, 192, 240), num_features=640
        ),
        "mobilevit_xs": MobileViTConfig(
            channels=(32, 48, 64, 80, 96), transformer_dims=(96, 120, 144), num_features=384
        ),
        "mobilevit_xxs": MobileViTConfig(
            channels=(16, 24, 48, 64, 80),
            expand_ratio=2.0,
            transformer_dims=(64, 80, 96),
            num_features=320,
        ),
        "mobilevitv2_050": MobileViTConfig(
            block="mobilevit2",
            layers=(1, 2, 1, 1, 1),
            channels=(32, 64, 128, 192, 256),
            expand_ratio=2.0,
            transformer_dims=(64, 96, 128),
        ),
        "mobilevitv2_075": MobileViTConfig(
            block="mobilevit2",
            layers=(1, 2, 1, 1, 1),
            channels=(48, 96, 192, 288, 384),
            expand_ratio=2.0,
            transformer_dims=(96, 144, 192),
            stem_chs=24,
        ),
        "mobilevitv2_100": MobileViTConfig(
            block="mobilevit2",
            layers=(1, 2, 1, 1, 1),
            channels=(64, 128, 256, 384, 512),
            expand_ratio=2.0,
            transformer_dims=(128, 192, 256),
            stem_chs=32,
        ),
        "mobilevitv2_125": MobileViTConfig(
            block="mobilevit2",
            layers=(1, 2, 1, 1, 1),
            channels=(80, 160, 320, 480, 640),
            expand_ratio=2.0,
            transformer_dims=(160, 240, 320),
            stem_chs=40,
        ),
        "mobilevitv2_150": MobileViTConfig(
            block="mobilevit2",
            layers=(1, 2, 1, 1, 1),
            channels=(96, 192, 384, 576, 768),
            expand_ratio=2.0,
            transformer_dims=(192, 288, 384),
            stem_chs=48,
        ),
        "mobilevitv2_175": MobileViTConfig(
            block="mobilevit2",
            layers=(1, 2, 1, 1, 1),
            channels=(112, 224, 448, 672, 896),
            expand_ratio=2.0,
            transformer_dims=(224, 336, 448),
            stem_chs=56,
        ),
        "mobilevitv2_200": MobileViTConfig(
            block="mobilevit2",
            layers=(1, 2, 1, 1, 1),
            channels=(128, 256, 512, 768, 1024),
            expand_ratio=2.0,
            transformer_dims=(256, 384, 512),
            stem_chs=64,
        ),
    }
