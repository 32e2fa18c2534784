"""The DPN family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.dpn.config import DPNConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.dpn.model import DPN


class DPNFamily(ModelFamily[DPNConfig, "DPN"]):
    """Dual path networks."""

    key = "dpn"
    title = "DPN"
    paper = "https://arxiv.org/abs/1707.01629"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: DPNConfig) -> DPN:
        """The model, not initialised."""
        from typedvision.families.dpn.model import DPN

        return DPN(cfg)

    @classmethod
    def parts(cls, cfg: DPNConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("features.conv1_1.conv",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "dpn48b": DPNConfig(
            small=True,
            num_init_features=10,
            k_r=128,
            b=True,
            k_sec=(3, 4, 6, 3),
            inc_sec=(16, 32, 32, 64),
            act_layer="silu",
        ),
        "dpn68": DPNConfig(
            small=True, num_init_features=10, k_r=128, k_sec=(3, 4, 12, 3), inc_sec=(16, 32, 32, 64)
        ),
        "dpn68b": DPNConfig(
            small=True,
            num_init_features=10,
            k_r=128,
            b=True,
            k_sec=(3, 4, 12, 3),
            inc_sec=(16, 32, 32, 64),
        ),
        "dpn92": DPNConfig(),
        "dpn98": DPNConfig(
            num_init_features=96, k_r=160, groups=40, k_sec=(3, 6, 20, 3), inc_sec=(16, 32, 32, 128)
        ),
        "dpn107": DPNConfig(
            num_init_features=128,
            k_r=200,
            groups=50,
            k_sec=(4, 8, 20, 3),
            inc_sec=(20, 64, 64, 128),
        ),
        "dpn131": DPNConfig(
            num_init_features=128,
            k_r=160,
            groups=40,
            k_sec=(4, 8, 28, 3),
            inc_sec=(16, 32, 32, 128),
        ),
    }
