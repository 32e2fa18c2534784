"""The GCViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.gcvit.config import GCViTConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, RelativeTable

if TYPE_CHECKING:
    from typedvision.families.gcvit.model import GlobalContextVit


class GCViTFamily(ModelFamily[GCViTConfig, "GlobalContextVit"]):
    """Global Context Vision Transformers."""

    key = "gcvit"
    title = "GCViT"
    paper = "https://arxiv.org/abs/2206.09959"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: GCViTConfig) -> GlobalContextVit:
        """The model, not initialised."""
        from typedvision.families.gcvit.model import GlobalContextVit

        return GlobalContextVit(cfg)

    @classmethod
    def parts(cls, cfg: GCViTConfig) -> Parts:
        """The stem's first convolution, the classifier and the tables of biases."""
        return Parts(
            first_conv=("stem.conv1",),
            classifier=("head.fc",),
            relative_tables=tuple(
                RelativeTable(
                    f"stages.{index}.blocks.{number}.attn.rel_pos.relative_position_bias_table",
                    stage.window,
                )
                for index, stage in enumerate(cfg.plan().stages)
                for number in range(len(stage.drop_path_rates))
            ),
            recomputed=("relative_position_index",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "gcvit_base": GCViTConfig(
            embed_dim=128, num_heads=(4, 8, 16, 32), mlp_ratio=2, layer_scale=1e-5
        ),
        "gcvit_small": GCViTConfig(
            embed_dim=96, num_heads=(3, 6, 12, 24), mlp_ratio=2, layer_scale=1e-5
        ),
        "gcvit_tiny": GCViTConfig(),
        "gcvit_xtiny": GCViTConfig(depths=(3, 4, 6, 5)),
        "gcvit_xxtiny": GCViTConfig(depths=(2, 2, 6, 2)),
    }
