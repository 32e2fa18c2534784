"""The CrossViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.crossvit.config import CrossVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.crossvit.model import CrossVit

_BASE = CrossVitConfig(
    img_size=240,
    img_scale=(1.0, 0.9333333333333333),
    patch_size=(12, 16),
    embed_dim=(96, 192),
    depth=((1, 4, 0), (1, 4, 0), (1, 4, 0)),
    num_heads=(3, 3),
    mlp_ratio=(4.0, 4.0, 1.0),
)
_NINE = CrossVitConfig(
    img_size=240,
    img_scale=(1.0, 0.9333333333333333),
    patch_size=(12, 16),
    embed_dim=(128, 256),
    depth=((1, 3, 0), (1, 3, 0), (1, 3, 0)),
    num_heads=(4, 4),
    mlp_ratio=(3.0, 3.0, 1.0),
)
_FIFTEEN = CrossVitConfig(
    img_size=240,
    img_scale=(1.0, 0.9333333333333333),
    patch_size=(12, 16),
    embed_dim=(192, 384),
    depth=((1, 5, 0), (1, 5, 0), (1, 5, 0)),
    num_heads=(6, 6),
    mlp_ratio=(3.0, 3.0, 1.0),
)
_EIGHTEEN = CrossVitConfig(
    img_size=240,
    img_scale=(1.0, 0.9333333333333333),
    patch_size=(12, 16),
    embed_dim=(224, 448),
    depth=((1, 6, 0), (1, 6, 0), (1, 6, 0)),
    num_heads=(7, 7),
    mlp_ratio=(3.0, 3.0, 1.0),
)


class CrossVitFamily(ModelFamily[CrossVitConfig, "CrossVit"]):
    """Vision Transformers with branches of several patch sizes."""

    key = "crossvit"
    title = "CrossViT"
    paper = "https://arxiv.org/abs/2103.14899"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("token", "avg")
    )

    @classmethod
    def build(cls, cfg: CrossVitConfig) -> CrossVit:
        """The model, not initialised."""
        from typedvision.families.crossvit.model import CrossVit

        return CrossVit(cfg)

    @classmethod
    def parts(cls, cfg: CrossVitConfig) -> Parts:
        """The first convolution, the position table and the classifier of each branch."""
        first = "proj.0" if cfg.multi_conv else "proj"
        branches = cfg.plan().branches
        return Parts(
            first_conv=tuple(f"patch_embed.{index}.{first}" for index in range(len(branches))),
            classifier=tuple(f"head.{index}" for index in range(len(branches))),
            position_tables=tuple(
                PositionTable(f"pos_embed_{index}", branch.grid)
                for index, branch in enumerate(branches)
            ),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "crossvit_15_240": _FIFTEEN,
        "crossvit_15_dagger_240": _FIFTEEN.replace(multi_conv=True),
        "crossvit_15_dagger_408": _FIFTEEN.replace(
            multi_conv=True, img_size=408, img_scale=(1.0, 0.9411764705882353)
        ),
        "crossvit_18_240": _EIGHTEEN,
        "crossvit_18_dagger_240": _EIGHTEEN.replace(multi_conv=True),
        "crossvit_18_dagger_408": _EIGHTEEN.replace(
            multi_conv=True, img_size=408, img_scale=(1.0, 0.9411764705882353)
        ),
        "crossvit_9_240": _NINE,
        "crossvit_9_dagger_240": _NINE.replace(multi_conv=True),
        "crossvit_base_240": _BASE.replace(embed_dim=(384, 768), num_heads=(12, 12)),
        "crossvit_small_240": _BASE.replace(embed_dim=(192, 384), num_heads=(6, 6)),
        "crossvit_tiny_240": _BASE,
    }
