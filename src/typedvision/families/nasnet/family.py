"""The NASNet family: its published variant, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.nasnet.config import NASNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.nasnet.model import NASNetALarge


class NASNetFamily(ModelFamily[NASNetConfig, "NASNetALarge"]):
    """NASNet-A."""

    key = "nasnet"
    title = "NASNet"
    paper = "https://arxiv.org/abs/1707.07012"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any",
        global_pool=("", "avg", "max", "avgmax", "catavgmax"),
        grad_checkpointing=False,
    )

    @classmethod
    def build(cls, cfg: NASNetConfig) -> NASNetALarge:
        """The model, not initialised."""
        from typedvision.families.nasnet.model import NASNetALarge

        return NASNetALarge(cfg)

    @classmethod
    def parts(cls, cfg: NASNetConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("conv0.conv",), classifier=("last_linear",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {"nasnetalarge": NASNetConfig()}
