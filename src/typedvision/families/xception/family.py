"""The Xception family: its published variant, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.xception.config import XceptionConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.xception.model import Xception


class XceptionFamily(ModelFamily[XceptionConfig, "Xception"]):
    """Xception."""

    key = "xception"
    title = "Xception"
    paper = "https://arxiv.org/abs/1610.02357"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any",
        global_pool=("", "avg", "max", "avgmax", "catavgmax"),
        grad_checkpointing=False,
    )

    @classmethod
    def build(cls, cfg: XceptionConfig) -> Xception:
        """The model, not initialised."""
        from typedvision.families.xception.model import Xception

        return Xception(cfg)

    @classmethod
    def parts(cls, cfg: XceptionConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("conv1",), classifier=("fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {"legacy_xception": XceptionConfig()}
