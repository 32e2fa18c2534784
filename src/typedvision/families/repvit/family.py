"""The RepVit family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.repvit.config import RepVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.repvit.model import RepVit


class RepVitFamily(ModelFamily[RepVitConfig, "RepVit"]):
    """RepViT, with branches that one convolution replaces after training."""

    key = "repvit"
    title = "RepViT"
    paper = "https://arxiv.org/abs/2307.09283"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: RepVitConfig) -> RepVit:
        """The model, not initialised."""
        from typedvision.families.repvit.model import RepVit

        return RepVit(cfg)

    @classmethod
    def parts(cls, cfg: RepVitConfig) -> Parts:
        """The stem's first convolution, and the classifiers."""
        first = "stem.conv1" if cfg.inference_mode else "stem.conv1.c"
        if cfg.inference_mode or not cfg.num_classes:
            return Parts(first_conv=(first,), classifier=("head",))
        second = ("head.head_dist.l",) if cfg.distillation else ()
        return Parts(first_conv=(first,), classifier=("head.head.l", *second))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "repvit_m0_9": RepVitConfig(embed_dim=(48, 96, 192, 384), depth=(2, 2, 14, 2)),
        "repvit_m1": RepVitConfig(embed_dim=(48, 96, 192, 384), depth=(2, 2, 14, 2), legacy=True),
        "repvit_m1_0": RepVitConfig(embed_dim=(56, 112, 224, 448), depth=(2, 2, 14, 2)),
        "repvit_m1_1": RepVitConfig(embed_dim=(64, 128, 256, 512), depth=(2, 2, 12, 2)),
        "repvit_m1_5": RepVitConfig(embed_dim=(64, 128, 256, 512), depth=(4, 4, 24, 4)),
        "repvit_m2": RepVitConfig(embed_dim=(64, 128, 256, 512), depth=(2, 2, 12, 2), legacy=True),
        "repvit_m2_3": RepVitConfig(embed_dim=(80, 160, 320, 640), depth=(6, 6, 34, 2)),
        "repvit_m3": RepVitConfig(embed_dim=(64, 128, 256, 512), depth=(4, 4, 18, 2), legacy=True),
    }
