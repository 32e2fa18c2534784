"""The FocalNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.focalnet.config import FocalNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.focalnet.model import FocalNet

_SMALL = FocalNetConfig(depths=(2, 2, 18, 2))
_LARGE = FocalNetConfig(
    depths=(2, 2, 18, 2), use_post_norm=True, use_overlap_down=True, layerscale_value=1e-4
)


class FocalNetFamily(ModelFamily[FocalNetConfig, "FocalNet"]):
    """FocalNet."""

    key = "focalnet"
    title = "FocalNet"
    paper = "https://arxiv.org/abs/2203.11926"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: FocalNetConfig) -> FocalNet:
        """The model, not initialised."""
        from typedvision.families.focalnet.model import FocalNet

        return FocalNet(cfg)

    @classmethod
    def parts(cls, cfg: FocalNetConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.proj",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "focalnet_base_lrf": _SMALL.replace(embed_dim=128, focal_levels=(3, 3, 3, 3)),
        "focalnet_base_srf": _SMALL.replace(embed_dim=128),
        "focalnet_huge_fl3": _LARGE.replace(
            num_classes=21842,
            embed_dim=352,
            focal_levels=(3, 3, 3, 3),
            use_post_norm_in_modulation=True,
        ),
        "focalnet_huge_fl4": _LARGE.replace(
            num_classes=0,
            embed_dim=352,
            focal_levels=(4, 4, 4, 4),
            use_post_norm_in_modulation=True,
        ),
        "focalnet_large_fl3": _LARGE.replace(
            num_classes=21842,
            embed_dim=192,
            focal_levels=(3, 3, 3, 3),
            focal_windows=(5, 5, 5, 5),
        ),
        "focalnet_large_fl4": _LARGE.replace(
            num_classes=21842, embed_dim=192, focal_levels=(4, 4, 4, 4)
        ),
        "focalnet_small_lrf": _SMALL.replace(focal_levels=(3, 3, 3, 3)),
        "focalnet_small_srf": _SMALL,
        "focalnet_tiny_lrf": FocalNetConfig(focal_levels=(3, 3, 3, 3)),
        "focalnet_tiny_srf": FocalNetConfig(),
        "focalnet_xlarge_fl3": _LARGE.replace(
            num_classes=21842,
            embed_dim=256,
            focal_levels=(3, 3, 3, 3),
            focal_windows=(5, 5, 5, 5),
        ),
        "focalnet_xlarge_fl4": _LARGE.replace(
            num_classes=21842, embed_dim=256, focal_levels=(4, 4, 4, 4)
        ),
    }
