"""The RegNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.regnet.config import RegNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.regnet.model import RegNet


class RegNetFamily(ModelFamily[RegNetConfig, "RegNet"]):
    """Networks of the RegNet design spaces."""

    key = "regnet"
    title = "RegNet"
    paper = "https://arxiv.org/abs/2003.13678"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: RegNetConfig) -> RegNet:
        """The model, not initialised."""
        from typedvision.families.regnet.model import RegNet

        return RegNet(cfg)

    @classmethod
    def parts(cls, cfg: RegNetConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        stem = "stem" if cfg.preact else "stem.conv"
        return Parts(first_conv=(stem,), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "regnetv_040": RegNetConfig(
            depth=22,
            w0=96,
            wa=31.41,
            wm=2.24,
            group_size=64,
            se_ratio=0.25,
            preact=True,
            act_layer="silu",
        ),
        "regnetv_064": RegNetConfig(
            depth=25,
            w0=112,
            wa=33.22,
            wm=2.27,
            group_size=72,
            se_ratio=0.25,
            downsample="avg",
            preact=True,
            act_layer="silu",
        ),
        "regnetx_002": RegNetConfig(depth=13, w0=24, wa=36.44, wm=2.49, group_size=8),
        "regnetx_004": RegNetConfig(depth=22, w0=24, wa=24.48, wm=2.54, group_size=16),
        "regnetx_004_tv": RegNetConfig(
            depth=22, w0=24, wa=24.48, wm=2.54, group_size=16, group_min_ratio=0.9
        ),
        "regnetx_006": RegNetConfig(depth=16, w0=48, wa=36.97, wm=2.24, group_size=24),
        "regnetx_008": RegNetConfig(depth=16, w0=56, wa=35.73, wm=2.28, group_size=16),
        "regnetx_016": RegNetConfig(depth=18, w0=80, wa=34.01, wm=2.25, group_size=24),
        "regnetx_032": RegNetConfig(depth=25, w0=88, wa=26.31, wm=2.25, group_size=48),
        "regnetx_040": RegNetConfig(depth=23, w0=96, wa=38.65, wm=2.43, group_size=40),
        "regnetx_064": RegNetConfig(depth=17, w0=184, wa=60.83, wm=2.07, group_size=56),
        "regnetx_080": RegNetConfig(depth=23, w0=80, wa=49.56, wm=2.88, group_size=120),
        "regnetx_120": RegNetConfig(depth=19, w0=168, wa=73.36, wm=2.37, group_size=112),
        "regnetx_160": RegNetConfig(depth=22, w0=216, wa=55.59, wm=2.1, group_size=128),
        "regnetx_320": RegNetConfig(depth=23, w0=320, wa=69.86, wm=2.0, group_size=168),
        "regnety_002": RegNetConfig(
            depth=13, w0=24, wa=36.44, wm=2.49, group_size=8, se_ratio=0.25
        ),
        "regnety_004": RegNetConfig(
            depth=16, w0=48, wa=27.89, wm=2.09, group_size=8, se_ratio=0.25
        ),
        "regnety_006": RegNetConfig(
            depth=15, w0=48, wa=32.54, wm=2.32, group_size=16, se_ratio=0.25
        ),
        "regnety_008": RegNetConfig(
            depth=14, w0=56, wa=38.84, wm=2.4, group_size=16, se_ratio=0.25
        ),
        "regnety_008_tv": RegNetConfig(
            depth=14, w0=56, wa=38.84, wm=2.4, group_size=16, group_min_ratio=0.9, se_ratio=0.25
        ),
        "regnety_016": RegNetConfig(
            depth=27, w0=48, wa=20.71, wm=2.65, group_size=24, se_ratio=0.25
        ),
        "regnety_032": RegNetConfig(
            depth=21, w0=80, wa=42.63, wm=2.66, group_size=24, se_ratio=0.25
        ),
        "regnety_040": RegNetConfig(
            depth=22, w0=96, wa=31.41, wm=2.24, group_size=64, se_ratio=0.25
        ),
        "regnety_040_sgn": RegNetConfig(
            depth=22,
            w0=96,
            wa=31.41,
            wm=2.24,
            group_size=64,
            se_ratio=0.25,
            act_layer="silu",
            norm_layer="groupnorm",
            norm_group_size=16,
        ),
        "regnety_064": RegNetConfig(
            depth=25, w0=112, wa=33.22, wm=2.27, group_size=72, se_ratio=0.25
        ),
        "regnety_080": RegNetConfig(
            depth=17, w0=192, wa=76.82, wm=2.19, group_size=56, se_ratio=0.25
        ),
        "regnety_080_tv": RegNetConfig(
            depth=17, w0=192, wa=76.82, wm=2.19, group_size=56, group_min_ratio=0.9, se_ratio=0.25
        ),
        "regnety_120": RegNetConfig(
            depth=19, w0=168, wa=73.36, wm=2.37, group_size=112, se_ratio=0.25
        ),
        "regnety_160": RegNetConfig(
            depth=18, w0=200, wa=106.23, wm=2.48, group_size=112, se_ratio=0.25
        ),
        "regnety_320": RegNetConfig(
            depth=20, w0=232, wa=115.89, wm=2.53, group_size=232, se_ratio=0.25
        ),
        "regnety_640": RegNetConfig(
            depth=20, w0=352, wa=147.48, wm=2.4, group_size=328, se_ratio=0.25
        ),
        "regnety_1280": RegNetConfig(
            depth=27, w0=456, wa=160.83, wm=2.52, group_size=264, se_ratio=0.25
        ),
        "regnety_2560": RegNetConfig(
            depth=27, w0=640, wa=230.83, wm=2.53, group_size=373, se_ratio=0.25
        ),
        "regnetz_005": RegNetConfig(
            depth=21,
            w0=16,
            wa=10.7,
            wm=2.51,
            group_size=4,
            bottle_ratio=4.0,
            se_ratio=0.25,
            downsample=None,
            linear_out=True,
            num_features=1024,
            act_layer="silu",
            zero_init_last=False,
        ),
        "regnetz_040": RegNetConfig(
            depth=28,
            w0=48,
            wa=14.5,
            wm=2.226,
            group_size=8,
            bottle_ratio=4.0,
            se_ratio=0.25,
            downsample=None,
            linear_out=True,
            act_layer="silu",
            zero_init_last=False,
        ),
        "regnetz_040_h": RegNetConfig(
            depth=28,
            w0=48,
            wa=14.5,
            wm=2.226,
            group_size=8,
            bottle_ratio=4.0,
            se_ratio=0.25,
            downsample=None,
            linear_out=True,
            num_features=1536,
            act_layer="silu",
            zero_init_last=False,
        ),
    }
