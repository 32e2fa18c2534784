"""The iFormer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.iformer.config import IFormerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.iformer.model import IFormer

_M = IFormerConfig(
    dims=(48, 96, 192, 384),
    depths=(2, 2, 22, 6),
    attn_groups=(0, 0, 4, 2),
    conv_ratio=4,
    ffn_ratio=3,
)
_L = IFormerConfig(
    dims=(48, 96, 256, 384),
    depths=(2, 2, 33, 6),
    attn_groups=(0, 0, 8, 2),
    conv_ratio=4,
    ffn_ratio=3,
)
_L2 = IFormerConfig(
    dims=(64, 128, 256, 512),
    depths=(3, 3, 46, 9),
    attn_groups=(0, 0, 11, 3),
    conv_ratio=4,
    ffn_ratio=3,
)


class IFormerFamily(ModelFamily[IFormerConfig, "IFormer"]):
    """iFormer, mobile networks of convolutions and attention of one head."""

    key = "iformer"
    title = "iFormer"
    paper = "https://arxiv.org/abs/2501.15369"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: IFormerConfig) -> IFormer:
        """The model, not initialised."""
        from typedvision.families.iformer.model import IFormer

        return IFormer(cfg)

    @classmethod
    def parts(cls, cfg: IFormerConfig) -> Parts:
        """The stem's first convolution, and the classifiers."""
        first = "stem.conv1" if cfg.inference_mode else "stem.conv1.c"
        if cfg.inference_mode or not cfg.num_classes:
            return Parts(first_conv=(first,), classifier=("head",))
        second = ("head.head_dist.l",) if cfg.distillation else ()
        return Parts(first_conv=(first,), classifier=("head.head.l", *second))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "iformer_h": IFormerConfig(
            dims=(96, 192, 384, 768),
            depths=(5, 5, 60, 18),
            attn_groups=(0, 0, 15, 6),
            attn_head_dim_reduction=(0, 0, 1, 1),
            conv_ratio=4,
            ffn_ratio=4,
            layer_scale_init_value=1e-6,
        ),
        "iformer_l": _L,
        "iformer_l2": _L2,
        "iformer_l2_distilled": _L2.replace(distillation=True),
        "iformer_l_distilled": _L.replace(distillation=True),
        "iformer_m": _M,
        "iformer_m_distilled": _M.replace(distillation=True),
        "iformer_s": _M.replace(
            dims=(32, 64, 176, 320), depths=(2, 2, 19, 6), attn_groups=(0, 0, 3, 2)
        ),
        "iformer_t": IFormerConfig(),
    }
