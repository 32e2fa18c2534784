"""The VoVNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.vovnet.config import VovNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.vovnet.model import VovNet


class VovNetFamily(ModelFamily[VovNetConfig, "VovNet"]):
    """Networks of one-shot aggregations."""

    key = "vovnet"
    title = "VoVNet"
    paper = "https://arxiv.org/abs/1904.09730"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: VovNetConfig) -> VovNet:
        """The model, not initialised."""
        from typedvision.families.vovnet.model import VovNet

        return VovNet(cfg)

    @classmethod
    def parts(cls, cfg: VovNetConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=("stem.0.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "eca_vovnet39b": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=5,
            block_per_stage=(1, 1, 2, 2),
            residual=True,
            attn="eca",
        ),
        "ese_vovnet19b_dw": VovNetConfig(
            stem_chs=(64, 64, 64),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=3,
            block_per_stage=(1, 1, 1, 1),
            residual=True,
            depthwise=True,
            attn="ese",
        ),
        "ese_vovnet19b_slim": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(64, 80, 96, 112),
            stage_out_chs=(112, 256, 384, 512),
            layer_per_block=3,
            block_per_stage=(1, 1, 1, 1),
            residual=True,
            attn="ese",
        ),
        "ese_vovnet19b_slim_dw": VovNetConfig(
            stem_chs=(64, 64, 64),
            stage_conv_chs=(64, 80, 96, 112),
            stage_out_chs=(112, 256, 384, 512),
            layer_per_block=3,
            block_per_stage=(1, 1, 1, 1),
            residual=True,
            depthwise=True,
            attn="ese",
        ),
        "ese_vovnet39b": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=5,
            block_per_stage=(1, 1, 2, 2),
            residual=True,
            attn="ese",
        ),
        "ese_vovnet39b_evos": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=5,
            block_per_stage=(1, 1, 2, 2),
            residual=True,
            attn="ese",
            norm_layer="evonorms0",
        ),
        "ese_vovnet57b": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=5,
            block_per_stage=(1, 1, 4, 3),
            residual=True,
            attn="ese",
        ),
        "ese_vovnet99b": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=5,
            block_per_stage=(1, 3, 9, 3),
            residual=True,
            attn="ese",
        ),
        "vovnet39a": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=5,
            block_per_stage=(1, 1, 2, 2),
        ),
        "vovnet57a": VovNetConfig(
            stem_chs=(64, 64, 128),
            stage_conv_chs=(128, 160, 192, 224),
            stage_out_chs=(256, 512, 768, 1024),
            layer_per_block=5,
            block_per_stage=(1, 1, 4, 3),
        ),
    }
