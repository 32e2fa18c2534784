"""The ConvNeXt family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.convnext.config import ConvNeXtConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.convnext.model import ConvNeXt


class ConvNeXtFamily(ModelFamily[ConvNeXtConfig, "ConvNeXt"]):
    """ConvNeXt and ConvNeXt V2."""

    key = "convnext"
    title = "ConvNeXt"
    paper = "https://arxiv.org/abs/2201.03545"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: ConvNeXtConfig) -> ConvNeXt:
        """The model, not initialised."""
        from typedvision.families.convnext.model import ConvNeXt

        return ConvNeXt(cfg)

    @classmethod
    def parts(cls, cfg: ConvNeXtConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=("stem.0",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "convnext_atto": ConvNeXtConfig(
            depths=(2, 2, 6, 2), dims=(40, 80, 160, 320), conv_mlp=True
        ),
        "convnext_atto_ols": ConvNeXtConfig(
            depths=(2, 2, 6, 2), dims=(40, 80, 160, 320), stem_type="overlap_tiered", conv_mlp=True
        ),
        "convnext_atto_rms": ConvNeXtConfig(
            depths=(2, 2, 6, 2), dims=(40, 80, 160, 320), conv_mlp=True, norm_layer="rmsnorm2d"
        ),
        "convnext_base": ConvNeXtConfig(depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024)),
        "convnext_femto": ConvNeXtConfig(
            depths=(2, 2, 6, 2), dims=(48, 96, 192, 384), conv_mlp=True
        ),
        "convnext_femto_ols": ConvNeXtConfig(
            depths=(2, 2, 6, 2), dims=(48, 96, 192, 384), stem_type="overlap_tiered", conv_mlp=True
        ),
        "convnext_large": ConvNeXtConfig(depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536)),
        "convnext_large_mlp": ConvNeXtConfig(
            depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536), head_hidden_size=1536
        ),
        "convnext_nano": ConvNeXtConfig(
            depths=(2, 2, 8, 2), dims=(80, 160, 320, 640), conv_mlp=True
        ),
        "convnext_nano_ols": ConvNeXtConfig(
            depths=(2, 2, 8, 2), dims=(80, 160, 320, 640), stem_type="overlap", conv_mlp=True
        ),
        "convnext_pico": ConvNeXtConfig(
            depths=(2, 2, 6, 2), dims=(64, 128, 256, 512), conv_mlp=True
        ),
        "convnext_pico_ols": ConvNeXtConfig(
            depths=(2, 2, 6, 2), dims=(64, 128, 256, 512), stem_type="overlap_tiered", conv_mlp=True
        ),
        "convnext_small": ConvNeXtConfig(depths=(3, 3, 27, 3)),
        "convnext_tiny": ConvNeXtConfig(),
        "convnext_tiny_hnf": ConvNeXtConfig(conv_mlp=True, head_norm_first=True),
        "convnext_xlarge": ConvNeXtConfig(depths=(3, 3, 27, 3), dims=(256, 512, 1024, 2048)),
        "convnext_xxlarge": ConvNeXtConfig(
            depths=(3, 4, 30, 3), dims=(384, 768, 1536, 3072), norm_eps=1e-5
        ),
        "convnext_zepto_rms": ConvNeXtConfig(
            depths=(2, 2, 4, 2), dims=(32, 64, 128, 256), conv_mlp=True, norm_layer="simplenorm"
        ),
        "convnext_zepto_rms_ols": ConvNeXtConfig(
            depths=(2, 2, 4, 2),
            dims=(32, 64, 128, 256),
            stem_type="overlap_act",
            conv_mlp=True,
            norm_layer="simplenorm",
        ),
        "convnextv2_atto": ConvNeXtConfig(
            depths=(2, 2, 6, 2),
            dims=(40, 80, 160, 320),
            conv_mlp=True,
            use_grn=True,
            ls_init_value=None,
        ),
        "convnextv2_base": ConvNeXtConfig(
            depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024), use_grn=True, ls_init_value=None
        ),
        "convnextv2_femto": ConvNeXtConfig(
            depths=(2, 2, 6, 2),
            dims=(48, 96, 192, 384),
            conv_mlp=True,
            use_grn=True,
            ls_init_value=None,
        ),
        "convnextv2_huge": ConvNeXtConfig(
            depths=(3, 3, 27, 3), dims=(352, 704, 1408, 2816), use_grn=True, ls_init_value=None
        ),
        "convnextv2_large": ConvNeXtConfig(
            depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536), use_grn=True, ls_init_value=None
        ),
        "convnextv2_nano": ConvNeXtConfig(
            depths=(2, 2, 8, 2),
            dims=(80, 160, 320, 640),
            conv_mlp=True,
            use_grn=True,
            ls_init_value=None,
        ),
        "convnextv2_pico": ConvNeXtConfig(
            depths=(2, 2, 6, 2),
            dims=(64, 128, 256, 512),
            conv_mlp=True,
            use_grn=True,
            ls_init_value=None,
        ),
        "convnextv2_small": ConvNeXtConfig(depths=(3, 3, 27, 3), use_grn=True, ls_init_value=None),
        "convnextv2_tiny": ConvNeXtConfig(use_grn=True, ls_init_value=None),
        "test_convnext": ConvNeXtConfig(
            depths=(1, 2, 4, 2), dims=(24, 32, 48, 64), act_layer="gelu_tanh", norm_eps=1e-5
        ),
        "test_convnext2": ConvNeXtConfig(
            depths=(1, 1, 1, 1), dims=(32, 64, 96, 128), act_layer="gelu_tanh", norm_eps=1e-5
        ),
        "test_convnext3": ConvNeXtConfig(
            depths=(1, 1, 1, 1),
            dims=(32, 64, 96, 128),
            kernel_sizes=(7, 5, 5, 3),
            act_layer="silu",
            norm_eps=1e-5,
        ),
    }
