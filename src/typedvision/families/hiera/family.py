"""The Hiera family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.hiera.config import HieraConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, PositionTable

if TYPE_CHECKING:
    from typedvision.families.hiera.model import Hiera


class HieraFamily(ModelFamily[HieraConfig, "Hiera"]):
    """Hierarchical Vision Transformers without the bells and whistles."""

    key = "hiera"
    title = "Hiera"
    paper = "https://arxiv.org/abs/2306.00989"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: HieraConfig) -> Hiera:
        """The model, not initialised."""
        from typedvision.families.hiera.model import Hiera

        return Hiera(cfg)

    @classmethod
    def parts(cls, cfg: HieraConfig) -> Parts:
        """The projection of the patches, the classifier, and the table of positions where it is
        that of one image size."""
        tables = () if cfg.abs_win_pos_embed else (PositionTable("pos_embed", cfg.plan().grid),)
        return Parts(
            first_conv=("patch_embed.proj",), classifier=("head.fc",), position_tables=tables
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "hiera_base_224": HieraConfig(),
        "hiera_base_abswin_256": HieraConfig(
            img_size=256, abs_win_pos_embed=True, init_values=1e-5, weight_init="jax"
        ),
        "hiera_base_plus_224": HieraConfig(embed_dim=112, num_heads=2),
        "hiera_huge_224": HieraConfig(embed_dim=256, num_heads=4, stages=(2, 6, 36, 4)),
        "hiera_large_224": HieraConfig(embed_dim=144, num_heads=2, stages=(2, 6, 36, 4)),
        "hiera_small_224": HieraConfig(stages=(1, 2, 11, 2)),
        "hiera_small_abswin_256": HieraConfig(
            img_size=256,
            stages=(1, 2, 11, 2),
            abs_win_pos_embed=True,
            global_pos_size=(16, 16),
            init_values=1e-5,
            weight_init="jax",
            use_expand_proj=False,
        ),
        "hiera_tiny_224": HieraConfig(stages=(1, 2, 7, 2)),
    }
