"""The Aligned Xception family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.xception_aligned.config import XceptionAlignedConfig, XceptionBlock
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.xception_aligned.model import XceptionAligned


_ENTRY = (
    XceptionBlock(out_chs=128, stride=2),
    XceptionBlock(out_chs=256, stride=2),
    XceptionBlock(out_chs=728, stride=2),
)
_MIDDLE = XceptionBlock(out_chs=728)
_EXIT = XceptionBlock(out_chs=(728, 1024, 1024), stride=2)
_END = XceptionBlock(out_chs=(1536, 1536, 2048), no_skip=True)
_END_ACTIVATED = XceptionBlock(out_chs=(1536, 1536, 2048), no_skip=True, start_with_relu=False)


class XceptionAlignedFamily(ModelFamily[XceptionAlignedConfig, "XceptionAligned"]):
    """Aligned Xception."""

    key = "xception_aligned"
    title = "Aligned Xception"
    paper = "https://arxiv.org/abs/1802.02611"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: XceptionAlignedConfig) -> XceptionAligned:
        """The model, not initialised."""
        from typedvision.families.xception_aligned.model import XceptionAligned

        return XceptionAligned(cfg)

    @classmethod
    def parts(cls, cfg: XceptionAlignedConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("stem.0.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "xception41": XceptionAlignedConfig(
            block_cfg=(*_ENTRY, *(_MIDDLE,) * 8, _EXIT, _END_ACTIVATED), norm_eps=1e-3
        ),
        "xception41p": XceptionAlignedConfig(
            block_cfg=(*_ENTRY, *(_MIDDLE,) * 8, _EXIT, _END), preact=True
        ),
        "xception65": XceptionAlignedConfig(
            block_cfg=(*_ENTRY, *(_MIDDLE,) * 16, _EXIT, _END_ACTIVATED), norm_eps=1e-3
        ),
        "xception65p": XceptionAlignedConfig(
            block_cfg=(*_ENTRY, *(_MIDDLE,) * 16, _EXIT, _END), preact=True, norm_eps=1e-3
        ),
        "xception71": XceptionAlignedConfig(
            block_cfg=(
                XceptionBlock(out_chs=128, stride=2),
                XceptionBlock(out_chs=256),
                XceptionBlock(out_chs=256, stride=2),
                XceptionBlock(out_chs=728),
                XceptionBlock(out_chs=728, stride=2),
                *(_MIDDLE,) * 16,
                _EXIT,
                _END_ACTIVATED,
            ),
            norm_eps=1e-3,
        ),
    }
