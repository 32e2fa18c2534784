"""The SHViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.shvit.config import SHViTConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.shvit.model import SHViT


class SHViTFamily(ModelFamily[SHViTConfig, "SHViT"]):
    """SHViT, attention of a single head to some of the channels."""

    key = "shvit"
    title = "SHViT"
    paper = "https://arxiv.org/abs/2401.16456"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: SHViTConfig) -> SHViT:
        """The model, not initialised."""
        from typedvision.families.shvit.model import SHViT

        return SHViT(cfg)

    @classmethod
    def parts(cls, cfg: SHViTConfig) -> Parts:
        """The first convolution, and the classifier."""
        first = "patch_embed.0" if cfg.inference_mode else "patch_embed.0.c"
        bare = cfg.inference_mode or not cfg.num_classes
        return Parts(first_conv=(first,), classifier=("head" if bare else "head.l",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "shvit_s1": SHViTConfig(
            embed_dim=(128, 224, 320),
            depth=(2, 4, 5),
            partial_dim=(32, 48, 68),
            types=("i", "s", "s"),
        ),
        "shvit_s2": SHViTConfig(
            embed_dim=(128, 308, 448),
            depth=(2, 4, 5),
            partial_dim=(32, 66, 96),
            types=("i", "s", "s"),
        ),
        "shvit_s3": SHViTConfig(
            embed_dim=(192, 352, 448),
            depth=(3, 5, 5),
            partial_dim=(48, 75, 96),
            types=("i", "s", "s"),
        ),
        "shvit_s4": SHViTConfig(
            embed_dim=(224, 336, 448),
            depth=(4, 7, 6),
            partial_dim=(48, 72, 96),
            types=("i", "s", "s"),
        ),
    }
