"""The CSPNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.cspnet.config import CspNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.cspnet.model import CspNet


class CspNetFamily(ModelFamily[CspNetConfig, "CspNet"]):
    """Cross-stage partial networks, and DarkNet."""

    key = "cspnet"
    title = "CSPNet"
    paper = "https://arxiv.org/abs/1911.11929"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: CspNetConfig) -> CspNet:
        """The model, not initialised."""
        from typedvision.families.cspnet.model import CspNet

        return CspNet(cfg)

    @classmethod
    def parts(cls, cfg: CspNetConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=("stem.conv1.conv",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "cs3darknet_focus_l": CspNetConfig(
            stage_type="cs3",
            depth=(3, 6, 9, 3),
            out_chs=(128, 256, 512, 1024),
            block_ratio=0.5,
            stem_chs=64,
            stem_kernel_size=6,
            act_layer="silu",
        ),
        "cs3darknet_focus_m": CspNetConfig(
            stage_type="cs3",
            depth=(2, 4, 6, 2),
            out_chs=(96, 192, 384, 768),
            block_ratio=0.5,
            stem_chs=48,
            stem_kernel_size=6,
            act_layer="silu",
        ),
        "cs3darknet_focus_s": CspNetConfig(
            stage_type="cs3",
            depth=(1, 3, 4, 1),
            out_chs=(64, 128, 256, 512),
            block_ratio=0.5,
            stem_kernel_size=6,
            act_layer="silu",
        ),
        "cs3darknet_focus_x": CspNetConfig(
            stage_type="cs3",
            depth=(3, 7, 11, 3),
            out_chs=(160, 320, 640, 1280),
            block_ratio=0.5,
            stem_chs=80,
            stem_kernel_size=6,
            act_layer="silu",
        ),
        "cs3darknet_l": CspNetConfig(
            stage_type="cs3",
            depth=(3, 6, 9, 3),
            out_chs=(128, 256, 512, 1024),
            block_ratio=0.5,
            stem_chs=(32, 64),
            act_layer="silu",
        ),
        "cs3darknet_m": CspNetConfig(
            stage_type="cs3",
            depth=(2, 4, 6, 2),
            out_chs=(96, 192, 384, 768),
            block_ratio=0.5,
            stem_chs=(24, 48),
            act_layer="silu",
        ),
        "cs3darknet_s": CspNetConfig(
            stage_type="cs3",
            depth=(1, 3, 4, 1),
            out_chs=(64, 128, 256, 512),
            block_ratio=0.5,
            stem_chs=(16, 32),
            act_layer="silu",
        ),
        "cs3darknet_x": CspNetConfig(
            stage_type="cs3",
            depth=(3, 7, 11, 3),
            out_chs=(160, 320, 640, 1280),
            block_ratio=0.5,
            stem_chs=(40, 80),
            act_layer="silu",
        ),
        "cs3edgenet_x": CspNetConfig(
            stage_type="cs3",
            block_type="edge",
            depth=(3, 7, 11, 3),
            out_chs=(160, 320, 640, 1280),
            block_ratio=0.5,
            bottle_ratio=1.5,
            stem_chs=(40, 80),
            act_layer="silu",
        ),
        "cs3se_edgenet_x": CspNetConfig(
            stage_type="cs3",
            block_type="edge",
            depth=(3, 7, 11, 3),
            out_chs=(160, 320, 640, 1280),
            block_ratio=0.5,
            bottle_ratio=1.5,
            attn_layer="se",
            rd_ratio=0.25,
            stem_chs=(40, 80),
            act_layer="silu",
        ),
        "cs3sedarknet_l": CspNetConfig(
            stage_type="cs3",
            depth=(3, 6, 9, 3),
            out_chs=(128, 256, 512, 1024),
            block_ratio=0.5,
            attn_layer="se",
            rd_ratio=0.25,
            stem_chs=(32, 64),
            act_layer="silu",
        ),
        "cs3sedarknet_x": CspNetConfig(
            stage_type="cs3",
            depth=(3, 7, 11, 3),
            out_chs=(160, 320, 640, 1280),
            block_ratio=0.5,
            attn_layer="se",
            stem_chs=(40, 80),
            act_layer="silu",
        ),
        "cs3sedarknet_xdw": CspNetConfig(
            stage_type="csp",
            block_type="bottle",
            depth=(3, 6, 12, 4),
            out_chs=(256, 512, 1024, 2048),
            groups=(1, 1, 256, 512),
            block_ratio=0.5,
            bottle_ratio=0.5,
            attn_layer="se",
            stem_chs=(32, 64),
            act_layer="silu",
        ),
        "cspdarknet53": CspNetConfig(
            stage_type="csp",
            depth=(1, 2, 8, 8, 4),
            out_chs=(64, 128, 256, 512, 1024),
            stride=(2, 2, 2, 2, 2),
            block_ratio=(1.0, 0.5, 0.5, 0.5, 0.5),
            bottle_ratio=(0.5, 1.0, 1.0, 1.0, 1.0),
            expand_ratio=(2.0, 1.0, 1.0, 1.0, 1.0),
            down_growth=True,
            stem_stride=1,
        ),
        "cspresnet50": CspNetConfig(
            stage_type="csp",
            block_type="bottle",
            depth=(3, 3, 5, 2),
            out_chs=(128, 256, 512, 1024),
            stride=(1, 2, 2, 2),
            bottle_ratio=0.5,
            expand_ratio=2.0,
            cross_linear=True,
            stem_chs=64,
            stem_stride=4,
            stem_kernel_size=7,
        ),
        "cspresnet50d": CspNetConfig(
            stage_type="csp",
            block_type="bottle",
            depth=(3, 3, 5, 2),
            out_chs=(128, 256, 512, 1024),
            stride=(1, 2, 2, 2),
            bottle_ratio=0.5,
            expand_ratio=2.0,
            cross_linear=True,
            stem_chs=(32, 32, 64),
            stem_stride=4,
        ),
        "cspresnet50w": CspNetConfig(
            stage_type="csp",
            block_type="bottle",
            depth=(3, 3, 5, 2),
            out_chs=(256, 512, 1024, 2048),
            stride=(1, 2, 2, 2),
            block_ratio=0.5,
            bottle_ratio=0.25,
            cross_linear=True,
            stem_chs=(32, 32, 64),
            stem_stride=4,
        ),
        "cspresnext50": CspNetConfig(
            stage_type="csp",
            block_type="bottle",
            depth=(3, 3, 5, 2),
            out_chs=(256, 512, 1024, 2048),
            stride=(1, 2, 2, 2),
            groups=32,
            block_ratio=0.5,
            cross_linear=True,
            stem_chs=64,
            stem_stride=4,
            stem_kernel_size=7,
        ),
        "darknet17": CspNetConfig(
            stage_type="dark",
            depth=(1, 1, 1, 1, 1),
            out_chs=(64, 128, 256, 512, 1024),
            stride=(2, 2, 2, 2, 2),
            bottle_ratio=0.5,
            stem_stride=1,
        ),
        "darknet21": CspNetConfig(
            stage_type="dark",
            depth=(1, 1, 1, 2, 2),
            out_chs=(64, 128, 256, 512, 1024),
            stride=(2, 2, 2, 2, 2),
            bottle_ratio=0.5,
            stem_stride=1,
        ),
        "darknet53": CspNetConfig(
            stage_type="dark",
            depth=(1, 2, 8, 8, 4),
            out_chs=(64, 128, 256, 512, 1024),
            stride=(2, 2, 2, 2, 2),
            bottle_ratio=0.5,
            stem_stride=1,
        ),
        "darknetaa53": CspNetConfig(
            stage_type="dark",
            depth=(1, 2, 8, 8, 4),
            out_chs=(64, 128, 256, 512, 1024),
            stride=(2, 2, 2, 2, 2),
            bottle_ratio=0.5,
            avg_down=True,
            stem_stride=1,
        ),
        "sedarknet21": CspNetConfig(
            stage_type="dark",
            depth=(1, 1, 1, 2, 2),
            out_chs=(64, 128, 256, 512, 1024),
            stride=(2, 2, 2, 2, 2),
            bottle_ratio=0.5,
            attn_layer="se",
            stem_stride=1,
        ),
    }
