"""The EfficientViM family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.efficientvim.config import EfficientViMConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.efficientvim.model import EfficientViM


class EfficientViMFamily(ModelFamily[EfficientViMConfig, "EfficientViM"]):
    """EfficientViM, a state space model whose channels are mixed in hidden states."""

    key = "efficientvim"
    title = "EfficientViM"
    paper = "https://arxiv.org/abs/2411.15241"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("avg",))

    @classmethod
    def build(cls, cfg: EfficientViMConfig) -> EfficientViM:
        """The model, not initialised."""
        from typedvision.families.efficientvim.model import EfficientViM

        return EfficientViM(cfg)

    @classmethod
    def parts(cls, cfg: EfficientViMConfig) -> Parts:
        """The first convolution, and a classifier for each stage and the last map."""
        heads = ("heads", "heads_dist") if cfg.distilled else ("heads",)
        count = len(cfg.embed_dim) + 1
        return Parts(
            first_conv=("patch_embed.conv.0.conv",),
            classifier=tuple(f"{name}.{index}" for name in heads for index in range(count)),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "efficientvim_m1": EfficientViMConfig(
            embed_dim=(128, 192, 320),
            depths=(2, 2, 2),
            state_dim=(49, 25, 9),
        ),
        "efficientvim_m1_dist": EfficientViMConfig(
            embed_dim=(128, 192, 320),
            depths=(2, 2, 2),
            state_dim=(49, 25, 9),
            distilled=True,
        ),
        "efficientvim_m2": EfficientViMConfig(
            embed_dim=(128, 256, 512),
            depths=(2, 2, 2),
            state_dim=(49, 25, 9),
        ),
        "efficientvim_m2_dist": EfficientViMConfig(
            embed_dim=(128, 256, 512),
            depths=(2, 2, 2),
            state_dim=(49, 25, 9),
            distilled=True,
        ),
        "efficientvim_m3": EfficientViMConfig(
            embed_dim=(224, 320, 512),
            depths=(2, 2, 2),
            state_dim=(49, 25, 9),
        ),
        "efficientvim_m3_dist": EfficientViMConfig(
            embed_dim=(224, 320, 512),
            depths=(2, 2, 2),
            state_dim=(49, 25, 9),
            distilled=True,
        ),
        "efficientvim_m4": EfficientViMConfig(
            embed_dim=(224, 320, 512),
            depths=(3, 4, 2),
            state_dim=(64, 32, 16),
        ),
        "efficientvim_m4_dist": EfficientViMConfig(
            embed_dim=(224, 320, 512),
            depths=(3, 4, 2),
            state_dim=(64, 32, 16),
            distilled=True,
        ),
    }
