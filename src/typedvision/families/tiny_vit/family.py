"""The TinyViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.tiny_vit.config import TinyVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.tiny_vit.model import TinyVit

_LARGE = TinyVitConfig(
    embed_dims=(96, 192, 384, 576),
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 18),
    window_sizes=(7, 7, 14, 7),
)


class TinyVitFamily(ModelFamily[TinyVitConfig, "TinyVit"]):
    """TinyViT."""

    key = "tiny_vit"
    title = "TinyViT"
    paper = "https://arxiv.org/abs/2207.10666"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: TinyVitConfig) -> TinyVit:
        """The model, not initialised."""
        from typedvision.families.tiny_vit.model import TinyVit

        return TinyVit(cfg)

    @classmethod
    def parts(cls, cfg: TinyVitConfig) -> Parts:
        """The first convolution, the classifier, and the tables of the windows' distances."""
        _, stages = cfg.plan()
        return Parts(
            first_conv=("patch_embed.conv1.conv",),
            classifier=("head.fc",),
            distance_tables=tuple(
                f"stages.{level}.blocks.{index}.attn.attention_biases"
                for level, stage in enumerate(stages, 1)
                for index in range(len(stage.drop_path_rates))
            ),
            recomputed=("attention_bias_idxs",),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "tiny_vit_5m_224": TinyVitConfig(
            embed_dims=(64, 128, 160, 320),
            depths=(2, 2, 6, 2),
            num_heads=(2, 4, 5, 10),
            window_sizes=(7, 7, 14, 7),
            drop_path_rate=0.0,
            num_classes=21841,
        ),
        "tiny_vit_11m_224": TinyVitConfig(
            embed_dims=(64, 128, 256, 448),
            depths=(2, 2, 6, 2),
            num_heads=(2, 4, 8, 14),
            window_sizes=(7, 7, 14, 7),
            drop_path_rate=0.1,
            num_classes=21841,
        ),
        "tiny_vit_21m_224": _LARGE.replace(drop_path_rate=0.2, num_classes=21841),
        "tiny_vit_21m_384": _LARGE.replace(window_sizes=(12, 12, 24, 12)),
        "tiny_vit_21m_512": _LARGE.replace(window_sizes=(16, 16, 32, 16)),
    }
