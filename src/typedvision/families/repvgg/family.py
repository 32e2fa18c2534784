"""The RepVGG family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.repvgg.config import RepVGGConfig, SqueezeExciteArgs
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.repvgg.model import RepVGG


class RepVGGFamily(ModelFamily[RepVGGConfig, "RepVGG"]):
    """RepVGG, with branches that one convolution replaces after training."""

    key = "repvgg"
    title = "RepVGG"
    paper = "https://arxiv.org/abs/2101.03697"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: RepVGGConfig) -> RepVGG:
        """The model, not initialised."""
        from typedvision.families.repvgg.model import RepVGG

        return RepVGG(cfg)

    @classmethod
    def parts(cls, cfg: RepVGGConfig) -> Parts:
        """The convolutions of the first block, and the classifier."""
        if cfg.inference_mode:
            return Parts(first_conv=("stem.reparam_conv",), classifier=("head.fc",))
        first = ("stem.conv_kxk.conv", "stem.conv_1x1.conv")
        return Parts(first_conv=first, classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "repvgg_a0": RepVGGConfig(depths=(2, 4, 14, 1), dims=(48, 96, 192, 1280), stem_chs=48),
        "repvgg_a1": RepVGGConfig(depths=(2, 4, 14, 1), dims=(64, 128, 256, 1280)),
        "repvgg_a2": RepVGGConfig(depths=(2, 4, 14, 1), dims=(96, 192, 384, 1408)),
        "repvgg_b0": RepVGGConfig(depths=(4, 6, 16, 1), dims=(64, 128, 256, 1280)),
        "repvgg_b1": RepVGGConfig(depths=(4, 6, 16, 1), dims=(128, 256, 512, 2048)),
        "repvgg_b1g4": RepVGGConfig(depths=(4, 6, 16, 1), dims=(128, 256, 512, 2048), groups=4),
        "repvgg_b2": RepVGGConfig(depths=(4, 6, 16, 1), dims=(160, 320, 640, 2560)),
        "repvgg_b2g4": RepVGGConfig(depths=(4, 6, 16, 1), dims=(160, 320, 640, 2560), groups=4),
        "repvgg_b3": RepVGGConfig(depths=(4, 6, 16, 1), dims=(192, 384, 768, 2560)),
        "repvgg_b3g4": RepVGGConfig(depths=(4, 6, 16, 1), dims=(192, 384, 768, 2560), groups=4),
        "repvgg_d2se": RepVGGConfig(
            depths=(8, 14, 24, 1),
            dims=(160, 320, 640, 2560),
            attn_layer="se",
            attn_kwargs=SqueezeExciteArgs(rd_divisor=1),
        ),
    }
