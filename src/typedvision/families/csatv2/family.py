"""The CSATv2 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.csatv2.config import CSATv2Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.csatv2.model import CSATv2


class CSATv2Family(ModelFamily[CSATv2Config, "CSATv2"]):
    """CSATv2, which sees an image's frequencies."""

    key = "csatv2"
    title = "CSATv2"
    paper = "https://huggingface.co/Hyunil/CSATv2"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="multiple", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: CSATv2Config) -> CSATv2:
        """The model, not initialised."""
        from typedvision.families.csatv2.model import CSATv2

        return CSATv2(cfg)

    @classmethod
    def parts(cls, cfg: CSATv2Config) -> Parts:
        """The classifier; the stem's channels are fixed."""
        return Parts(first_conv=(), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "csatv2": CSATv2Config(),
        "csatv2_21m": CSATv2Config(
            dims=(48, 96, 224, 448), depths=(3, 3, 10, 8), transformer_depths=(0, 0, 4, 3)
        ),
    }
