"""The MobileNetV5 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.config.mobile.rows import AttentionBlocks, Blocks, UniversalBlocks
from typedvision.families.mobilenetv5.config import MobileNetV5Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.mobilenetv5.model import MobileNetV5

_START = (
    (
        Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=128),
        Blocks(block="fused_mbconv", repeats=2, exp_ratio=4, out_chs=128),
    ),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=256),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=256),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=256),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=256),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=256),
    ),
)
"""The first two stages."""
_MIX_512 = (
    AttentionBlocks(num_heads=8, out_chs=512),
    UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=512),
)
_MIX_640 = (
    AttentionBlocks(num_heads=12, kv_stride=2, out_chs=640),
    UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=640),
)
_MIX_1024 = (
    AttentionBlocks(num_heads=16, out_chs=1024),
    UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=1024),
)
_MIX_1280 = (
    AttentionBlocks(num_heads=16, key_dim=96, value_dim=96, out_chs=1280),
    UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=1280),
)
_BASE = (
    *_START,
    (
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=512),
        *(UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512),) * 2,
        UniversalBlocks(kernel_size_mid=0, exp_ratio=1, out_chs=512),
        *_MIX_512 * 6,
    ),
    (
        UniversalBlocks(
            kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=1024
        ),
        *_MIX_1024 * 7,
    ),
)
_300M = MobileNetV5Config(
    block_args=(
        *_START,
        (
            UniversalBlocks(
                kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=640
            ),
            UniversalBlocks(
                repeats=7, kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=640
            ),
            UniversalBlocks(kernel_size_mid=0, exp_ratio=1, out_chs=640),
            *_MIX_640 * 14,
        ),
        (
            UniversalBlocks(
                kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=1280
            ),
            *_MIX_1280 * 19,
        ),
    ),
    num_classes=0,
    stem_size=64,
    norm_layer="rmsnorm2d",
    act_layer="gelu_tanh",
    layer_scale_init_value=1e-5,
)


class MobileNetV5Family(ModelFamily[MobileNetV5Config, "MobileNetV5"]):
    """MobileNetV5, the image encoders of Gemma 3n."""

    key = "mobilenetv5"
    title = "MobileNetV5"
    paper = "https://ai.google.dev/gemma/docs/gemma-3n"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: MobileNetV5Config) -> MobileNetV5:
        """The model, not initialised."""
        from typedvision.families.mobilenetv5.model import MobileNetV5

        return MobileNetV5(cfg)

    @classmethod
    def parts(cls, cfg: MobileNetV5Config) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("conv_stem.conv",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "mobilenetv5_300m": _300M,
        "mobilenetv5_300m_enc": _300M.replace(pad_type="same", global_pool=""),
        "mobilenetv5_base": MobileNetV5Config(
            block_args=_BASE,
            stem_size=64,
            norm_layer="rmsnorm2d",
            act_layer="gelu_tanh",
            layer_scale_init_value=1e-5,
        ),
    }
