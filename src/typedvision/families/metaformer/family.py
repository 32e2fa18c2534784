"""The MetaFormer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.metaformer.config import MetaFormerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.metaformer.model import MetaFormer

_CAFORMER = MetaFormerConfig(
    depths=(3, 12, 18, 3), token_mixers=("sepconv", "sepconv", "attention", "attention")
)
_CONVFORMER = MetaFormerConfig(depths=(3, 12, 18, 3), token_mixers="sepconv")
_POOLFORMER = MetaFormerConfig(
    downsample_norm=None,
    mlp_act="gelu",
    mlp_bias=True,
    norm_layers="groupnorm1",
    layer_scale_init_values=1e-6,
    res_scale_init_values=None,
    use_mlp_head=False,
)
_POOLFORMERV2 = MetaFormerConfig(norm_layers="groupnorm1_nobias", use_mlp_head=False)


class MetaFormerFamily(ModelFamily[MetaFormerConfig, "MetaFormer"]):
    """PoolFormer, PoolFormer V2, ConvFormer and CAFormer."""

    key = "metaformer"
    title = "MetaFormer"
    paper = "https://arxiv.org/abs/2210.13452"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: MetaFormerConfig) -> MetaFormer:
        """The model, not initialised."""
        from typedvision.families.metaformer.model import MetaFormer

        return MetaFormer(cfg)

    @classmethod
    def parts(cls, cfg: MetaFormerConfig) -> Parts:
        """The stem's convolution, and the classifier's last layer."""
        last = "head.fc.fc2" if cfg.use_mlp_head and cfg.num_classes else "head.fc"
        return Parts(first_conv=("stem.conv",), classifier=(last,))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "caformer_b36": _CAFORMER.replace(dims=(128, 256, 512, 768)),
        "caformer_m36": _CAFORMER.replace(dims=(96, 192, 384, 576)),
        "caformer_s18": _CAFORMER.replace(depths=(3, 3, 9, 3)),
        "caformer_s36": _CAFORMER,
        "convformer_b36": _CONVFORMER.replace(dims=(128, 256, 512, 768)),
        "convformer_m36": _CONVFORMER.replace(dims=(96, 192, 384, 576)),
        "convformer_s18": _CONVFORMER.replace(depths=(3, 3, 9, 3)),
        "convformer_s36": _CONVFORMER,
        "poolformer_m36": _POOLFORMER.replace(depths=(6, 6, 18, 6), dims=(96, 192, 384, 768)),
        "poolformer_m48": _POOLFORMER.replace(depths=(8, 8, 24, 8), dims=(96, 192, 384, 768)),
        "poolformer_s12": _POOLFORMER.replace(layer_scale_init_values=1e-5),
        "poolformer_s24": _POOLFORMER.replace(depths=(4, 4, 12, 4), layer_scale_init_values=1e-5),
        "poolformer_s36": _POOLFORMER.replace(depths=(6, 6, 18, 6)),
        "poolformerv2_m36": _POOLFORMERV2.replace(depths=(6, 6, 18, 6), dims=(96, 192, 384, 768)),
        "poolformerv2_m48": _POOLFORMERV2.replace(depths=(8, 8, 24, 8), dims=(96, 192, 384, 768)),
        "poolformerv2_s12": _POOLFORMERV2,
        "poolformerv2_s24": _POOLFORMERV2.replace(depths=(4, 4, 12, 4)),
        "poolformerv2_s36": _POOLFORMERV2.replace(depths=(6, 6, 18, 6)),
    }
