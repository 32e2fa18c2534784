"""The BEiT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.beit.config import BeitConfig
from typedvision.registry.family import (
    Capabilities,
    ModelFamily,
    Parts,
    PositionTable,
    RelativeTable,
)

if TYPE_CHECKING:
    from typedvision.families.beit.model import Beit


_BEIT_LARGE_PATCH16_224 = BeitConfig(
    embed_dim=1024,
    depth=24,
    num_heads=16,
    init_values=1e-5,
    use_abs_pos_emb=False,
    use_rel_pos_bias=True,
)


class BeitFamily(ModelFamily[BeitConfig, "Beit"]):
    """Vision Transformers that learned to predict masked patches: BEiT and BEiT v2."""

    key = "beit"
    title = "BEiT"
    paper = "https://arxiv.org/abs/2106.08254"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "token", "avg")
    )

    @classmethod
    def build(cls, cfg: BeitConfig) -> Beit:
        """The model, not initialised."""
        from typedvision.families.beit.model import Beit

        return Beit(cfg)

    @classmethod
    def parts(cls, cfg: BeitConfig) -> Parts:
        """The projection of the patches, the classifier and the tables of positions."""
        grid = cfg.plan().grid
        owners = ["rel_pos_bias"] if cfg.use_shared_rel_pos_bias else []
        if cfg.use_rel_pos_bias:
            owners += [f"blocks.{index}.attn" for index in range(cfg.depth)]
        return Parts(
            first_conv=("patch_embed.proj",),
            classifier=("head",),
            position_tables=(PositionTable("pos_embed", grid),) if cfg.use_abs_pos_emb else (),
            relative_tables=tuple(
                RelativeTable(f"{owner}.relative_position_bias_table", grid) for owner in owners
            ),
            patch_kernels=("patch_embed.proj",),
            recomputed=("relative_position_index",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "beit_base_patch16_224": BeitConfig(
            init_values=0.1, use_abs_pos_emb=False, use_rel_pos_bias=True
        ),
        "beit_base_patch16_384": BeitConfig(
            img_size=384, init_values=0.1, use_abs_pos_emb=False, use_rel_pos_bias=True
        ),
        "beit_large_patch16_224": _BEIT_LARGE_PATCH16_224,
        "beit_large_patch16_384": _BEIT_LARGE_PATCH16_224.replace(img_size=384),
        "beit_large_patch16_512": _BEIT_LARGE_PATCH16_224.replace(img_size=512),
        "beitv2_base_patch16_224": BeitConfig(
            init_values=1e-5, use_abs_pos_emb=False, use_rel_pos_bias=True
        ),
        "beitv2_large_patch16_224": _BEIT_LARGE_PATCH16_224,
    }
