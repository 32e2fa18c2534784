"""The CSPNeXt family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.cspnext.config import CspNextConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.cspnext.model import CspNext


class CspNextFamily(ModelFamily[CspNextConfig, "CspNext"]):
    """CSPNeXt."""

    key = "cspnext"
    title = "CSPNeXt"
    paper = "https://arxiv.org/abs/2212.07784"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: CspNextConfig) -> CspNext:
        """The model, not initialised."""
        from typedvision.families.cspnext.model import CspNext

        return CspNext(cfg)

    @classmethod
    def parts(cls, cfg: CspNextConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.0.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "cspnext_l": CspNextConfig(),
        "cspnext_m": CspNextConfig(deepen_factor=0.67, widen_factor=0.75),
        "cspnext_s": CspNextConfig(deepen_factor=0.33, widen_factor=0.5),
        "cspnext_tiny": CspNextConfig(deepen_factor=0.167, widen_factor=0.375),
        "cspnext_x": CspNextConfig(deepen_factor=1.33, widen_factor=1.25),
    }
