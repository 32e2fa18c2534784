"""The MViTv2 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.mvitv2.config import MViTv2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.mvitv2.model import MultiScaleVit

_LARGE = MViTv2Config(
    depths=(2, 6, 36, 4),
    embed_dim=(144, 288, 576, 1152),
    num_heads=(2, 4, 8, 16),
    expand_attn=False,
)
_SMALL = MViTv2Config(depths=(1, 2, 11, 2))


class MViTv2Family(ModelFamily[MViTv2Config, "MultiScaleVit"]):
    """Multiscale Vision Transformers V2."""

    key = "mvitv2"
    title = "MViTv2"
    paper = "https://arxiv.org/abs/2112.01526"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="fixed", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: MViTv2Config) -> MultiScaleVit:
        """The model, not initialised."""
        from typedvision.families.mvitv2.model import MultiScaleVit

        return MultiScaleVit(cfg)

    @classmethod
    def parts(cls, cfg: MViTv2Config) -> Parts:
        """The projection of the patches, the classifier, and the tables of positions and of the
        distances along each axis."""
        plan, relative = cfg.plan(), cfg.rel_pos_type == "spatial"
        tables = (PositionTable("pos_embed", plan.grid),) if cfg.use_abs_pos else ()
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head.fc",),
            position_tables=tables,
            axis_tables=tuple(
                f"stages.{level}.blocks.{index}.attn.rel_pos_{axis}"
                for level, blocks in enumerate(plan.stages if relative else ())
                for index in range(len(blocks))
                for axis in "hw"
            ),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "mvitv2_base": MViTv2Config(),
        "mvitv2_base_cls": MViTv2Config(num_classes=19168, use_cls_token=True, global_pool="token"),
        "mvitv2_huge_cls": MViTv2Config(
            num_classes=19168,
            depths=(4, 8, 60, 8),
            embed_dim=(192, 384, 768, 1536),
            num_heads=(3, 6, 12, 24),
            use_cls_token=True,
            global_pool="token",
        ),
        "mvitv2_large": _LARGE,
        "mvitv2_large_cls": _LARGE.replace(
            num_classes=19168, expand_attn=True, use_cls_token=True, global_pool="token"
        ),
        "mvitv2_small": _SMALL,
        "mvitv2_small_cls": _SMALL.replace(use_cls_token=True, global_pool="token"),
        "mvitv2_tiny": MViTv2Config(depths=(1, 2, 5, 2)),
    }
