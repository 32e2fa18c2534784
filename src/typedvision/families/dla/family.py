"""The DLA family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.dla.config import DLAConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.dla.model import DLA


class DLAFamily(ModelFamily[DLAConfig, "DLA"]):
    """Networks with deep layer aggregation."""

    key = "dla"
    title = "DLA"
    paper = "https://arxiv.org/abs/1707.06484"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple",
        global_pool=("", "avg", "max", "avgmax", "catavgmax"),
        grad_checkpointing=False,
    )

    @classmethod
    def build(cls, cfg: DLAConfig) -> DLA:
        """The model, not initialised."""
        from typedvision.families.dla.model import DLA

        return DLA(cfg)

    @classmethod
    def parts(cls, cfg: DLAConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("base_layer.0",), classifier=("fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "dla34": DLAConfig(
            levels=(1, 1, 1, 2, 2, 1), channels=(16, 32, 64, 128, 256, 512), block="basic"
        ),
        "dla46_c": DLAConfig(
            levels=(1, 1, 1, 2, 2, 1), channels=(16, 32, 64, 64, 128, 256), block="bottleneck"
        ),
        "dla46x_c": DLAConfig(
            levels=(1, 1, 1, 2, 2, 1),
            channels=(16, 32, 64, 64, 128, 256),
            block="bottleneck",
            cardinality=32,
            base_width=4,
        ),
        "dla60": DLAConfig(
            levels=(1, 1, 1, 2, 3, 1), channels=(16, 32, 128, 256, 512, 1024), block="bottleneck"
        ),
        "dla60_res2net": DLAConfig(
            levels=(1, 1, 1, 2, 3, 1), channels=(16, 32, 128, 256, 512, 1024), base_width=28
        ),
        "dla60_res2next": DLAConfig(
            levels=(1, 1, 1, 2, 3, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            cardinality=8,
            base_width=4,
        ),
        "dla60x": DLAConfig(
            levels=(1, 1, 1, 2, 3, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            block="bottleneck",
            cardinality=32,
            base_width=4,
        ),
        "dla60x_c": DLAConfig(
            levels=(1, 1, 1, 2, 3, 1),
            channels=(16, 32, 64, 64, 128, 256),
            block="bottleneck",
            cardinality=32,
            base_width=4,
        ),
        "dla102": DLAConfig(
            levels=(1, 1, 1, 3, 4, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            block="bottleneck",
            shortcut_root=True,
        ),
        "dla102x": DLAConfig(
            levels=(1, 1, 1, 3, 4, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            block="bottleneck",
            cardinality=32,
            base_width=4,
            shortcut_root=True,
        ),
        "dla102x2": DLAConfig(
            levels=(1, 1, 1, 3, 4, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            block="bottleneck",
            cardinality=64,
            base_width=4,
            shortcut_root=True,
        ),
        "dla169": DLAConfig(
            levels=(1, 1, 2, 3, 5, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            block="bottleneck",
            shortcut_root=True,
        ),
    }
