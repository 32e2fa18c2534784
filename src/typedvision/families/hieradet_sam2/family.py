"""The family of SAM 2's image encoders: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.hieradet_sam2.config import HieraDetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.hieradet_sam2.model import HieraDet


class HieraDetFamily(ModelFamily[HieraDetConfig, "HieraDet"]):
    """The Hiera image encoders of SAM 2."""

    key = "hieradet_sam2"
    title = "Hiera (SAM 2)"
    paper = "https://arxiv.org/abs/2408.00714"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: HieraDetConfig) -> HieraDet:
        """The model, not initialised."""
        from typedvision.families.hieradet_sam2.model import HieraDet

        return HieraDet(cfg)

    @classmethod
    def parts(cls, cfg: HieraDetConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        return Parts(first_conv=("patch_embed.proj",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "hieradet_small": HieraDetConfig(
            stages=(1, 2, 11, 2),
            global_att_blocks=(7, 10, 13),
            window_spec=(8, 4, 16, 8),
            init_values=1e-5,
        ),
        "sam2_hiera_base_plus": HieraDetConfig(
            num_classes=0, embed_dim=112, num_heads=2, global_pos_size=(14, 14)
        ),
        "sam2_hiera_large": HieraDetConfig(
            num_classes=0,
            embed_dim=144,
            num_heads=2,
            stages=(2, 6, 36, 4),
            global_att_blocks=(23, 33, 43),
            window_spec=(8, 4, 16, 8),
        ),
        "sam2_hiera_small": HieraDetConfig(
            num_classes=0, stages=(1, 2, 11, 2), global_att_blocks=(7, 10, 13)
        ),
        "sam2_hiera_tiny": HieraDetConfig(
            num_classes=0, stages=(1, 2, 7, 2), global_att_blocks=(5, 7, 9)
        ),
    }
