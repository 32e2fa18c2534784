"""The SwiftFormer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.swiftformer.config import SwiftFormerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.swiftformer.model import SwiftFormer


class SwiftFormerFamily(ModelFamily[SwiftFormerConfig, "SwiftFormer"]):
    """SwiftFormer."""

    key = "swiftformer"
    title = "SwiftFormer"
    paper = "https://arxiv.org/abs/2303.15446"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: SwiftFormerConfig) -> SwiftFormer:
        """The model, not initialised."""
        from typedvision.families.swiftformer.model import SwiftFormer

        return SwiftFormer(cfg)

    @classmethod
    def parts(cls, cfg: SwiftFormerConfig) -> Parts:
        """The stem's first convolution, and both classifiers."""
        return Parts(first_conv=("stem.0",), classifier=("head", "head_dist"))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "swiftformer_l1": SwiftFormerConfig(layers=(4, 3, 10, 5), embed_dims=(48, 96, 192, 384)),
        "swiftformer_l3": SwiftFormerConfig(layers=(4, 4, 12, 6), embed_dims=(64, 128, 320, 512)),
        "swiftformer_s": SwiftFormerConfig(layers=(3, 3, 9, 6), embed_dims=(48, 64, 168, 224)),
        "swiftformer_xs": SwiftFormerConfig(layers=(3, 3, 6, 4), embed_dims=(48, 56, 112, 220)),
    }
