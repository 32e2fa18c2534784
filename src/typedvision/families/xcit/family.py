"""The XCiT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.xcit.config import XcitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.xcit.model import Xcit

_XCIT_LARGE_24 = XcitConfig(depth=24, num_heads=16, eta=1e-05, tokens_norm=True)
_XCIT_MEDIUM_24 = XcitConfig(embed_dim=512, depth=24, num_heads=8, eta=1e-05, tokens_norm=True)
_XCIT_NANO_12 = XcitConfig(embed_dim=128, num_heads=4)
_XCIT_SMALL_12 = XcitConfig(embed_dim=384, num_heads=8, tokens_norm=True)
_XCIT_SMALL_24 = XcitConfig(embed_dim=384, depth=24, num_heads=8, eta=1e-05, tokens_norm=True)
_XCIT_TINY_12 = XcitConfig(embed_dim=192, num_heads=4, tokens_norm=True)
_XCIT_TINY_24 = XcitConfig(embed_dim=192, depth=24, num_heads=4, eta=1e-05, tokens_norm=True)


class XcitFamily(ModelFamily[XcitConfig, "Xcit"]):
    """Transformers that attend over channels."""

    key = "xcit"
    title = "XCiT"
    paper = "https://arxiv.org/abs/2106.09681"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "token", "avg")
    )

    @classmethod
    def build(cls, cfg: XcitConfig) -> Xcit:
        """The model, not initialised."""
        from typedvision.families.xcit.model import Xcit

        return Xcit(cfg)

    @classmethod
    def parts(cls, cfg: XcitConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("patch_embed.proj.0.0",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "xcit_large_24_p16_224": _XCIT_LARGE_24,
        "xcit_large_24_p16_384": _XCIT_LARGE_24.replace(img_size=384),
        "xcit_large_24_p8_224": _XCIT_LARGE_24.replace(patch_size=8),
        "xcit_large_24_p8_384": _XCIT_LARGE_24.replace(img_size=384, patch_size=8),
        "xcit_medium_24_p16_224": _XCIT_MEDIUM_24,
        "xcit_medium_24_p16_384": _XCIT_MEDIUM_24.replace(img_size=384),
        "xcit_medium_24_p8_224": _XCIT_MEDIUM_24.replace(patch_size=8),
        "xcit_medium_24_p8_384": _XCIT_MEDIUM_24.replace(img_size=384, patch_size=8),
        "xcit_nano_12_p16_224": _XCIT_NANO_12,
        "xcit_nano_12_p16_384": _XCIT_NANO_12.replace(img_size=384),
        "xcit_nano_12_p8_224": _XCIT_NANO_12.replace(patch_size=8),
        "xcit_nano_12_p8_384": _XCIT_NANO_12.replace(img_size=384, patch_size=8),
        "xcit_small_12_p16_224": _XCIT_SMALL_12,
        "xcit_small_12_p16_384": _XCIT_SMALL_12.replace(img_size=384),
        "xcit_small_12_p8_224": _XCIT_SMALL_12.replace(patch_size=8),
        "xcit_small_12_p8_384": _XCIT_SMALL_12.replace(img_size=384, patch_size=8),
        "xcit_small_24_p16_224": _XCIT_SMALL_24,
        "xcit_small_24_p16_384": _XCIT_SMALL_24.replace(img_size=384),
        "xcit_small_24_p8_224": _XCIT_SMALL_24.replace(patch_size=8),
        "xcit_small_24_p8_384": _XCIT_SMALL_24.replace(img_size=384, patch_size=8),
        "xcit_tiny_12_p16_224": _XCIT_TINY_12,
        "xcit_tiny_12_p16_384": _XCIT_TINY_12.replace(img_size=384),
        "xcit_tiny_12_p8_224": _XCIT_TINY_12.replace(patch_size=8),
        "xcit_tiny_12_p8_384": _XCIT_TINY_12.replace(img_size=384, patch_size=8),
        "xcit_tiny_24_p16_224": _XCIT_TINY_24,
        "xcit_tiny_24_p16_384": _XCIT_TINY_24.replace(img_size=384),
        "xcit_tiny_24_p8_224": _XCIT_TINY_24.replace(patch_size=8),
        "xcit_tiny_24_p8_384": _XCIT_TINY_24.replace(img_size=384, patch_size=8),
    }
