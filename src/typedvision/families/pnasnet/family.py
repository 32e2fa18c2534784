"""The PNASNet family: its published variant, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.pnasnet.config import PNASNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.pnasnet.model import PNASNet5Large


class PNASNetFamily(ModelFamily[PNASNetConfig, "PNASNet5Large"]):
    """PNASNet-5."""

    key = "pnasnet"
    title = "PNASNet"
    paper = "https://arxiv.org/abs/1712.00559"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any",
        global_pool=("", "avg", "max", "avgmax", "catavgmax"),
        grad_checkpointing=False,
    )

    @classmethod
    def build(cls, cfg: PNASNetConfig) -> PNASNet5Large:
        """The model, not initialised."""
        from typedvision.families.pnasnet.model import PNASNet5Large

        return PNASNet5Large(cfg)

    @classmethod
    def parts(cls, cfg: PNASNetConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("conv_0.conv",), classifier=("last_linear",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "pnasnet5large": PNASNetConfig(pad_type="same")
    }
