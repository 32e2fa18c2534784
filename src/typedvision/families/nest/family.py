"""The NesT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.nest.config import NestConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.nest.model import Nest

_BASE = NestConfig()
_SMALL = NestConfig(embed_dims=(96, 192, 384), num_heads=(3, 6, 12))
_TINY = NestConfig(embed_dims=(96, 192, 384), num_heads=(3, 6, 12), depths=(2, 2, 8))


class NestFamily(ModelFamily[NestConfig, "Nest"]):
    """Nested Transformers."""

    key = "nest"
    title = "NesT"
    paper = "https://arxiv.org/abs/2105.12723"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: NestConfig) -> Nest:
        """The model, not initialised."""
        from typedvision.families.nest.model import Nest

        return Nest(cfg)

    @classmethod
    def parts(cls, cfg: NestConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        return Parts(first_conv=("patch_embed.proj",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "nest_base": _BASE,
        "nest_base_jx": _BASE.replace(pad_type="same"),
        "nest_small": _SMALL,
        "nest_small_jx": _SMALL.replace(pad_type="same"),
        "nest_tiny": _TINY,
        "nest_tiny_jx": _TINY.replace(pad_type="same"),
    }
