"""The InceptionNeXt family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.inception_next.config import InceptionNeXtConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.inception_next.model import MetaNeXt


class InceptionNeXtFamily(ModelFamily[InceptionNeXtConfig, "MetaNeXt"]):
    """InceptionNeXt."""

    key = "inception_next"
    title = "InceptionNeXt"
    paper = "https://arxiv.org/abs/2303.16900"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: InceptionNeXtConfig) -> MetaNeXt:
        """The model, not initialised."""
        from typedvision.families.inception_next.model import MetaNeXt

        return MetaNeXt(cfg)

    @classmethod
    def parts(cls, cfg: InceptionNeXtConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.0",), classifier=("head.fc2",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "inception_next_atto": InceptionNeXtConfig(
            depths=(2, 2, 6, 2), dims=(40, 80, 160, 320), band_kernel_size=9, branch_ratio=0.25
        ),
        "inception_next_base": InceptionNeXtConfig(
            depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024)
        ),
        "inception_next_small": InceptionNeXtConfig(depths=(3, 3, 27, 3)),
        "inception_next_tiny": InceptionNeXtConfig(),
    }
