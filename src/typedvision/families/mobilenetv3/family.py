"""The MobileNetV3 family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.config.mobile.rows import AttentionBlocks, Blocks, UniversalBlocks
from typedvision.config.mobile.squeeze_excite import SqueezeExcite
from typedvision.families.mobilenetv3.config import MobileNetV3Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.mobilenetv3.model import MobileNetV3

_SE_V3 = SqueezeExcite(gate_layer="hard_sigmoid", force_act_layer="relu", rd_divisor=8)
"""Squeeze-and-excitation of MobileNetV3 (https://arxiv.org/abs/1905.02244, section 5.3)."""
_SE_RW = SqueezeExcite(gate_layer="hard_sigmoid")
"""Squeeze-and-excitation of MobileNetV3 as it was first rebuilt from the paper."""
_SE_FBNET = SqueezeExcite(gate_layer="hard_sigmoid", rd_divisor=8, rd_round_limit=0.95)
"""Squeeze-and-excitation of FBNetV3."""
_SE_LCNET = SqueezeExcite(gate_layer="hard_sigmoid", force_act_layer="relu")
"""Squeeze-and-excitation of PP-LCNet."""
_LARGE = (
    Blocks(block="separable", out_chs=16, act_layer="relu"),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=24, act_layer="relu"),
        Blocks(block="mbconv", exp_ratio=3, out_chs=24, act_layer="relu"),
    ),
    Blocks(
        block="mbconv",
        repeats=3,
        kernel_size=5,
        stride=2,
        exp_ratio=3,
        out_chs=40,
        se_ratio=0.25,
        act_layer="relu",
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=80),
        Blocks(block="mbconv", exp_ratio=2.5, out_chs=80),
        Blocks(block="mbconv", repeats=2, exp_ratio=2.3, out_chs=80),
    ),
    Blocks(block="mbconv", repeats=2, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=3, kernel_size=5, stride=2, exp_ratio=6, out_chs=160, se_ratio=0.25
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV3-Large (https://arxiv.org/abs/1905.02244, table 1)."""
_LARGE_MINIMAL = (
    Blocks(block="separable", out_chs=16),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=24),
        Blocks(block="mbconv", exp_ratio=3, out_chs=24),
    ),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=3, out_chs=40),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=80),
        Blocks(block="mbconv", exp_ratio=2.5, out_chs=80),
        Blocks(block="mbconv", repeats=2, exp_ratio=2.3, out_chs=80),
    ),
    Blocks(block="mbconv", repeats=2, exp_ratio=6, out_chs=112),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=6, out_chs=160),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV3-Large without squeeze-and-excitation and 5x5 kernels."""
_LARGE_D = (
    Blocks(block="separable", repeats=2, out_chs=16, act_layer="relu"),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=24, act_layer="relu"),
        Blocks(block="mbconv", repeats=2, exp_ratio=3, out_chs=24, act_layer="relu"),
    ),
    Blocks(
        block="mbconv",
        repeats=4,
        kernel_size=5,
        stride=2,
        exp_ratio=3,
        out_chs=40,
        se_ratio=0.25,
        act_layer="relu",
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=80),
        Blocks(block="mbconv", repeats=2, exp_ratio=2.5, out_chs=80),
        Blocks(block="mbconv", repeats=2, exp_ratio=2.3, out_chs=80),
    ),
    Blocks(block="mbconv", repeats=3, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=4, kernel_size=5, stride=2, exp_ratio=6, out_chs=160, se_ratio=0.25
    ),
    Blocks(block="conv", repeats=2, kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV3-Large with more blocks."""
_RW = (
    Blocks(block="separable", out_chs=16, skip=False, act_layer="relu"),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=24, act_layer="relu"),
        Blocks(block="mbconv", exp_ratio=3, out_chs=24, act_layer="relu"),
    ),
    Blocks(
        block="mbconv",
        repeats=3,
        kernel_size=5,
        stride=2,
        exp_ratio=3,
        out_chs=40,
        se_ratio=0.25,
        act_layer="relu",
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=80),
        Blocks(block="mbconv", exp_ratio=2.5, out_chs=80),
        Blocks(block="mbconv", repeats=2, exp_ratio=2.3, out_chs=80),
    ),
    Blocks(block="mbconv", repeats=2, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=3, kernel_size=5, stride=2, exp_ratio=6, out_chs=160, se_ratio=0.25
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV3-Large as it was first rebuilt from the paper."""
_SMALL = (
    Blocks(block="separable", stride=2, out_chs=16, se_ratio=0.25, act_layer="relu"),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=4.5, out_chs=24, act_layer="relu"),
        Blocks(block="mbconv", exp_ratio=3.67, out_chs=24, act_layer="relu"),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=40, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=6, out_chs=40, se_ratio=0.25),
    ),
    Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=3, out_chs=48, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=3, kernel_size=5, stride=2, exp_ratio=6, out_chs=96, se_ratio=0.25
    ),
    Blocks(block="conv", kernel_size=1, out_chs=576, skip=False),
)
"""MobileNetV3-Small (https://arxiv.org/abs/1905.02244, table 2)."""
_SMALL_MINIMAL = (
    Blocks(block="separable", stride=2, out_chs=16),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=4.5, out_chs=24),
        Blocks(block="mbconv", exp_ratio=3.67, out_chs=24),
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=40),
        Blocks(block="mbconv", repeats=2, exp_ratio=6, out_chs=40),
    ),
    Blocks(block="mbconv", repeats=2, exp_ratio=3, out_chs=48),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=6, out_chs=96),
    Blocks(block="conv", kernel_size=1, out_chs=576, skip=False),
)
"""MobileNetV3-Small without squeeze-and-excitation and 5x5 kernels."""
_FBNET_B = (
    Blocks(block="separable", repeats=2, out_chs=16),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=24),
        Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=2, out_chs=24),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=5, out_chs=40, se_ratio=0.25),
        Blocks(block="mbconv", repeats=4, kernel_size=5, exp_ratio=3, out_chs=40, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=5, out_chs=72),
        Blocks(block="mbconv", repeats=4, exp_ratio=3, out_chs=72),
    ),
    (
        Blocks(block="mbconv", exp_ratio=5, out_chs=120, se_ratio=0.25),
        Blocks(block="mbconv", repeats=5, kernel_size=5, exp_ratio=3, out_chs=120, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=184, se_ratio=0.25),
        Blocks(block="mbconv", repeats=5, kernel_size=5, exp_ratio=4, out_chs=184, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=224, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=1344, skip=False),
)
"""FBNetV3-B (https://arxiv.org/abs/2006.02049)."""
_FBNET_D = (
    Blocks(block="separable", repeats=2, out_chs=16),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=5, out_chs=24),
        Blocks(block="mbconv", repeats=5, exp_ratio=2, out_chs=24),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=40, se_ratio=0.25),
        Blocks(block="mbconv", repeats=4, exp_ratio=3, out_chs=40, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=5, out_chs=72),
        Blocks(block="mbconv", repeats=4, exp_ratio=3, out_chs=72),
    ),
    (
        Blocks(block="mbconv", exp_ratio=5, out_chs=128, se_ratio=0.25),
        Blocks(block="mbconv", repeats=6, kernel_size=5, exp_ratio=3, out_chs=128, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=208, se_ratio=0.25),
        Blocks(block="mbconv", repeats=5, kernel_size=5, exp_ratio=5, out_chs=208, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=240, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=1440, skip=False),
)
"""FBNetV3-D."""
_FBNET_G = (
    Blocks(block="separable", repeats=3, out_chs=24),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=40),
        Blocks(block="mbconv", repeats=4, kernel_size=5, exp_ratio=2, out_chs=40),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=56, se_ratio=0.25),
        Blocks(block="mbconv", repeats=4, kernel_size=5, exp_ratio=3, out_chs=56, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=5, out_chs=104),
        Blocks(block="mbconv", repeats=4, exp_ratio=3, out_chs=104),
    ),
    (
        Blocks(block="mbconv", exp_ratio=5, out_chs=160, se_ratio=0.25),
        Blocks(block="mbconv", repeats=8, kernel_size=5, exp_ratio=3, out_chs=160, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=264, se_ratio=0.25),
        Blocks(block="mbconv", repeats=6, kernel_size=5, exp_ratio=5, out_chs=264, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=6, out_chs=288, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=1728, skip=False),
)
"""FBNetV3-G."""
_LCNET = (
    Blocks(block="separable", out_chs=32, skip=False, pw_act=True),
    Blocks(block="separable", repeats=2, stride=2, out_chs=64, skip=False, pw_act=True),
    Blocks(block="separable", repeats=2, stride=2, out_chs=128, skip=False, pw_act=True),
    (
        Blocks(block="separable", stride=2, out_chs=256, skip=False, pw_act=True),
        Blocks(block="separable", kernel_size=5, out_chs=256, skip=False, pw_act=True),
    ),
    Blocks(block="separable", repeats=4, kernel_size=5, out_chs=256, skip=False, pw_act=True),
    Blocks(
        block="separable",
        repeats=2,
        kernel_size=5,
        stride=2,
        out_chs=512,
        se_ratio=0.25,
        skip=False,
        pw_act=True,
    ),
)
"""PP-LCNet (https://arxiv.org/abs/2109.15099, table 2)."""
_V4_CONV_SMALL = (
    (
        Blocks(block="conv", stride=2, out_chs=32, skip=False),
        Blocks(block="conv", kernel_size=1, out_chs=32, skip=False),
    ),
    (
        Blocks(block="conv", stride=2, out_chs=96, skip=False),
        Blocks(block="conv", kernel_size=1, out_chs=64, skip=False),
    ),
    (
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=3, out_chs=96),
        UniversalBlocks(repeats=4, exp_ratio=2, out_chs=96),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=96),
    ),
    (
        UniversalBlocks(kernel_size_start=3, stride=2, exp_ratio=6, out_chs=128),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, exp_ratio=4, out_chs=128),
        UniversalBlocks(kernel_size_mid=5, exp_ratio=4, out_chs=128),
        UniversalBlocks(kernel_size_mid=5, exp_ratio=3, out_chs=128),
        UniversalBlocks(repeats=2, exp_ratio=4, out_chs=128),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV4-Conv-S (https://arxiv.org/abs/2404.10518, table 11)."""
_V4_CONV_MEDIUM = (
    Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=48),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=80),
        UniversalBlocks(kernel_size_start=3, exp_ratio=2, out_chs=80),
    ),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=160),
        UniversalBlocks(repeats=2, kernel_size_start=3, exp_ratio=4, out_chs=160),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, exp_ratio=4, out_chs=160),
        UniversalBlocks(kernel_size_start=3, exp_ratio=4, out_chs=160),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=160),
        UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=160),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=160),
    ),
    (
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=256),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, exp_ratio=4, out_chs=256),
        UniversalBlocks(
            repeats=2, kernel_size_start=3, kernel_size_mid=5, exp_ratio=4, out_chs=256
        ),
        UniversalBlocks(kernel_size_mid=0, exp_ratio=4, out_chs=256),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=256),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, exp_ratio=2, out_chs=256),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, exp_ratio=4, out_chs=256),
        UniversalBlocks(repeats=2, kernel_size_mid=0, exp_ratio=4, out_chs=256),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=2, out_chs=256),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV4-Conv-M."""
_V4_CONV_LARGE = (
    Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=48),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=96),
        UniversalBlocks(kernel_size_start=3, exp_ratio=4, out_chs=96),
    ),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=192),
        UniversalBlocks(repeats=3, kernel_size_start=3, exp_ratio=4, out_chs=192),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, exp_ratio=4, out_chs=192),
        UniversalBlocks(repeats=5, kernel_size_start=5, exp_ratio=4, out_chs=192),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=192),
    ),
    (
        UniversalBlocks(
            repeats=4, kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=512
        ),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512),
        UniversalBlocks(kernel_size_start=5, exp_ratio=4, out_chs=512),
        UniversalBlocks(
            repeats=2, kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512
        ),
        UniversalBlocks(kernel_size_start=5, exp_ratio=4, out_chs=512),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, exp_ratio=4, out_chs=512),
        UniversalBlocks(
            repeats=3, kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512
        ),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV4-Conv-L."""
_V4_HYBRID_MEDIUM = (
    Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=48),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=80),
        UniversalBlocks(kernel_size_start=3, exp_ratio=2, out_chs=80),
    ),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=160),
        UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=160),
        UniversalBlocks(kernel_size_start=3, exp_ratio=4, out_chs=160),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, exp_ratio=4, out_chs=160),
        AttentionBlocks(out_chs=160, num_heads=4, kv_stride=2),
        UniversalBlocks(kernel_size_start=3, exp_ratio=4, out_chs=160),
        AttentionBlocks(out_chs=160, num_heads=4, kv_stride=2),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=160),
        AttentionBlocks(out_chs=160, num_heads=4, kv_stride=2),
        UniversalBlocks(kernel_size_start=3, exp_ratio=4, out_chs=160),
        AttentionBlocks(out_chs=160, num_heads=4, kv_stride=2),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=160),
    ),
    (
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=6, out_chs=256),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, exp_ratio=4, out_chs=256),
        UniversalBlocks(
            repeats=2, kernel_size_start=3, kernel_size_mid=5, exp_ratio=4, out_chs=256
        ),
        UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=256),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, exp_ratio=2, out_chs=256),
        UniversalBlocks(kernel_size_mid=0, exp_ratio=2, out_chs=256),
        UniversalBlocks(kernel_size_mid=0, exp_ratio=4, out_chs=256),
        AttentionBlocks(out_chs=256, num_heads=4),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=256),
        AttentionBlocks(out_chs=256, num_heads=4),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, exp_ratio=4, out_chs=256),
        AttentionBlocks(out_chs=256, num_heads=4),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=256),
        AttentionBlocks(out_chs=256, num_heads=4),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=256),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV4-Hybrid-M."""
_V4_HYBRID_LARGE = (
    Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=48),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=96),
        UniversalBlocks(kernel_size_start=3, exp_ratio=4, out_chs=96),
    ),
    (
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=192),
        UniversalBlocks(repeats=3, kernel_size_start=3, exp_ratio=4, out_chs=192),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, exp_ratio=4, out_chs=192),
        UniversalBlocks(repeats=2, kernel_size_start=5, exp_ratio=4, out_chs=192),
        AttentionBlocks(out_chs=192, key_dim=48, value_dim=48, kv_stride=2),
        UniversalBlocks(kernel_size_start=5, exp_ratio=4, out_chs=192),
        AttentionBlocks(out_chs=192, key_dim=48, value_dim=48, kv_stride=2),
        UniversalBlocks(kernel_size_start=5, exp_ratio=4, out_chs=192),
        AttentionBlocks(out_chs=192, key_dim=48, value_dim=48, kv_stride=2),
        UniversalBlocks(kernel_size_start=5, exp_ratio=4, out_chs=192),
        AttentionBlocks(out_chs=192, key_dim=48, value_dim=48, kv_stride=2),
        UniversalBlocks(kernel_size_start=3, kernel_size_mid=0, exp_ratio=4, out_chs=192),
    ),
    (
        UniversalBlocks(
            repeats=4, kernel_size_start=5, kernel_size_mid=5, stride=2, exp_ratio=4, out_chs=512
        ),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512),
        UniversalBlocks(kernel_size_start=5, exp_ratio=4, out_chs=512),
        UniversalBlocks(
            repeats=2, kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512
        ),
        UniversalBlocks(kernel_size_start=5, exp_ratio=4, out_chs=512),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=5, exp_ratio=4, out_chs=512),
        AttentionBlocks(out_chs=512),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512),
        AttentionBlocks(out_chs=512),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512),
        AttentionBlocks(out_chs=512),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512),
        AttentionBlocks(out_chs=512),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, exp_ratio=4, out_chs=512),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""MobileNetV4-Hybrid-L."""
_HARDCORE_A = (
    Blocks(block="separable", out_chs=16, act_layer="relu"),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=3, out_chs=24, act_layer="relu"),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=3, out_chs=24, se_ratio=0.25, act_layer="relu"
        ),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=3, out_chs=40, act_layer="relu"),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=6, out_chs=40, se_ratio=0.25, act_layer="relu"
        ),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=80, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=80, se_ratio=0.25),
    ),
    Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=192, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""HardCoRe-NAS A (https://arxiv.org/abs/2102.11646)."""
_HARDCORE_B = (
    Blocks(block="separable", out_chs=16, act_layer="relu"),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=3, out_chs=24, act_layer="relu"),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=3, out_chs=24, se_ratio=0.25, act_layer="relu"
        ),
        Blocks(block="mbconv", exp_ratio=3, out_chs=24, act_layer="relu"),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=3, out_chs=40, act_layer="relu"),
        Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=3, out_chs=40, act_layer="relu"),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=3, out_chs=80),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=3, out_chs=80),
        Blocks(block="mbconv", repeats=2, exp_ratio=3, out_chs=80),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, exp_ratio=3, out_chs=112),
        Blocks(block="mbconv", repeats=3, exp_ratio=3, out_chs=112),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", exp_ratio=3, out_chs=192, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""HardCoRe-NAS B."""
_HARDCORE_C = (
    Blocks(block="separable", out_chs=16, act_layer="relu"),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=3, out_chs=24, act_layer="relu"),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=3, out_chs=24, se_ratio=0.25, act_layer="relu"
        ),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=3, out_chs=40, act_layer="relu"),
        Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=3, out_chs=40, act_layer="relu"),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=80),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=80, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, exp_ratio=3, out_chs=80),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
        Blocks(block="mbconv", repeats=3, exp_ratio=3, out_chs=112),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", exp_ratio=3, out_chs=192, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""HardCoRe-NAS C."""
_HARDCORE_D = (
    Blocks(block="separable", out_chs=16, act_layer="relu"),
    (
        Blocks(
            block="mbconv",
            kernel_size=5,
            stride=2,
            exp_ratio=3,
            out_chs=24,
            se_ratio=0.25,
            act_layer="relu",
        ),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=3, out_chs=24, se_ratio=0.25, act_layer="relu"
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=5,
            stride=2,
            exp_ratio=3,
            out_chs=40,
            se_ratio=0.25,
            act_layer="relu",
        ),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=4, out_chs=40, se_ratio=0.25, act_layer="relu"
        ),
        Blocks(block="mbconv", exp_ratio=3, out_chs=40, se_ratio=0.25, act_layer="relu"),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=80, se_ratio=0.25),
        Blocks(block="mbconv", repeats=3, exp_ratio=3, out_chs=80, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", exp_ratio=4, out_chs=112, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=4, out_chs=112, se_ratio=0.25),
        Blocks(block="mbconv", exp_ratio=3, out_chs=112, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=3, out_chs=112, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", exp_ratio=6, out_chs=192, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""HardCoRe-NAS D."""
_HARDCORE_E = (
    Blocks(block="separable", out_chs=16, act_layer="relu"),
    (
        Blocks(
            block="mbconv",
            kernel_size=5,
            stride=2,
            exp_ratio=3,
            out_chs=24,
            se_ratio=0.25,
            act_layer="relu",
        ),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=3, out_chs=24, se_ratio=0.25, act_layer="relu"
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=5,
            stride=2,
            exp_ratio=6,
            out_chs=40,
            se_ratio=0.25,
            act_layer="relu",
        ),
        Blocks(
            block="mbconv",
            repeats=2,
            kernel_size=5,
            exp_ratio=4,
            out_chs=40,
            se_ratio=0.25,
            act_layer="relu",
        ),
        Blocks(block="mbconv", exp_ratio=3, out_chs=40, se_ratio=0.25, act_layer="relu"),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=4, out_chs=80, se_ratio=0.25),
        Blocks(block="mbconv", exp_ratio=6, out_chs=80, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=3, out_chs=112, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", exp_ratio=6, out_chs=192, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""HardCoRe-NAS E."""
_HARDCORE_F = (
    Blocks(block="separable", out_chs=16, act_layer="relu"),
    (
        Blocks(
            block="mbconv",
            kernel_size=5,
            stride=2,
            exp_ratio=3,
            out_chs=24,
            se_ratio=0.25,
            act_layer="relu",
        ),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=3, out_chs=24, se_ratio=0.25, act_layer="relu"
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=5,
            stride=2,
            exp_ratio=6,
            out_chs=40,
            se_ratio=0.25,
            act_layer="relu",
        ),
        Blocks(
            block="mbconv", kernel_size=5, exp_ratio=6, out_chs=40, se_ratio=0.25, act_layer="relu"
        ),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=80, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=80, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, exp_ratio=3, out_chs=80, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", exp_ratio=6, out_chs=112, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
        Blocks(block="mbconv", exp_ratio=3, out_chs=112, se_ratio=0.25),
    ),
    (
        Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=192, se_ratio=0.25),
        Blocks(block="mbconv", repeats=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
    ),
    Blocks(block="conv", kernel_size=1, out_chs=960, skip=False),
)
"""HardCoRe-NAS F."""


class MobileNetV3Family(ModelFamily[MobileNetV3Config, "MobileNetV3"]):
    """MobileNetV3 and V4, and networks that were searched for in their space."""

    key = "mobilenetv3"
    title = "MobileNetV3"
    paper = "https://arxiv.org/abs/1905.02244"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: MobileNetV3Config) -> MobileNetV3:
        """The model, not initialised."""
        from typedvision.families.mobilenetv3.model import MobileNetV3

        return MobileNetV3(cfg)

    @classmethod
    def parts(cls, cfg: MobileNetV3Config) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("conv_stem",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "fbnetv3_b": MobileNetV3Config(
            block_args=_FBNET_B,
            num_features=1984,
            round_limit=0.95,
            act_layer="hard_swish",
            se_layer=_SE_FBNET,
            se_from_exp=False,
            head_bias=False,
        ),
        "fbnetv3_d": MobileNetV3Config(
            block_args=_FBNET_D,
            num_features=1984,
            stem_size=24,
            round_limit=0.95,
            act_layer="hard_swish",
            se_layer=_SE_FBNET,
            se_from_exp=False,
            head_bias=False,
        ),
        "fbnetv3_g": MobileNetV3Config(
            block_args=_FBNET_G,
            num_features=1984,
            stem_size=32,
            round_limit=0.95,
            act_layer="hard_swish",
            se_layer=_SE_FBNET,
            se_from_exp=False,
            head_bias=False,
        ),
        "hardcorenas_a": MobileNetV3Config(
            block_args=_HARDCORE_A, stem_size=32, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "hardcorenas_b": MobileNetV3Config(
            block_args=_HARDCORE_B, stem_size=32, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "hardcorenas_c": MobileNetV3Config(
            block_args=_HARDCORE_C, stem_size=32, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "hardcorenas_d": MobileNetV3Config(
            block_args=_HARDCORE_D, stem_size=32, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "hardcorenas_e": MobileNetV3Config(
            block_args=_HARDCORE_E, stem_size=32, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "hardcorenas_f": MobileNetV3Config(
            block_args=_HARDCORE_F, stem_size=32, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "lcnet_035": MobileNetV3Config(
            block_args=_LCNET, channel_multiplier=0.35, act_layer="hard_swish", se_layer=_SE_LCNET
        ),
        "lcnet_050": MobileNetV3Config(
            block_args=_LCNET, channel_multiplier=0.5, act_layer="hard_swish", se_layer=_SE_LCNET
        ),
        "lcnet_075": MobileNetV3Config(
            block_args=_LCNET, channel_multiplier=0.75, act_layer="hard_swish", se_layer=_SE_LCNET
        ),
        "lcnet_100": MobileNetV3Config(
            block_args=_LCNET, act_layer="hard_swish", se_layer=_SE_LCNET
        ),
        "lcnet_150": MobileNetV3Config(
            block_args=_LCNET, channel_multiplier=1.5, act_layer="hard_swish", se_layer=_SE_LCNET
        ),
        "mobilenetv3_large_075": MobileNetV3Config(
            block_args=_LARGE, channel_multiplier=0.75, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "mobilenetv3_large_100": MobileNetV3Config(
            block_args=_LARGE, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "mobilenetv3_large_150d": MobileNetV3Config(
            block_args=_LARGE_D, channel_multiplier=1.5, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "mobilenetv3_rw": MobileNetV3Config(
            block_args=_RW, act_layer="hard_swish", bn_eps=0.001, se_layer=_SE_RW, head_bias=False
        ),
        "mobilenetv3_small_050": MobileNetV3Config(
            block_args=_SMALL,
            num_features=1024,
            fix_stem=True,
            channel_multiplier=0.5,
            act_layer="hard_swish",
            se_layer=_SE_V3,
        ),
        "mobilenetv3_small_075": MobileNetV3Config(
            block_args=_SMALL,
            num_features=1024,
            channel_multiplier=0.75,
            act_layer="hard_swish",
            se_layer=_SE_V3,
        ),
        "mobilenetv3_small_100": MobileNetV3Config(
            block_args=_SMALL, num_features=1024, act_layer="hard_swish", se_layer=_SE_V3
        ),
        "mobilenetv4_conv_aa_large": MobileNetV3Config(
            block_args=_V4_CONV_LARGE, stem_size=24, aa_layer="avg", head_bias=False, head_norm=True
        ),
        "mobilenetv4_conv_aa_medium": MobileNetV3Config(
            block_args=_V4_CONV_MEDIUM,
            stem_size=32,
            aa_layer="avg",
            head_bias=False,
            head_norm=True,
        ),
        "mobilenetv4_conv_blur_medium": MobileNetV3Config(
            block_args=_V4_CONV_MEDIUM,
            stem_size=32,
            aa_layer="blurpc",
            head_bias=False,
            head_norm=True,
        ),
        "mobilenetv4_conv_large": MobileNetV3Config(
            block_args=_V4_CONV_LARGE, stem_size=24, head_bias=False, head_norm=True
        ),
        "mobilenetv4_conv_medium": MobileNetV3Config(
            block_args=_V4_CONV_MEDIUM, stem_size=32, head_bias=False, head_norm=True
        ),
        "mobilenetv4_conv_small": MobileNetV3Config(
            block_args=_V4_CONV_SMALL, stem_size=32, head_bias=False, head_norm=True
        ),
        "mobilenetv4_conv_small_035": MobileNetV3Config(
            block_args=_V4_CONV_SMALL,
            stem_size=32,
            fix_stem=True,
            channel_multiplier=0.35,
            head_bias=False,
            head_norm=True,
        ),
        "mobilenetv4_conv_small_050": MobileNetV3Config(
            block_args=_V4_CONV_SMALL,
            stem_size=32,
            fix_stem=True,
            channel_multiplier=0.5,
            head_bias=False,
            head_norm=True,
        ),
        "mobilenetv4_hybrid_large": MobileNetV3Config(
            block_args=_V4_HYBRID_LARGE,
            stem_size=24,
            act_layer="gelu",
            head_bias=False,
            head_norm=True,
            layer_scale_init_value=1e-05,
        ),
        "mobilenetv4_hybrid_large_075": MobileNetV3Config(
            block_args=_V4_HYBRID_LARGE,
            stem_size=24,
            fix_stem=True,
            channel_multiplier=0.75,
            act_layer="gelu",
            head_bias=False,
            head_norm=True,
            layer_scale_init_value=1e-05,
        ),
        "mobilenetv4_hybrid_medium": MobileNetV3Config(
            block_args=_V4_HYBRID_MEDIUM,
            stem_size=32,
            head_bias=False,
            head_norm=True,
            layer_scale_init_value=1e-05,
        ),
        "mobilenetv4_hybrid_medium_075": MobileNetV3Config(
            block_args=_V4_HYBRID_MEDIUM,
            stem_size=32,
            fix_stem=True,
            channel_multiplier=0.75,
            head_bias=False,
            head_norm=True,
            layer_scale_init_value=1e-05,
        ),
        "tf_mobilenetv3_large_075": MobileNetV3Config(
            block_args=_LARGE,
            channel_multiplier=0.75,
            pad_type="same",
            act_layer="hard_swish",
            bn_eps=0.001,
            se_layer=_SE_V3,
        ),
        "tf_mobilenetv3_large_100": MobileNetV3Config(
            block_args=_LARGE,
            pad_type="same",
            act_layer="hard_swish",
            bn_eps=0.001,
            se_layer=_SE_V3,
        ),
        "tf_mobilenetv3_large_minimal_100": MobileNetV3Config(
            block_args=_LARGE_MINIMAL, pad_type="same", bn_eps=0.001
        ),
        "tf_mobilenetv3_small_075": MobileNetV3Config(
            block_args=_SMALL,
            num_features=1024,
            channel_multiplier=0.75,
            pad_type="same",
            act_layer="hard_swish",
            bn_eps=0.001,
            se_layer=_SE_V3,
        ),
        "tf_mobilenetv3_small_100": MobileNetV3Config(
            block_args=_SMALL,
            num_features=1024,
            pad_type="same",
            act_layer="hard_swish",
            bn_eps=0.001,
            se_layer=_SE_V3,
        ),
        "tf_mobilenetv3_small_minimal_100": MobileNetV3Config(
            block_args=_SMALL_MINIMAL, num_features=1024, pad_type="same", bn_eps=0.001
        ),
    }
