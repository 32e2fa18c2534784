"""The Next-ViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.nextvit.config import NextVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.nextvit.model import NextViT


class NextVitFamily(ModelFamily[NextVitConfig, "NextViT"]):
    """Convolutions and attention for deployment."""

    key = "nextvit"
    title = "Next-ViT"
    paper = "https://arxiv.org/abs/2207.05501"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: NextVitConfig) -> NextViT:
        """The model, not initialised."""
        from typedvision.families.nextvit.model import NextViT

        return NextViT(cfg)

    @classmethod
    def parts(cls, cfg: NextVitConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("stem.0.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "nextvit_base": NextVitConfig(depths=(3, 4, 20, 3), drop_path_rate=0.2),
        "nextvit_large": NextVitConfig(depths=(3, 4, 30, 3), drop_path_rate=0.2),
        "nextvit_small": NextVitConfig(),
    }
