"""The LowFormer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.lowformer.config import LowFormerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.lowformer.model import LowFormer


class LowFormerFamily(ModelFamily[LowFormerConfig, "LowFormer"]):
    """LowFormer."""

    key = "lowformer"
    title = "LowFormer"
    paper = "https://arxiv.org/abs/2409.03460"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: LowFormerConfig) -> LowFormer:
        """The model, not initialised."""
        from typedvision.families.lowformer.model import LowFormer

        return LowFormer(cfg)

    @classmethod
    def parts(cls, cfg: LowFormerConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.0.conv",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "lowformer_b0": LowFormerConfig(
            width_list=(16, 32, 64, 128, 256), depth_list=(0, 1, 1, 3, 4)
        ),
        "lowformer_b1": LowFormerConfig(
            width_list=(16, 32, 64, 128, 256),
            depth_list=(0, 1, 1, 5, 5),
            downsample_expand_ratios=(6, 6, 6, 6),
        ),
        "lowformer_b15": LowFormerConfig(
            width_list=(20, 40, 80, 160, 320),
            depth_list=(0, 1, 1, 6, 6),
            head_widths=(2304, 2560),
            downsample_expand_ratios=(6, 6, 6, 6),
        ),
        "lowformer_b2": LowFormerConfig(
            width_list=(24, 48, 96, 192, 384),
            depth_list=(0, 1, 1, 6, 6),
            head_widths=(2304, 2560),
            downsample_expand_ratios=(6, 6, 6, 6),
        ),
        "lowformer_b3": LowFormerConfig(
            width_list=(32, 64, 128, 256, 512),
            depth_list=(1, 2, 3, 6, 6),
            stem_expand_ratio=4,
            downsample_expand_ratios=(6, 6, 6, 6),
        ),
        "lowformer_e1": LowFormerConfig(
            width_list=(20, 40, 80, 160, 320),
            depth_list=(0, 1, 1, 4, 4),
            head_widths=(2304, 2560),
            attn=False,
            attn_mlp=False,
            downsample_expand_ratios=(6, 6, 6, 6),
        ),
        "lowformer_e2": LowFormerConfig(
            width_list=(32, 64, 128, 256, 512),
            depth_list=(1, 2, 3, 4, 4),
            attn=False,
            attn_mlp=False,
            stem_expand_ratio=4,
            downsample_expand_ratios=(6, 6, 6, 6),
        ),
        "lowformer_e3": LowFormerConfig(
            width_list=(32, 64, 128, 256, 512),
            depth_list=(1, 2, 3, 6, 6),
            attn_mlp=False,
            stem_expand_ratio=4,
            downsample_expand_ratios=(6, 6, 6, 6),
        ),
    }
