"""The MambaOut family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.mambaout.config import MambaOutConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.mambaout.model import MambaOut

_RW = MambaOutConfig(
    depths=(3, 4, 30, 3),
    dims=(128, 256, 512, 768),
    stem_mid_norm=False,
    ls_init_value=1e-6,
    downsample="conv_nf",
    head_fn="norm_mlp",
)


class MambaOutFamily(ModelFamily[MambaOutConfig, "MambaOut"]):
    """MambaOut."""

    key = "mambaout"
    title = "MambaOut"
    paper = "https://arxiv.org/abs/2405.07992"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: MambaOutConfig) -> MambaOut:
        """The model, not initialised."""
        from typedvision.families.mambaout.model import MambaOut

        return MambaOut(cfg)

    @classmethod
    def parts(cls, cfg: MambaOutConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=("stem.conv1",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "mambaout_base": MambaOutConfig(depths=(3, 4, 27, 3), dims=(128, 256, 512, 768)),
        "mambaout_base_plus_rw": _RW.replace(expansion_ratio=3.0, conv_ratio=1.5, act_layer="silu"),
        "mambaout_base_short_rw": _RW.replace(
            depths=(3, 3, 25, 3), expansion_ratio=3.0, conv_ratio=1.25
        ),
        "mambaout_base_tall_rw": _RW.replace(expansion_ratio=2.5, conv_ratio=1.25),
        "mambaout_base_wide_rw": _RW.replace(
            depths=(3, 4, 27, 3), expansion_ratio=3.0, conv_ratio=1.5, act_layer="silu"
        ),
        "mambaout_femto": MambaOutConfig(dims=(48, 96, 192, 288)),
        "mambaout_kobe": MambaOutConfig(depths=(3, 3, 15, 3), dims=(48, 96, 192, 288)),
        "mambaout_small": MambaOutConfig(depths=(3, 4, 27, 3)),
        "mambaout_small_rw": _RW.replace(depths=(3, 4, 27, 3), dims=(96, 192, 384, 576)),
        "mambaout_tiny": MambaOutConfig(),
        "test_mambaout": _RW.replace(
            depths=(1, 1, 3, 1),
            dims=(16, 32, 48, 64),
            expansion_ratio=3.0,
            ls_init_value=1e-4,
            act_layer="silu",
        ),
    }
