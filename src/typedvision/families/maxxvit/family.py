"""The family of MaxViT and CoAtNet: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.maxxvit.config import MaxxVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts, RelativeTable

if TYPE_CHECKING:
    from typedvision.families.maxxvit.model import MaxxVit

_COATNET = MaxxVitConfig(head_hidden_size=768)
_COATNET_0_RW = MaxxVitConfig(
    depths=(2, 3, 7, 2),
    stem_width=(32, 64),
    conv_expand_output=False,
    conv_pre_norm_act=True,
    conv_output_bias=False,
    conv_stride_mode="pool",
    conv_attn_early=True,
    conv_attn_act_layer="relu",
    conv_act_layer="silu",
    transformer_expand_first=False,
    transformer_shortcut_bias=False,
)
_COATNET_2_RW = MaxxVitConfig(
    embed_dim=(128, 256, 512, 1024),
    depths=(2, 6, 14, 2),
    stem_width=(64, 128),
    conv_expand_output=False,
    conv_pre_norm_act=True,
    conv_output_bias=False,
    conv_act_layer="silu",
    transformer_expand_first=False,
)
_COATNET_NANO = MaxxVitConfig(
    embed_dim=(64, 128, 256, 512),
    depths=(3, 4, 6, 3),
    stem_width=(32, 64),
    conv_expand_output=False,
    conv_stride_mode="pool",
    conv_act_layer="silu",
    transformer_expand_first=False,
)
_MAXVIT_TINY_TF = MaxxVitConfig(
    embed_dim=(64, 128, 256, 512),
    depths=(2, 2, 5, 2),
    block_type=("M", "M", "M", "M"),
    stem_bias=True,
    head_hidden_size=512,
    conv_padding="same",
    conv_act_layer="gelu_tanh",
    conv_norm_eps=0.001,
    transformer_head_first=False,
    transformer_rel_pos_type="bias_tf",
    transformer_act_layer="gelu_tanh",
    transformer_norm_eps=1e-05,
)
_MAXVIT_SMALL_TF = MaxxVitConfig(
    depths=(2, 2, 5, 2),
    block_type=("M", "M", "M", "M"),
    stem_bias=True,
    head_hidden_size=768,
    conv_padding="same",
    conv_act_layer="gelu_tanh",
    conv_norm_eps=0.001,
    transformer_head_first=False,
    transformer_rel_pos_type="bias_tf",
    transformer_act_layer="gelu_tanh",
    transformer_norm_eps=1e-05,
)
_MAXVIT_BASE_TF = MaxxVitConfig(
    depths=(2, 6, 14, 2),
    block_type=("M", "M", "M", "M"),
    stem_bias=True,
    head_hidden_size=768,
    conv_padding="same",
    conv_act_layer="gelu_tanh",
    conv_norm_eps=0.001,
    transformer_head_first=False,
    transformer_rel_pos_type="bias_tf",
    transformer_act_layer="gelu_tanh",
    transformer_norm_eps=1e-05,
)
_MAXVIT_LARGE_TF = MaxxVitConfig(
    embed_dim=(128, 256, 512, 1024),
    depths=(2, 6, 14, 2),
    block_type=("M", "M", "M", "M"),
    stem_width=128,
    stem_bias=True,
    head_hidden_size=1024,
    conv_padding="same",
    conv_act_layer="gelu_tanh",
    conv_norm_eps=0.001,
    transformer_head_first=False,
    transformer_rel_pos_type="bias_tf",
    transformer_act_layer="gelu_tanh",
    transformer_norm_eps=1e-05,
)
_MAXVIT_XLARGE_TF = MaxxVitConfig(
    embed_dim=(192, 384, 768, 1536),
    depths=(2, 6, 14, 2),
    block_type=("M", "M", "M", "M"),
    stem_width=192,
    stem_bias=True,
    head_hidden_size=1536,
    conv_padding="same",
    conv_act_layer="gelu_tanh",
    conv_norm_eps=0.001,
    transformer_head_first=False,
    transformer_rel_pos_type="bias_tf",
    transformer_act_layer="gelu_tanh",
    transformer_norm_eps=1e-05,
)
_MAXVIT_RW = MaxxVitConfig(
    embed_dim=(64, 128, 256, 512),
    depths=(2, 2, 5, 2),
    block_type=("M", "M", "M", "M"),
    stem_width=(32, 64),
    conv_expand_output=False,
    conv_output_bias=False,
    conv_attn_ratio=0.0625,
    conv_act_layer="silu",
)
_MAXVIT_RMLP_BASE = MaxxVitConfig(
    depths=(2, 6, 14, 2),
    block_type=("M", "M", "M", "M"),
    stem_width=(32, 64),
    head_hidden_size=768,
    conv_expand_output=False,
    conv_output_bias=False,
    conv_attn_ratio=0.0625,
    conv_act_layer="silu",
    transformer_rel_pos_type="mlp",
)
_MAXXVIT = MaxxVitConfig(
    img_size=256,
    embed_dim=(64, 128, 256, 512),
    depths=(2, 2, 5, 2),
    block_type=("M", "M", "M", "M"),
    stem_width=(32, 64),
    conv_block_type="convnext",
    conv_norm_layer="layernorm2d",
    conv_norm_eps=1e-06,
    transformer_rel_pos_type="mlp",
    transformer_init_values=1e-06,
)
_MAXXVIT_V2 = MaxxVitConfig(
    embed_dim=(128, 256, 512, 1024),
    depths=(2, 6, 12, 2),
    block_type=("M", "M", "M", "M"),
    stem_width=(64, 128),
    conv_block_type="convnext",
    conv_norm_layer="layernorm2d",
    conv_norm_eps=1e-06,
    transformer_rel_pos_type="mlp",
    transformer_no_block_attn=True,
    transformer_init_values=1e-06,
)


class MaxxVitFamily(ModelFamily[MaxxVitConfig, "MaxxVit"]):
    """MaxViT, CoAtNet, and their relatives with ConvNeXt's blocks."""

    key = "maxxvit"
    title = "MaxViT and CoAtNet"
    paper = "https://arxiv.org/abs/2204.01697"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="fixed", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: MaxxVitConfig) -> MaxxVit:
        """The model, not initialised."""
        from typedvision.families.maxxvit.model import MaxxVit

        return MaxxVit(cfg)

    @classmethod
    def parts(cls, cfg: MaxxVitConfig) -> Parts:
        """The stem's first convolution, the classifier and the tables of learned biases."""
        learned = cfg.transformer_rel_pos_type in ("bias", "bias_tf")
        return Parts(
            first_conv=("stem.conv1",),
            classifier=("head.fc",),
            relative_tables=tuple(
                RelativeTable(f"{path}.rel_pos.relative_position_bias_table", attention.window)
                for path, attention in cfg.attentions()
                if learned
            ),
            recomputed=(
                "relative_position_index",
                "rel_coords_log",
                "height_lookup",
                "width_lookup",
            ),
        )

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "coatnet_0_224": _COATNET,
        "coatnet_0_rw_224": _COATNET_0_RW,
        "coatnet_1_224": _COATNET.replace(depths=(2, 6, 14, 2)),
        "coatnet_1_rw_224": _COATNET_0_RW.replace(depths=(2, 6, 14, 2), conv_stride_mode="dw"),
        "coatnet_2_224": _COATNET.replace(
            embed_dim=(128, 256, 512, 1024),
            depths=(2, 6, 14, 2),
            stem_width=128,
            head_hidden_size=1024,
        ),
        "coatnet_2_rw_224": _COATNET_2_RW,
        "coatnet_3_224": _COATNET.replace(
            embed_dim=(192, 384, 768, 1536),
            depths=(2, 6, 14, 2),
            stem_width=192,
            head_hidden_size=1536,
        ),
        "coatnet_3_rw_224": _COATNET_2_RW.replace(
            num_classes=11_821,
            embed_dim=(192, 384, 768, 1536),
            stem_width=(96, 192),
            transformer_init_values=1e-06,
        ),
        "coatnet_4_224": _COATNET.replace(
            embed_dim=(192, 384, 768, 1536),
            depths=(2, 12, 28, 2),
            stem_width=192,
            head_hidden_size=1536,
        ),
        "coatnet_5_224": _COATNET.replace(
            embed_dim=(256, 512, 1280, 2048),
            depths=(2, 12, 28, 2),
            stem_width=192,
            head_hidden_size=2048,
        ),
        "coatnet_bn_0_rw_224": _COATNET_0_RW.replace(
            conv_stride_mode="dw", transformer_norm_layer="batchnorm2d"
        ),
        "coatnet_nano_cc_224": MaxxVitConfig(
            embed_dim=(64, 128, 256, 512),
            depths=(3, 4, 6, 3),
            block_type=("C", "C", ("C", "T"), ("C", "T")),
            stem_width=(32, 64),
            conv_expand_output=False,
            conv_pre_norm_act=True,
            conv_output_bias=False,
            conv_stride_mode="pool",
            conv_attn_act_layer="relu",
            conv_act_layer="silu",
            transformer_expand_first=False,
        ),
        "coatnet_nano_rw_224": _COATNET_NANO,
        "coatnet_pico_rw_224": _COATNET_NANO.replace(depths=(2, 3, 5, 2), conv_stride_mode="dw"),
        "coatnet_rmlp_0_rw_224": _COATNET_0_RW.replace(
            conv_stride_mode="dw",
            conv_attn_early=False,
            transformer_shortcut_bias=True,
            transformer_rel_pos_type="mlp",
        ),
        "coatnet_rmlp_1_rw2_224": _COATNET_0_RW.replace(
            depths=(2, 6, 14, 2),
            conv_stride_mode="dw",
            conv_attn_early=False,
            transformer_shortcut_bias=True,
            transformer_rel_pos_type="mlp",
        ),
        "coatnet_rmlp_1_rw_224": _COATNET_0_RW.replace(
            depths=(2, 6, 14, 2),
            conv_pool_type="max",
            transformer_pool_type="max",
            transformer_rel_pos_type="mlp",
            transformer_rel_pos_dim=384,
        ),
        "coatnet_rmlp_2_rw_224": _COATNET_2_RW.replace(
            transformer_rel_pos_type="mlp", transformer_init_values=1e-06
        ),
        "coatnet_rmlp_2_rw_384": _COATNET_2_RW.replace(
            img_size=384, transformer_rel_pos_type="mlp", transformer_init_values=1e-06
        ),
        "coatnet_rmlp_3_rw_224": _COATNET_2_RW.replace(
            embed_dim=(192, 384, 768, 1536),
            stem_width=(96, 192),
            transformer_rel_pos_type="mlp",
            transformer_init_values=1e-06,
        ),
        "coatnet_rmlp_nano_rw_224": _COATNET_NANO.replace(
            conv_stride_mode="dw", transformer_rel_pos_type="mlp", transformer_rel_pos_dim=384
        ),
        "coatnext_nano_rw_224": MaxxVitConfig(
            embed_dim=(64, 128, 256, 512),
            depths=(3, 4, 6, 3),
            stem_width=(32, 64),
            weight_init="normal",
            conv_block_type="convnext",
            conv_init_values=1e-05,
            conv_norm_layer="layernorm2d",
            conv_norm_eps=1e-06,
            transformer_expand_first=False,
        ),
        "maxvit_base_tf_224": _MAXVIT_BASE_TF,
        "maxvit_base_tf_384": _MAXVIT_BASE_TF.replace(img_size=384),
        "maxvit_base_tf_512": _MAXVIT_BASE_TF.replace(img_size=512),
        "maxvit_large_tf_224": _MAXVIT_LARGE_TF,
        "maxvit_large_tf_384": _MAXVIT_LARGE_TF.replace(img_size=384),
        "maxvit_large_tf_512": _MAXVIT_LARGE_TF.replace(img_size=512),
        "maxvit_nano_rw_256": _MAXVIT_RW.replace(img_size=256, depths=(1, 2, 3, 1)),
        "maxvit_pico_rw_256": _MAXVIT_RW.replace(
            img_size=256, embed_dim=(32, 64, 128, 256), stem_width=(24, 32)
        ),
        "maxvit_rmlp_base_rw_224": _MAXVIT_RMLP_BASE,
        "maxvit_rmlp_base_rw_384": _MAXVIT_RMLP_BASE.replace(img_size=384),
        "maxvit_rmlp_nano_rw_256": _MAXVIT_RW.replace(
            img_size=256, depths=(1, 2, 3, 1), transformer_rel_pos_type="mlp"
        ),
        "maxvit_rmlp_pico_rw_256": _MAXVIT_RW.replace(
            img_size=256,
            embed_dim=(32, 64, 128, 256),
            stem_width=(24, 32),
            transformer_rel_pos_type="mlp",
        ),
        "maxvit_rmlp_small_rw_224": _MAXVIT_RW.replace(
            embed_dim=(96, 192, 384, 768),
            transformer_rel_pos_type="mlp",
            transformer_init_values=1e-06,
        ),
        "maxvit_rmlp_small_rw_256": _MAXVIT_RW.replace(
            img_size=256,
            embed_dim=(96, 192, 384, 768),
            transformer_rel_pos_type="mlp",
            transformer_init_values=1e-06,
        ),
        "maxvit_rmlp_tiny_rw_256": _MAXVIT_RW.replace(img_size=256, transformer_rel_pos_type="mlp"),
        "maxvit_small_tf_224": _MAXVIT_SMALL_TF,
        "maxvit_small_tf_384": _MAXVIT_SMALL_TF.replace(img_size=384),
        "maxvit_small_tf_512": _MAXVIT_SMALL_TF.replace(img_size=512),
        "maxvit_tiny_pm_256": MaxxVitConfig(
            img_size=256,
            embed_dim=(64, 128, 256, 512),
            depths=(2, 2, 5, 2),
            block_type=("PM", "PM", "PM", "PM"),
            stem_width=(32, 64),
            conv_expand_output=False,
            conv_output_bias=False,
            conv_attn_ratio=0.0625,
            conv_act_layer="silu",
        ),
        "maxvit_tiny_rw_224": _MAXVIT_RW,
        "maxvit_tiny_rw_256": _MAXVIT_RW.replace(img_size=256),
        "maxvit_tiny_tf_224": _MAXVIT_TINY_TF,
        "maxvit_tiny_tf_384": _MAXVIT_TINY_TF.replace(img_size=384),
        "maxvit_tiny_tf_512": _MAXVIT_TINY_TF.replace(img_size=512),
        "maxvit_xlarge_tf_224": _MAXVIT_XLARGE_TF.replace(num_classes=21_843),
        "maxvit_xlarge_tf_384": _MAXVIT_XLARGE_TF.replace(img_size=384),
        "maxvit_xlarge_tf_512": _MAXVIT_XLARGE_TF.replace(img_size=512),
        "maxxvit_rmlp_nano_rw_256": _MAXXVIT.replace(depths=(1, 2, 3, 1), weight_init="normal"),
        "maxxvit_rmlp_small_rw_256": _MAXXVIT.replace(
            embed_dim=(96, 192, 384, 768), stem_width=(48, 96)
        ),
        "maxxvit_rmlp_tiny_rw_256": _MAXXVIT,
        "maxxvitv2_nano_rw_256": MaxxVitConfig(
            img_size=256,
            depths=(1, 2, 3, 1),
            block_type=("M", "M", "M", "M"),
            stem_width=(48, 96),
            weight_init="normal",
            conv_block_type="convnext",
            conv_norm_layer="layernorm2d",
            conv_norm_eps=1e-06,
            transformer_no_block_attn=True,
            transformer_init_values=1e-06,
        ),
        "maxxvitv2_rmlp_base_rw_224": _MAXXVIT_V2,
        "maxxvitv2_rmlp_base_rw_384": _MAXXVIT_V2.replace(img_size=384),
        "maxxvitv2_rmlp_large_rw_224": _MAXXVIT_V2.replace(
            embed_dim=(160, 320, 640, 1280),
            depths=(2, 6, 16, 2),
            stem_width=(80, 160),
            head_hidden_size=1280,
        ),
        "test_coatnet": MaxxVitConfig(
            img_size=160,
            embed_dim=(32, 64, 96, 128),
            depths=(1, 1, 2, 1),
            stem_width=(16, 32),
            conv_expand_output=False,
            conv_stride_mode="pool",
            conv_act_layer="silu",
            transformer_expand_first=False,
        ),
        "test_maxvit": MaxxVitConfig(
            img_size=160,
            embed_dim=(32, 64, 96, 128),
            depths=(1, 1, 1, 1),
            block_type=("M", "M", "M", "M"),
            stem_width=(16, 32),
            conv_expand_output=False,
            conv_output_bias=False,
            conv_attn_ratio=0.0625,
            conv_act_layer="silu",
        ),
    }
