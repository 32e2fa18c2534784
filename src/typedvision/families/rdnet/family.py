"""The RDNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.rdnet.config import RDNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.rdnet.model import RDNet

_SMALL = RDNetConfig(
    num_init_features=72,
    growth_rates=(64, 128, 128, 128, 128, 128, 128, 128, 128, 240, 240),
    num_blocks_list=(3,) * 11,
    block_type=("Block",) * 2 + ("BlockESE",) * 9,
    is_downsample_block=(None, True, True, *(False,) * 6, True, False),
)


class RDNetFamily(ModelFamily[RDNetConfig, "RDNet"]):
    """RDNet."""

    key = "rdnet"
    title = "RDNet"
    paper = "https://arxiv.org/abs/2403.19588"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: RDNetConfig) -> RDNet:
        """The model, not initialised."""
        from typedvision.families.rdnet.model import RDNet

        return RDNet(cfg)

    @classmethod
    def parts(cls, cfg: RDNetConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=("stem.0",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "rdnet_base": _SMALL.replace(
            num_init_features=120,
            growth_rates=(96, 128, 168, 168, 168, 168, 168, 168, 168, 336, 336),
        ),
        "rdnet_large": RDNetConfig(
            num_init_features=144,
            growth_rates=(128, 192, 256, 256, 256, 256, 256, 256, 256, 256, 360, 360),
            num_blocks_list=(3,) * 12,
            block_type=("Block",) * 2 + ("BlockESE",) * 10,
            is_downsample_block=(None, True, True, *(False,) * 7, True, False),
        ),
        "rdnet_small": _SMALL,
        "rdnet_tiny": RDNetConfig(),
    }
