"""The CoaT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.coat.config import CoatConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.coat.model import CoaT

_MEDIUM = CoatConfig(embed_dims=(128, 256, 320, 512), serial_depths=(3, 6, 10, 8))
_MINI = CoatConfig(serial_depths=(2, 2, 2, 2), mlp_ratios=(8.0, 8.0, 4.0, 4.0))
_PARALLEL = CoatConfig(
    embed_dims=(152, 152, 152, 152), serial_depths=(2, 2, 2, 2), parallel_depth=6
)


class CoatFamily(ModelFamily[CoatConfig, "CoaT"]):
    """Co-scale conv-attentional image transformers, CoaT and CoaT-Lite."""

    key = "coat"
    title = "CoaT"
    paper = "https://arxiv.org/abs/2104.06399"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("avg", "token")
    )

    @classmethod
    def build(cls, cfg: CoatConfig) -> CoaT:
        """The model, not initialised."""
        from typedvision.families.coat.model import CoaT

        return CoaT(cfg)

    @classmethod
    def parts(cls, cfg: CoatConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        return Parts(first_conv=("patch_embed1.proj",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "coat_lite_medium": _MEDIUM,
        "coat_lite_medium_384": _MEDIUM.replace(img_size=384),
        "coat_lite_mini": _MINI,
        "coat_lite_small": CoatConfig(mlp_ratios=(8.0, 8.0, 4.0, 4.0)),
        "coat_lite_tiny": _MINI.replace(embed_dims=(64, 128, 256, 320)),
        "coat_mini": _PARALLEL.replace(embed_dims=(152, 216, 216, 216)),
        "coat_small": _PARALLEL.replace(embed_dims=(152, 320, 320, 320)),
        "coat_tiny": _PARALLEL,
    }
