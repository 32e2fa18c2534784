"""The HRNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.hrnet.config import HRNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.hrnet.model import HighResolutionNet


class HRNetFamily(ModelFamily[HRNetConfig, "HighResolutionNet"]):
    """High-resolution networks."""

    key = "hrnet"
    title = "HRNet"
    paper = "https://arxiv.org/abs/1908.07919"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple",
        global_pool=("", "avg", "max", "avgmax", "catavgmax"),
        grad_checkpointing=False,
    )

    @classmethod
    def build(cls, cfg: HRNetConfig) -> HighResolutionNet:
        """The model, not initialised."""
        from typedvision.families.hrnet.model import HighResolutionNet

        return HighResolutionNet(cfg)

    @classmethod
    def parts(cls, cfg: HRNetConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("conv1",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "hrnet_w18": HRNetConfig(width=18, modules=(1, 4, 3)),
        "hrnet_w18_small": HRNetConfig(
            width=16, modules=(1, 1, 1), branch_depth=2, stage1_width=32, stage1_depth=1
        ),
        "hrnet_w18_small_v2": HRNetConfig(
            width=18, modules=(1, 3, 2), branch_depth=2, stage1_depth=2
        ),
        "hrnet_w18_ssld": HRNetConfig(width=18, modules=(1, 4, 3), head_conv_bias=False),
        "hrnet_w30": HRNetConfig(width=30, modules=(1, 4, 3)),
        "hrnet_w32": HRNetConfig(width=32, modules=(1, 4, 3)),
        "hrnet_w40": HRNetConfig(width=40, modules=(1, 4, 3)),
        "hrnet_w44": HRNetConfig(width=44, modules=(1, 4, 3)),
        "hrnet_w48": HRNetConfig(width=48, modules=(1, 4, 3)),
        "hrnet_w48_ssld": HRNetConfig(width=48, modules=(1, 4, 3), head_conv_bias=False),
        "hrnet_w64": HRNetConfig(width=64, modules=(1, 4, 3)),
    }
