"""The EdgeNeXt family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.edgenext.config import EdgeNeXtConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.edgenext.model import EdgeNeXt


class EdgeNeXtFamily(ModelFamily[EdgeNeXtConfig, "EdgeNeXt"]):
    """EdgeNeXt."""

    key = "edgenext"
    title = "EdgeNeXt"
    paper = "https://arxiv.org/abs/2206.10589"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: EdgeNeXtConfig) -> EdgeNeXt:
        """The model, not initialised."""
        from typedvision.families.edgenext.model import EdgeNeXt

        return EdgeNeXt(cfg)

    @classmethod
    def parts(cls, cfg: EdgeNeXtConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.0",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "edgenext_base": EdgeNeXtConfig(depths=(3, 3, 9, 3), dims=(80, 160, 288, 584)),
        "edgenext_small": EdgeNeXtConfig(depths=(3, 3, 9, 3), dims=(48, 96, 160, 304)),
        "edgenext_small_rw": EdgeNeXtConfig(
            depths=(3, 3, 9, 3),
            dims=(48, 96, 192, 384),
            downsample_block=True,
            conv_bias=False,
            stem_type="overlap",
        ),
        "edgenext_x_small": EdgeNeXtConfig(
            depths=(3, 3, 9, 3), dims=(32, 64, 100, 192), heads=(4, 4, 4, 4)
        ),
        "edgenext_xx_small": EdgeNeXtConfig(
            depths=(2, 2, 6, 2), dims=(24, 48, 88, 168), heads=(4, 4, 4, 4)
        ),
    }
