"""The SelecSLS family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.selecsls.config import SelecSlsConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.selecsls.model import SelecSls


class SelecSlsFamily(ModelFamily[SelecSlsConfig, "SelecSls"]):
    """Networks of selective short- and long-range skip connections."""

    key = "selecsls"
    title = "SelecSLS"
    paper = "https://arxiv.org/abs/1907.00837"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any",
        global_pool=("", "avg", "max", "avgmax", "catavgmax"),
        grad_checkpointing=False,
    )

    @classmethod
    def build(cls, cfg: SelecSlsConfig) -> SelecSls:
        """The model, not initialised."""
        from typedvision.families.selecsls.model import SelecSls

        return SelecSls(cfg)

    @classmethod
    def parts(cls, cfg: SelecSlsConfig) -> Parts:
        """The first convolution, and the classifier."""
        return Parts(first_conv=("stem.0",), classifier=("fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "selecsls42": SelecSlsConfig(
            mid_chs=(64, 144, 304),
            out_chs=(128, 288, 480),
            depths=(2, 2, 2),
            head_chs=(960, 1024, 1024, 1280),
        ),
        "selecsls42b": SelecSlsConfig(
            mid_chs=(64, 144, 304),
            out_chs=(128, 288, 480),
            depths=(2, 2, 2),
            head_chs=(960, 1024, 1280, 1024),
        ),
        "selecsls60": SelecSlsConfig(
            mid_chs=(64, 128, 288),
            out_chs=(128, 288, 416),
            depths=(2, 3, 4),
            head_chs=(756, 1024, 1024, 1280),
        ),
        "selecsls60b": SelecSlsConfig(
            mid_chs=(64, 128, 288),
            out_chs=(128, 288, 416),
            depths=(2, 3, 4),
            head_chs=(756, 1024, 1280, 1024),
        ),
        "selecsls84": SelecSlsConfig(
            mid_chs=(64, 144, 304),
            out_chs=(144, 304, 512),
            depths=(2, 5, 6),
            head_chs=(960, 1024, 1024, 1280),
            head_kernel_size=3,
        ),
    }
