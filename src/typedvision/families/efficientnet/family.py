"""The EfficientNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.config.mobile.rows import Blocks, PrunedBlock
from typedvision.families.efficientnet.config import EfficientNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.efficientnet.model import EfficientNet

_B0 = (
    Blocks(block="separable", out_chs=16, se_ratio=0.25),
    Blocks(block="mbconv", repeats=2, stride=2, exp_ratio=6, out_chs=24, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=2, kernel_size=5, stride=2, exp_ratio=6, out_chs=40, se_ratio=0.25
    ),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=6, out_chs=80, se_ratio=0.25),
    Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=4, kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25
    ),
    Blocks(block="mbconv", exp_ratio=6, out_chs=320, se_ratio=0.25),
)
"""EfficientNet-B0 (https://arxiv.org/abs/1905.11946, table 1)."""
_B0_G8 = tuple(run.replace(group_size=8) for run in _B0)
"""B0 with groups of eight channels instead of depthwise convolutions."""
_B0_G16 = tuple(run.replace(group_size=16) for run in _B0)
"""B0 with groups of sixteen channels."""
_CC_4 = (*_B0[:4], *(run.replace(num_experts=4) for run in _B0[4:]))
"""CondConv-EfficientNet-B0, four experts (https://arxiv.org/abs/1904.04971)."""
_CC_8 = (*_B0[:4], *(run.replace(num_experts=8) for run in _B0[4:]))
"""CondConv-EfficientNet-B0, eight experts."""
_LITE = tuple(run.replace(se_ratio=0.0) for run in _B0)
"""EfficientNet-Lite: B0 without squeeze-and-excitation."""
_EDGE = (
    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=24, skip=False, force_in_chs=24),
    Blocks(block="fused_mbconv", repeats=2, stride=2, exp_ratio=8, out_chs=32),
    Blocks(block="fused_mbconv", repeats=4, stride=2, exp_ratio=8, out_chs=48),
    Blocks(block="mbconv", repeats=5, kernel_size=5, stride=2, exp_ratio=8, out_chs=96),
    Blocks(block="mbconv", repeats=4, kernel_size=5, exp_ratio=8, out_chs=144),
    Blocks(block="mbconv", repeats=2, kernel_size=5, stride=2, exp_ratio=8, out_chs=192),
)
"""EfficientNet-EdgeTPU-S."""
_V2_S = (
    Blocks(block="conv", repeats=2, out_chs=24),
    Blocks(block="fused_mbconv", repeats=4, stride=2, exp_ratio=4, out_chs=48),
    Blocks(block="fused_mbconv", repeats=4, stride=2, exp_ratio=4, out_chs=64),
    Blocks(block="mbconv", repeats=6, stride=2, exp_ratio=4, out_chs=128, se_ratio=0.25),
    Blocks(block="mbconv", repeats=9, exp_ratio=6, out_chs=160, se_ratio=0.25),
    Blocks(block="mbconv", repeats=15, stride=2, exp_ratio=6, out_chs=256, se_ratio=0.25),
)
"""EfficientNetV2-S (https://arxiv.org/abs/2104.00298, table 4)."""
_V2_M = (
    Blocks(block="conv", repeats=3, out_chs=24),
    Blocks(block="fused_mbconv", repeats=5, stride=2, exp_ratio=4, out_chs=48),
    Blocks(block="fused_mbconv", repeats=5, stride=2, exp_ratio=4, out_chs=80),
    Blocks(block="mbconv", repeats=7, stride=2, exp_ratio=4, out_chs=160, se_ratio=0.25),
    Blocks(block="mbconv", repeats=14, exp_ratio=6, out_chs=176, se_ratio=0.25),
    Blocks(block="mbconv", repeats=18, stride=2, exp_ratio=6, out_chs=304, se_ratio=0.25),
    Blocks(block="mbconv", repeats=5, exp_ratio=6, out_chs=512, se_ratio=0.25),
)
"""EfficientNetV2-M."""
_V2_L = (
    Blocks(block="conv", repeats=4, out_chs=32),
    Blocks(block="fused_mbconv", repeats=7, stride=2, exp_ratio=4, out_chs=64),
    Blocks(block="fused_mbconv", repeats=7, stride=2, exp_ratio=4, out_chs=96),
    Blocks(block="mbconv", repeats=10, stride=2, exp_ratio=4, out_chs=192, se_ratio=0.25),
    Blocks(block="mbconv", repeats=19, exp_ratio=6, out_chs=224, se_ratio=0.25),
    Blocks(block="mbconv", repeats=25, stride=2, exp_ratio=6, out_chs=384, se_ratio=0.25),
    Blocks(block="mbconv", repeats=7, exp_ratio=6, out_chs=640, se_ratio=0.25),
)
"""EfficientNetV2-L."""
_V2_XL = (
    Blocks(block="conv", repeats=4, out_chs=32),
    Blocks(block="fused_mbconv", repeats=8, stride=2, exp_ratio=4, out_chs=64),
    Blocks(block="fused_mbconv", repeats=8, stride=2, exp_ratio=4, out_chs=96),
    Blocks(block="mbconv", repeats=16, stride=2, exp_ratio=4, out_chs=192, se_ratio=0.25),
    Blocks(block="mbconv", repeats=24, exp_ratio=6, out_chs=256, se_ratio=0.25),
    Blocks(block="mbconv", repeats=32, stride=2, exp_ratio=6, out_chs=512, se_ratio=0.25),
    Blocks(block="mbconv", repeats=8, exp_ratio=6, out_chs=640, se_ratio=0.25),
)
"""EfficientNetV2-XL."""
_V2_BASE = (
    Blocks(block="conv", out_chs=16),
    Blocks(block="fused_mbconv", repeats=2, stride=2, exp_ratio=4, out_chs=32),
    Blocks(block="fused_mbconv", repeats=2, stride=2, exp_ratio=4, out_chs=48),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=4, out_chs=96, se_ratio=0.25),
    Blocks(block="mbconv", repeats=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(block="mbconv", repeats=8, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25),
)
"""EfficientNetV2-B0."""
_V2_RW_S = (
    Blocks(block="fused_mbconv", repeats=2, out_chs=24),
    Blocks(block="fused_mbconv", repeats=4, stride=2, exp_ratio=4, out_chs=48),
    Blocks(block="fused_mbconv", repeats=4, stride=2, exp_ratio=4, out_chs=64),
    Blocks(block="mbconv", repeats=6, stride=2, exp_ratio=4, out_chs=128, se_ratio=0.25),
    Blocks(block="mbconv", repeats=9, exp_ratio=6, out_chs=160, se_ratio=0.25),
    Blocks(block="mbconv", repeats=15, stride=2, exp_ratio=6, out_chs=272, se_ratio=0.25),
)
"""EfficientNetV2-S as it was first rebuilt from the paper."""
_X = (
    Blocks(block="separable", out_chs=16, se_ratio=0.25, s2d=True),
    (
        Blocks(block="fused_mbconv", exp_ratio=1.5, out_chs=24, se_ratio=0.25, act_layer="relu"),
        Blocks(block="fused_mbconv", exp_ratio=6, out_chs=24, se_ratio=0.25, act_layer="relu"),
    ),
    Blocks(
        block="fused_mbconv",
        repeats=2,
        kernel_size=5,
        stride=2,
        exp_ratio=6,
        out_chs=40,
        se_ratio=0.25,
        act_layer="relu",
    ),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=6, out_chs=80, se_ratio=0.25),
    Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=4, kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25
    ),
    Blocks(block="mbconv", exp_ratio=6, out_chs=320, se_ratio=0.25),
)
"""EfficientNet-X-B0 (https://arxiv.org/abs/2102.05610)."""
_H = (
    Blocks(block="separable", out_chs=16, se_ratio=0.25, s2d=True),
    (
        Blocks(block="fused_mbconv", out_chs=24, se_ratio=0.25, act_layer="relu"),
        Blocks(block="fused_mbconv", exp_ratio=4, out_chs=24, se_ratio=0.25, act_layer="relu"),
    ),
    Blocks(
        block="fused_mbconv",
        repeats=2,
        kernel_size=5,
        stride=2,
        exp_ratio=4,
        out_chs=40,
        se_ratio=0.25,
        act_layer="relu",
    ),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=4, out_chs=80, se_ratio=0.25),
    Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=4, kernel_size=5, stride=2, exp_ratio=6, out_chs=192, se_ratio=0.25
    ),
    Blocks(block="mbconv", exp_ratio=6, out_chs=320, se_ratio=0.25),
)
"""EfficientNet-H-B0 (https://arxiv.org/abs/2102.05610)."""
_MIXNET_S = (
    Blocks(block="separable", out_chs=16),
    (
        Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=24, exp_splits=2, pw_splits=2),
        Blocks(block="mbconv", exp_ratio=3, out_chs=24, exp_splits=2, pw_splits=2),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7),
            stride=2,
            exp_ratio=6,
            out_chs=40,
            se_ratio=0.5,
            act_layer="silu",
        ),
        Blocks(
            block="mbconv",
            repeats=3,
            kernel_size=(3, 5),
            exp_ratio=6,
            out_chs=40,
            se_ratio=0.5,
            act_layer="silu",
            exp_splits=2,
            pw_splits=2,
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7),
            stride=2,
            exp_ratio=6,
            out_chs=80,
            se_ratio=0.25,
            act_layer="silu",
            pw_splits=2,
        ),
        Blocks(
            block="mbconv",
            repeats=2,
            kernel_size=(3, 5),
            exp_ratio=6,
            out_chs=80,
            se_ratio=0.25,
            act_layer="silu",
            pw_splits=2,
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7),
            exp_ratio=6,
            out_chs=120,
            se_ratio=0.5,
            act_layer="silu",
            exp_splits=2,
            pw_splits=2,
        ),
        Blocks(
            block="mbconv",
            repeats=2,
            kernel_size=(3, 5, 7, 9),
            exp_ratio=3,
            out_chs=120,
            se_ratio=0.5,
            act_layer="silu",
            exp_splits=2,
            pw_splits=2,
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7, 9, 11),
            stride=2,
            exp_ratio=6,
            out_chs=200,
            se_ratio=0.5,
            act_layer="silu",
        ),
        Blocks(
            block="mbconv",
            repeats=2,
            kernel_size=(3, 5, 7, 9),
            exp_ratio=6,
            out_chs=200,
            se_ratio=0.5,
            act_layer="silu",
            pw_splits=2,
        ),
    ),
)
"""MixNet-S (https://arxiv.org/abs/1907.09595, figure 5)."""
_MIXNET_M = (
    Blocks(block="separable", out_chs=24),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7),
            stride=2,
            exp_ratio=6,
            out_chs=32,
            exp_splits=2,
            pw_splits=2,
        ),
        Blocks(block="mbconv", exp_ratio=3, out_chs=32, exp_splits=2, pw_splits=2),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7, 9),
            stride=2,
            exp_ratio=6,
            out_chs=40,
            se_ratio=0.5,
            act_layer="silu",
        ),
        Blocks(
            block="mbconv",
            repeats=3,
            kernel_size=(3, 5),
            exp_ratio=6,
            out_chs=40,
            se_ratio=0.5,
            act_layer="silu",
            exp_splits=2,
            pw_splits=2,
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7),
            stride=2,
            exp_ratio=6,
            out_chs=80,
            se_ratio=0.25,
            act_layer="silu",
        ),
        Blocks(
            block="mbconv",
            repeats=3,
            kernel_size=(3, 5, 7, 9),
            exp_ratio=6,
            out_chs=80,
            se_ratio=0.25,
            act_layer="silu",
            exp_splits=2,
            pw_splits=2,
        ),
    ),
    (
        Blocks(block="mbconv", exp_ratio=6, out_chs=120, se_ratio=0.5, act_layer="silu"),
        Blocks(
            block="mbconv",
            repeats=3,
            kernel_size=(3, 5, 7, 9),
            exp_ratio=3,
            out_chs=120,
            se_ratio=0.5,
            act_layer="silu",
            exp_splits=2,
            pw_splits=2,
        ),
    ),
    (
        Blocks(
            block="mbconv",
            kernel_size=(3, 5, 7, 9),
            stride=2,
            exp_ratio=6,
            out_chs=200,
            se_ratio=0.5,
            act_layer="silu",
        ),
        Blocks(
            block="mbconv",
            repeats=3,
            kernel_size=(3, 5, 7, 9),
            exp_ratio=6,
            out_chs=200,
            se_ratio=0.5,
            act_layer="silu",
            pw_splits=2,
        ),
    ),
)
"""MixNet-M."""
_MNASNET = (
    Blocks(block="separable", out_chs=16, skip=False),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=3, out_chs=24),
    Blocks(block="mbconv", repeats=3, kernel_size=5, stride=2, exp_ratio=3, out_chs=40),
    Blocks(block="mbconv", repeats=3, kernel_size=5, stride=2, exp_ratio=6, out_chs=80),
    Blocks(block="mbconv", repeats=2, exp_ratio=6, out_chs=96),
    Blocks(block="mbconv", repeats=4, kernel_size=5, stride=2, exp_ratio=6, out_chs=192),
    Blocks(block="mbconv", exp_ratio=6, out_chs=320, skip=False),
)
"""MnasNet-B1 (https://arxiv.org/abs/1807.11626)."""
_SEMNASNET = (
    Blocks(block="separable", out_chs=16, skip=False),
    Blocks(block="mbconv", repeats=2, stride=2, exp_ratio=6, out_chs=24),
    Blocks(
        block="mbconv", repeats=3, kernel_size=5, stride=2, exp_ratio=3, out_chs=40, se_ratio=0.25
    ),
    Blocks(block="mbconv", repeats=4, stride=2, exp_ratio=6, out_chs=80),
    Blocks(block="mbconv", repeats=2, exp_ratio=6, out_chs=112, se_ratio=0.25),
    Blocks(
        block="mbconv", repeats=3, kernel_size=5, stride=2, exp_ratio=6, out_chs=160, se_ratio=0.25
    ),
    Blocks(block="mbconv", exp_ratio=6, out_chs=320),
)
"""MnasNet-A1 (https://arxiv.org/abs/1807.11626, figure 7)."""
_MOBILENET_V1 = (
    Blocks(block="separable", out_chs=64, skip=False, pw_act=True),
    Blocks(block="separable", repeats=2, stride=2, out_chs=128, skip=False, pw_act=True),
    Blocks(block="separable", repeats=2, stride=2, out_chs=256, skip=False, pw_act=True),
    Blocks(block="separable", repeats=6, stride=2, out_chs=512, skip=False, pw_act=True),
    Blocks(block="separable", repeats=2, stride=2, out_chs=1024, skip=False, pw_act=True),
)
"""MobileNet (https://arxiv.org/abs/1704.04861, table 1)."""
_MOBILENET_V2 = (
    Blocks(block="separable", out_chs=16),
    Blocks(block="mbconv", repeats=2, stride=2, exp_ratio=6, out_chs=24),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=6, out_chs=32),
    Blocks(block="mbconv", repeats=4, stride=2, exp_ratio=6, out_chs=64),
    Blocks(block="mbconv", repeats=3, exp_ratio=6, out_chs=96),
    Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=6, out_chs=160),
    Blocks(block="mbconv", exp_ratio=6, out_chs=320),
)
"""MobileNetV2 (https://arxiv.org/abs/1801.04381, table 2)."""
_B1_PRUNED = (
    Blocks(block="separable", repeats=2, out_chs=16, se_ratio=0.25),
    (
        PrunedBlock(stride=2, mid_chs=48, out_chs=12, se_chs=4),
        PrunedBlock(mid_chs=62, out_chs=12, se_chs=6),
        PrunedBlock(mid_chs=48, out_chs=12, se_chs=6),
    ),
    (
        PrunedBlock(kernel_size=5, stride=2, mid_chs=70, out_chs=35, se_chs=6),
        PrunedBlock(kernel_size=5, mid_chs=61, out_chs=35, se_chs=10),
        PrunedBlock(kernel_size=5, mid_chs=51, out_chs=35, se_chs=10),
    ),
    (
        PrunedBlock(stride=2, mid_chs=175, out_chs=74, se_chs=10),
        PrunedBlock(mid_chs=188, out_chs=74, se_chs=20),
        PrunedBlock(mid_chs=137, out_chs=74, se_chs=20),
        PrunedBlock(mid_chs=164, out_chs=74, se_chs=20),
    ),
    (
        PrunedBlock(kernel_size=5, mid_chs=399, out_chs=67, se_chs=20),
        PrunedBlock(kernel_size=5, mid_chs=201, out_chs=67, se_chs=28),
        PrunedBlock(kernel_size=5, mid_chs=160, out_chs=67, se_chs=28),
        PrunedBlock(kernel_size=5, mid_chs=213, out_chs=67, se_chs=28),
    ),
    (
        PrunedBlock(kernel_size=5, stride=2, mid_chs=637, out_chs=192, se_chs=27),
        PrunedBlock(kernel_size=5, mid_chs=806, out_chs=192, se_chs=48),
        PrunedBlock(kernel_size=5, mid_chs=798, out_chs=192, se_chs=48),
        PrunedBlock(kernel_size=5, mid_chs=891, out_chs=192, se_chs=48),
        PrunedBlock(kernel_size=5, mid_chs=990, out_chs=192, se_chs=48),
    ),
    (
        PrunedBlock(mid_chs=1152, out_chs=320, se_chs=48),
        PrunedBlock(mid_chs=1912, out_chs=320, se_chs=80),
    ),
)
"""EfficientNet-B1 after knapsack pruning (https://arxiv.org/abs/2002.08258)."""
_B2_PRUNED = (
    Blocks(block="separable", repeats=2, out_chs=16, se_ratio=0.25),
    (
        PrunedBlock(stride=2, mid_chs=54, out_chs=17, se_chs=4),
        PrunedBlock(mid_chs=69, out_chs=17, se_chs=6),
        PrunedBlock(mid_chs=61, out_chs=17, se_chs=6),
    ),
    (
        PrunedBlock(kernel_size=5, stride=2, mid_chs=86, out_chs=42, se_chs=6),
        PrunedBlock(kernel_size=5, mid_chs=72, out_chs=42, se_chs=12),
        PrunedBlock(kernel_size=5, mid_chs=98, out_chs=42, se_chs=12),
    ),
    (
        PrunedBlock(stride=2, mid_chs=245, out_chs=85, se_chs=12),
        PrunedBlock(mid_chs=274, out_chs=85, se_chs=22),
        PrunedBlock(mid_chs=254, out_chs=85, se_chs=22),
        PrunedBlock(mid_chs=292, out_chs=85, se_chs=22),
    ),
    (
        PrunedBlock(kernel_size=5, mid_chs=502, out_chs=116, se_chs=22),
        PrunedBlock(kernel_size=5, mid_chs=315, out_chs=116, se_chs=30),
        PrunedBlock(kernel_size=5, mid_chs=354, out_chs=116, se_chs=30),
        PrunedBlock(kernel_size=5, mid_chs=443, out_chs=116, se_chs=30),
    ),
    (
        PrunedBlock(kernel_size=5, stride=2, mid_chs=719, out_chs=208, se_chs=30),
        PrunedBlock(kernel_size=5, mid_chs=1148, out_chs=208, se_chs=52),
        PrunedBlock(kernel_size=5, mid_chs=1160, out_chs=208, se_chs=52),
        PrunedBlock(kernel_size=5, mid_chs=1182, out_chs=208, se_chs=52),
        PrunedBlock(kernel_size=5, mid_chs=1228, out_chs=208, se_chs=52),
    ),
    (
        PrunedBlock(mid_chs=1248, out_chs=352, se_chs=52),
        PrunedBlock(mid_chs=2112, out_chs=352, se_chs=88),
    ),
)
"""EfficientNet-B2 after knapsack pruning (https://arxiv.org/abs/2002.08258)."""
_B3_PRUNED = (
    Blocks(block="separable", repeats=2, out_chs=24, se_ratio=0.25),
    (
        PrunedBlock(stride=2, mid_chs=27, out_chs=12, se_chs=6),
        PrunedBlock(mid_chs=49, out_chs=12, se_chs=8),
        PrunedBlock(mid_chs=48, out_chs=12, se_chs=8),
    ),
    (
        PrunedBlock(kernel_size=5, stride=2, mid_chs=83, out_chs=40, se_chs=8),
        PrunedBlock(kernel_size=5, mid_chs=90, out_chs=40, se_chs=12),
        PrunedBlock(kernel_size=5, mid_chs=85, out_chs=40, se_chs=12),
    ),
    (
        PrunedBlock(stride=2, mid_chs=215, out_chs=93, se_chs=12),
        PrunedBlock(mid_chs=261, out_chs=93, se_chs=24),
        PrunedBlock(mid_chs=219, out_chs=93, se_chs=24),
        PrunedBlock(mid_chs=254, out_chs=93, se_chs=24),
        PrunedBlock(mid_chs=236, out_chs=93, se_chs=24),
    ),
    (
        PrunedBlock(kernel_size=5, mid_chs=480, out_chs=120, se_chs=24),
        PrunedBlock(kernel_size=5, mid_chs=235, out_chs=120, se_chs=34),
        PrunedBlock(kernel_size=5, mid_chs=217, out_chs=120, se_chs=34),
        PrunedBlock(kernel_size=5, mid_chs=226, out_chs=120, se_chs=33),
        PrunedBlock(kernel_size=5, mid_chs=340, out_chs=120, se_chs=34),
    ),
    (
        PrunedBlock(kernel_size=5, stride=2, mid_chs=802, out_chs=232, se_chs=34),
        PrunedBlock(kernel_size=5, mid_chs=1030, out_chs=232, se_chs=58),
        PrunedBlock(kernel_size=5, mid_chs=924, out_chs=232, se_chs=58),
        PrunedBlock(kernel_size=5, mid_chs=1016, out_chs=232, se_chs=58),
        PrunedBlock(kernel_size=5, mid_chs=1130, out_chs=232, se_chs=58),
        PrunedBlock(kernel_size=5, mid_chs=1266, out_chs=232, se_chs=58),
    ),
    (
        PrunedBlock(mid_chs=1392, out_chs=384, se_chs=58),
        PrunedBlock(mid_chs=2301, out_chs=384, se_chs=96),
    ),
)
"""EfficientNet-B3 after knapsack pruning (https://arxiv.org/abs/2002.08258)."""
_TINY = (
    Blocks(block="conv", out_chs=16),
    Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=24),
    Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=32),
    Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=48, se_ratio=0.25),
    Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=64, se_ratio=0.25),
)
"""A small V2, for tests."""


class EfficientNetFamily(ModelFamily[EfficientNetConfig, "EfficientNet"]):
    """EfficientNet and the networks of inverted residuals around it."""

    key = "efficientnet"
    title = "EfficientNet"
    paper = "https://arxiv.org/abs/1905.11946"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: EfficientNetConfig) -> EfficientNet:
        """The model, not initialised."""
        from typedvision.families.efficientnet.model import EfficientNet

        return EfficientNet(cfg)

    @classmethod
    def parts(cls, cfg: EfficientNetConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("conv_stem",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "efficientnet_b0": EfficientNetConfig(block_args=_B0, act_layer="silu"),
        "efficientnet_b0_g8_gn": EfficientNetConfig(
            block_args=_B0_G8, act_layer="silu", norm_layer="groupnorm", norm_group_size=8
        ),
        "efficientnet_b0_g16_evos": EfficientNetConfig(
            block_args=_B0_G16, channel_divisor=16, act_layer="silu"
        ),
        "efficientnet_b0_gn": EfficientNetConfig(
            block_args=_B0, act_layer="silu", norm_layer="groupnorm", norm_group_size=8
        ),
        "efficientnet_b1": EfficientNetConfig(
            block_args=_B0, depth_multiplier=1.1, act_layer="silu"
        ),
        "efficientnet_b1_pruned": EfficientNetConfig(
            block_args=_B1_PRUNED, pad_type="same", act_layer="silu", bn_eps=0.001
        ),
        "efficientnet_b2": EfficientNetConfig(
            block_args=_B0,
            num_features=1408,
            channel_multiplier=1.1,
            depth_multiplier=1.2,
            act_layer="silu",
        ),
        "efficientnet_b2_pruned": EfficientNetConfig(
            block_args=_B2_PRUNED,
            num_features=1408,
            pad_type="same",
            act_layer="silu",
            bn_eps=0.001,
        ),
        "efficientnet_b3": EfficientNetConfig(
            block_args=_B0,
            num_features=1536,
            channel_multiplier=1.2,
            depth_multiplier=1.4,
            act_layer="silu",
        ),
        "efficientnet_b3_g8_gn": EfficientNetConfig(
            block_args=_B0_G8,
            num_features=1536,
            channel_multiplier=1.2,
            channel_divisor=16,
            depth_multiplier=1.4,
            act_layer="silu",
            norm_layer="groupnorm",
            norm_group_size=16,
        ),
        "efficientnet_b3_gn": EfficientNetConfig(
            block_args=_B0,
            num_features=1536,
            channel_multiplier=1.2,
            channel_divisor=16,
            depth_multiplier=1.4,
            act_layer="silu",
            norm_layer="groupnorm",
            norm_group_size=16,
        ),
        "efficientnet_b3_pruned": EfficientNetConfig(
            block_args=_B3_PRUNED,
            num_features=1536,
            stem_size=40,
            pad_type="same",
            act_layer="silu",
            bn_eps=0.001,
        ),
        "efficientnet_b4": EfficientNetConfig(
            block_args=_B0,
            num_features=1792,
            channel_multiplier=1.4,
            depth_multiplier=1.8,
            act_layer="silu",
        ),
        "efficientnet_b5": EfficientNetConfig(
            block_args=_B0,
            num_features=2048,
            channel_multiplier=1.6,
            depth_multiplier=2.2,
            act_layer="silu",
        ),
        "efficientnet_b6": EfficientNetConfig(
            block_args=_B0,
            num_features=2304,
            channel_multiplier=1.8,
            depth_multiplier=2.6,
            act_layer="silu",
        ),
        "efficientnet_b7": EfficientNetConfig(
            block_args=_B0,
            num_features=2560,
            channel_multiplier=2.0,
            depth_multiplier=3.1,
            act_layer="silu",
        ),
        "efficientnet_b8": EfficientNetConfig(
            block_args=_B0,
            num_features=2816,
            channel_multiplier=2.2,
            depth_multiplier=3.6,
            act_layer="silu",
        ),
        "efficientnet_blur_b0": EfficientNetConfig(
            block_args=_B0, act_layer="silu", aa_layer="blurpc"
        ),
        "efficientnet_cc_b0_4e": EfficientNetConfig(block_args=_CC_4, act_layer="silu"),
        "efficientnet_cc_b0_8e": EfficientNetConfig(block_args=_CC_8, act_layer="silu"),
        "efficientnet_cc_b1_8e": EfficientNetConfig(
            block_args=_CC_8, depth_multiplier=1.1, act_layer="silu"
        ),
        "efficientnet_el": EfficientNetConfig(
            block_args=_EDGE, num_features=1536, channel_multiplier=1.2, depth_multiplier=1.4
        ),
        "efficientnet_el_pruned": EfficientNetConfig(
            block_args=_EDGE, num_features=1536, channel_multiplier=1.2, depth_multiplier=1.4
        ),
        "efficientnet_em": EfficientNetConfig(block_args=_EDGE, depth_multiplier=1.1),
        "efficientnet_es": EfficientNetConfig(block_args=_EDGE),
        "efficientnet_es_pruned": EfficientNetConfig(block_args=_EDGE),
        "efficientnet_h_b5": EfficientNetConfig(
            block_args=_H,
            num_features=2456,
            channel_multiplier=1.92,
            depth_multiplier=2.2,
            act_layer="silu",
        ),
        "efficientnet_l2": EfficientNetConfig(
            block_args=_B0,
            num_features=5504,
            channel_multiplier=4.3,
            depth_multiplier=5.3,
            act_layer="silu",
        ),
        "efficientnet_lite0": EfficientNetConfig(
            block_args=_LITE, fix_stem=True, fix_first_last=True, act_layer="relu6"
        ),
        "efficientnet_lite1": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            depth_multiplier=1.1,
            fix_first_last=True,
            act_layer="relu6",
        ),
        "efficientnet_lite2": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            channel_multiplier=1.1,
            depth_multiplier=1.2,
            fix_first_last=True,
            act_layer="relu6",
        ),
        "efficientnet_lite3": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            channel_multiplier=1.2,
            depth_multiplier=1.4,
            fix_first_last=True,
            act_layer="relu6",
        ),
        "efficientnet_lite4": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            channel_multiplier=1.4,
            depth_multiplier=1.8,
            fix_first_last=True,
            act_layer="relu6",
        ),
        "efficientnet_x_b3": EfficientNetConfig(
            block_args=_X,
            num_features=1536,
            channel_multiplier=1.2,
            depth_multiplier=1.4,
            act_layer="silu",
        ),
        "efficientnet_x_b5": EfficientNetConfig(
            block_args=_X,
            num_features=2048,
            channel_multiplier=1.6,
            depth_multiplier=2.2,
            act_layer="silu",
        ),
        "efficientnetv2_l": EfficientNetConfig(block_args=_V2_L, act_layer="silu"),
        "efficientnetv2_m": EfficientNetConfig(block_args=_V2_M, stem_size=24, act_layer="silu"),
        "efficientnetv2_rw_m": EfficientNetConfig(
            block_args=(
                Blocks(block="fused_mbconv", repeats=3, out_chs=24),
                Blocks(block="fused_mbconv", repeats=5, stride=2, exp_ratio=4, out_chs=48),
                Blocks(block="fused_mbconv", repeats=5, stride=2, exp_ratio=4, out_chs=64),
                Blocks(
                    block="mbconv", repeats=8, stride=2, exp_ratio=4, out_chs=128, se_ratio=0.25
                ),
                Blocks(block="mbconv", repeats=15, exp_ratio=6, out_chs=160, se_ratio=0.25),
                Blocks(
                    block="mbconv", repeats=24, stride=2, exp_ratio=6, out_chs=272, se_ratio=0.25
                ),
            ),
            num_features=2152,
            stem_size=24,
            channel_multiplier=1.2,
            act_layer="silu",
        ),
        "efficientnetv2_rw_s": EfficientNetConfig(
            block_args=_V2_RW_S, num_features=1792, stem_size=24, act_layer="silu"
        ),
        "efficientnetv2_rw_t": EfficientNetConfig(
            block_args=_V2_S,
            num_features=1024,
            stem_size=24,
            channel_multiplier=0.8,
            depth_multiplier=0.9,
            act_layer="silu",
        ),
        "efficientnetv2_s": EfficientNetConfig(block_args=_V2_S, stem_size=24, act_layer="silu"),
        "efficientnetv2_xl": EfficientNetConfig(block_args=_V2_XL, act_layer="silu"),
        "fbnetc_100": EfficientNetConfig(
            block_args=(
                Blocks(block="mbconv", out_chs=16),
                (
                    Blocks(block="mbconv", stride=2, exp_ratio=6, out_chs=24),
                    Blocks(block="mbconv", repeats=2, out_chs=24),
                ),
                (
                    Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=32),
                    Blocks(block="mbconv", kernel_size=5, exp_ratio=3, out_chs=32),
                    Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=32),
                    Blocks(block="mbconv", exp_ratio=6, out_chs=32),
                ),
                (
                    Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=64),
                    Blocks(block="mbconv", kernel_size=5, exp_ratio=3, out_chs=64),
                    Blocks(block="mbconv", repeats=2, kernel_size=5, exp_ratio=6, out_chs=64),
                ),
                (
                    Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=6, out_chs=112),
                    Blocks(block="mbconv", kernel_size=5, exp_ratio=3, out_chs=112),
                ),
                Blocks(
                    block="mbconv", repeats=4, kernel_size=5, stride=2, exp_ratio=6, out_chs=184
                ),
                Blocks(block="mbconv", exp_ratio=6, out_chs=352),
            ),
            num_features=1984,
            stem_size=16,
        ),
        "gc_efficientnetv2_rw_t": EfficientNetConfig(
            block_args=_V2_S,
            num_features=1024,
            stem_size=24,
            channel_multiplier=0.8,
            depth_multiplier=0.9,
            act_layer="silu",
            se_layer="gc",
        ),
        "mixnet_l": EfficientNetConfig(
            block_args=_MIXNET_M, num_features=1536, stem_size=24, channel_multiplier=1.3
        ),
        "mixnet_m": EfficientNetConfig(block_args=_MIXNET_M, num_features=1536, stem_size=24),
        "mixnet_s": EfficientNetConfig(block_args=_MIXNET_S, num_features=1536, stem_size=16),
        "mixnet_xl": EfficientNetConfig(
            block_args=_MIXNET_M,
            num_features=1536,
            stem_size=24,
            channel_multiplier=1.6,
            depth_multiplier=1.2,
            depth_trunc="round",
        ),
        "mixnet_xxl": EfficientNetConfig(
            block_args=_MIXNET_M,
            num_features=1536,
            stem_size=24,
            channel_multiplier=2.4,
            depth_multiplier=1.3,
            depth_trunc="round",
        ),
        "mnasnet_050": EfficientNetConfig(block_args=_MNASNET, channel_multiplier=0.5),
        "mnasnet_075": EfficientNetConfig(block_args=_MNASNET, channel_multiplier=0.75),
        "mnasnet_100": EfficientNetConfig(block_args=_MNASNET),
        "mnasnet_140": EfficientNetConfig(block_args=_MNASNET, channel_multiplier=1.4),
        "mnasnet_small": EfficientNetConfig(
            block_args=(
                Blocks(block="separable", out_chs=8),
                Blocks(block="mbconv", stride=2, exp_ratio=3, out_chs=16),
                Blocks(block="mbconv", repeats=2, stride=2, exp_ratio=6, out_chs=16),
                Blocks(
                    block="mbconv",
                    repeats=4,
                    kernel_size=5,
                    stride=2,
                    exp_ratio=6,
                    out_chs=32,
                    se_ratio=0.25,
                ),
                Blocks(block="mbconv", repeats=3, exp_ratio=6, out_chs=32, se_ratio=0.25),
                Blocks(
                    block="mbconv",
                    repeats=3,
                    kernel_size=5,
                    stride=2,
                    exp_ratio=6,
                    out_chs=88,
                    se_ratio=0.25,
                ),
                Blocks(block="mbconv", exp_ratio=6, out_chs=144),
            ),
            stem_size=8,
        ),
        "mobilenet_edgetpu_100": EfficientNetConfig(
            block_args=(
                Blocks(block="conv", kernel_size=1, out_chs=16, skip=False),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=32),
                    Blocks(block="fused_mbconv", repeats=3, exp_ratio=4, out_chs=32),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=48),
                    Blocks(block="fused_mbconv", repeats=3, exp_ratio=4, out_chs=48),
                ),
                (
                    Blocks(block="mbconv", stride=2, exp_ratio=8, out_chs=96),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=96),
                ),
                (
                    Blocks(block="mbconv", exp_ratio=8, out_chs=96, skip=False),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=96),
                ),
                (
                    Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=8, out_chs=160),
                    Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=4, out_chs=160),
                ),
                Blocks(block="mbconv", exp_ratio=8, out_chs=192),
            )
        ),
        "mobilenet_edgetpu_v2_l": EfficientNetConfig(
            block_args=(
                Blocks(block="conv", kernel_size=1, out_chs=32, skip=False),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=64),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=64, group_size=128),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=96),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=96, group_size=128),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=96),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=96, group_size=128),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=192),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=192),
                ),
                (
                    Blocks(block="mbconv", exp_ratio=8, out_chs=240),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=240),
                ),
                (
                    Blocks(block="mbconv", stride=2, exp_ratio=8, out_chs=256),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=256),
                ),
                Blocks(block="mbconv", exp_ratio=8, out_chs=384),
            ),
            num_features=1408,
            stem_size=64,
            stem_kernel_size=7,
        ),
        "mobilenet_edgetpu_v2_m": EfficientNetConfig(
            block_args=(
                Blocks(block="conv", kernel_size=1, out_chs=32, skip=False),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=64),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=64, group_size=64),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=80),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=80, group_size=64),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=80),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=80, group_size=64),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=160),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=160),
                ),
                (
                    Blocks(block="mbconv", exp_ratio=8, out_chs=192),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=192),
                ),
                (
                    Blocks(block="mbconv", stride=2, exp_ratio=8, out_chs=240),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=240),
                ),
                Blocks(block="mbconv", exp_ratio=8, out_chs=320),
            ),
            num_features=1344,
            stem_size=64,
            stem_kernel_size=5,
        ),
        "mobilenet_edgetpu_v2_s": EfficientNetConfig(
            block_args=(
                Blocks(block="conv", kernel_size=1, out_chs=24, skip=False),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=48),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=48, group_size=64),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=64),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=64, group_size=64),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=64),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=64, group_size=64),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=128),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=128),
                ),
                (
                    Blocks(block="mbconv", exp_ratio=8, out_chs=160),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=160),
                ),
                (
                    Blocks(block="mbconv", stride=2, exp_ratio=8, out_chs=192),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=192),
                ),
                Blocks(block="mbconv", exp_ratio=8, out_chs=256),
            ),
            stem_size=64,
            stem_kernel_size=5,
        ),
        "mobilenet_edgetpu_v2_xs": EfficientNetConfig(
            block_args=(
                Blocks(block="conv", kernel_size=1, out_chs=16, skip=False),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=32),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=32, group_size=64),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=48),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=48, group_size=64),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=48),
                    Blocks(block="fused_mbconv", exp_ratio=4, out_chs=48, group_size=64),
                ),
                (
                    Blocks(block="fused_mbconv", stride=2, exp_ratio=8, out_chs=96),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=96),
                ),
                (
                    Blocks(block="mbconv", exp_ratio=8, out_chs=144),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=144),
                ),
                (
                    Blocks(block="mbconv", stride=2, exp_ratio=8, out_chs=160),
                    Blocks(block="mbconv", repeats=3, exp_ratio=4, out_chs=160),
                ),
                Blocks(block="mbconv", exp_ratio=8, out_chs=192),
            )
        ),
        "mobilenetv1_100": EfficientNetConfig(
            block_args=_MOBILENET_V1, num_features=0, act_layer="relu6"
        ),
        "mobilenetv1_100h": EfficientNetConfig(
            block_args=_MOBILENET_V1, num_features=1024, act_layer="relu6"
        ),
        "mobilenetv1_125": EfficientNetConfig(
            block_args=_MOBILENET_V1, num_features=0, channel_multiplier=1.25, act_layer="relu6"
        ),
        "mobilenetv2_035": EfficientNetConfig(
            block_args=_MOBILENET_V2, channel_multiplier=0.35, act_layer="relu6"
        ),
        "mobilenetv2_050": EfficientNetConfig(
            block_args=_MOBILENET_V2, channel_multiplier=0.5, act_layer="relu6"
        ),
        "mobilenetv2_075": EfficientNetConfig(
            block_args=_MOBILENET_V2, channel_multiplier=0.75, act_layer="relu6"
        ),
        "mobilenetv2_100": EfficientNetConfig(block_args=_MOBILENET_V2, act_layer="relu6"),
        "mobilenetv2_110d": EfficientNetConfig(
            block_args=_MOBILENET_V2,
            fix_stem=True,
            channel_multiplier=1.1,
            depth_multiplier=1.2,
            fix_first_last=True,
            act_layer="relu6",
        ),
        "mobilenetv2_120d": EfficientNetConfig(
            block_args=_MOBILENET_V2,
            fix_stem=True,
            channel_multiplier=1.2,
            depth_multiplier=1.4,
            fix_first_last=True,
            act_layer="relu6",
        ),
        "mobilenetv2_140": EfficientNetConfig(
            block_args=_MOBILENET_V2, num_features=1792, channel_multiplier=1.4, act_layer="relu6"
        ),
        "semnasnet_050": EfficientNetConfig(block_args=_SEMNASNET, channel_multiplier=0.5),
        "semnasnet_075": EfficientNetConfig(block_args=_SEMNASNET, channel_multiplier=0.75),
        "semnasnet_100": EfficientNetConfig(block_args=_SEMNASNET),
        "semnasnet_140": EfficientNetConfig(block_args=_SEMNASNET, channel_multiplier=1.4),
        "spnasnet_100": EfficientNetConfig(
            block_args=(
                Blocks(block="separable", out_chs=16, skip=False),
                Blocks(block="mbconv", repeats=3, stride=2, exp_ratio=3, out_chs=24),
                (
                    Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=40),
                    Blocks(block="mbconv", repeats=3, exp_ratio=3, out_chs=40),
                ),
                (
                    Blocks(block="mbconv", kernel_size=5, stride=2, exp_ratio=6, out_chs=80),
                    Blocks(block="mbconv", repeats=3, exp_ratio=3, out_chs=80),
                ),
                (
                    Blocks(block="mbconv", kernel_size=5, exp_ratio=6, out_chs=96),
                    Blocks(block="mbconv", repeats=3, kernel_size=5, exp_ratio=3, out_chs=96),
                ),
                Blocks(
                    block="mbconv", repeats=4, kernel_size=5, stride=2, exp_ratio=6, out_chs=192
                ),
                Blocks(block="mbconv", exp_ratio=6, out_chs=320, skip=False),
            )
        ),
        "test_efficientnet": EfficientNetConfig(
            block_args=_TINY, num_features=256, stem_size=24, round_limit=0.0, act_layer="silu"
        ),
        "test_efficientnet_evos": EfficientNetConfig(
            block_args=_TINY,
            num_features=256,
            stem_size=24,
            round_limit=0.0,
            act_layer="silu",
            norm_layer="evonorms0",
            norm_group_size=8,
        ),
        "test_efficientnet_gn": EfficientNetConfig(
            block_args=_TINY,
            num_features=256,
            stem_size=24,
            round_limit=0.0,
            act_layer="silu",
            norm_layer="groupnorm",
            norm_group_size=8,
        ),
        "test_efficientnet_ln": EfficientNetConfig(
            block_args=_TINY,
            num_features=256,
            stem_size=24,
            round_limit=0.0,
            act_layer="silu",
            norm_layer="layernorm2d",
        ),
        "tf_efficientnet_b0": EfficientNetConfig(
            block_args=_B0, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnet_b1": EfficientNetConfig(
            block_args=_B0, depth_multiplier=1.1, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnet_b2": EfficientNetConfig(
            block_args=_B0,
            num_features=1408,
            channel_multiplier=1.1,
            depth_multiplier=1.2,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_b3": EfficientNetConfig(
            block_args=_B0,
            num_features=1536,
            channel_multiplier=1.2,
            depth_multiplier=1.4,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_b4": EfficientNetConfig(
            block_args=_B0,
            num_features=1792,
            channel_multiplier=1.4,
            depth_multiplier=1.8,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_b5": EfficientNetConfig(
            block_args=_B0,
            num_features=2048,
            channel_multiplier=1.6,
            depth_multiplier=2.2,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_b6": EfficientNetConfig(
            block_args=_B0,
            num_features=2304,
            channel_multiplier=1.8,
            depth_multiplier=2.6,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_b7": EfficientNetConfig(
            block_args=_B0,
            num_features=2560,
            channel_multiplier=2.0,
            depth_multiplier=3.1,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_b8": EfficientNetConfig(
            block_args=_B0,
            num_features=2816,
            channel_multiplier=2.2,
            depth_multiplier=3.6,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_cc_b0_4e": EfficientNetConfig(
            block_args=_CC_4, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnet_cc_b0_8e": EfficientNetConfig(
            block_args=_CC_8, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnet_cc_b1_8e": EfficientNetConfig(
            block_args=_CC_8, depth_multiplier=1.1, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnet_el": EfficientNetConfig(
            block_args=_EDGE,
            num_features=1536,
            channel_multiplier=1.2,
            depth_multiplier=1.4,
            pad_type="same",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_em": EfficientNetConfig(
            block_args=_EDGE, depth_multiplier=1.1, pad_type="same", bn_eps=1e-3
        ),
        "tf_efficientnet_es": EfficientNetConfig(block_args=_EDGE, pad_type="same", bn_eps=1e-3),
        "tf_efficientnet_l2": EfficientNetConfig(
            block_args=_B0,
            num_features=5504,
            channel_multiplier=4.3,
            depth_multiplier=5.3,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_lite0": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            fix_first_last=True,
            pad_type="same",
            act_layer="relu6",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_lite1": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            depth_multiplier=1.1,
            fix_first_last=True,
            pad_type="same",
            act_layer="relu6",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_lite2": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            channel_multiplier=1.1,
            depth_multiplier=1.2,
            fix_first_last=True,
            pad_type="same",
            act_layer="relu6",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_lite3": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            channel_multiplier=1.2,
            depth_multiplier=1.4,
            fix_first_last=True,
            pad_type="same",
            act_layer="relu6",
            bn_eps=1e-3,
        ),
        "tf_efficientnet_lite4": EfficientNetConfig(
            block_args=_LITE,
            fix_stem=True,
            channel_multiplier=1.4,
            depth_multiplier=1.8,
            fix_first_last=True,
            pad_type="same",
            act_layer="relu6",
            bn_eps=1e-3,
        ),
        "tf_efficientnetv2_b0": EfficientNetConfig(
            block_args=_V2_BASE, round_limit=0.0, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnetv2_b1": EfficientNetConfig(
            block_args=_V2_BASE,
            round_limit=0.0,
            depth_multiplier=1.1,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnetv2_b2": EfficientNetConfig(
            block_args=_V2_BASE,
            num_features=1408,
            channel_multiplier=1.1,
            round_limit=0.0,
            depth_multiplier=1.2,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnetv2_b3": EfficientNetConfig(
            block_args=_V2_BASE,
            num_features=1536,
            channel_multiplier=1.2,
            round_limit=0.0,
            depth_multiplier=1.4,
            pad_type="same",
            act_layer="silu",
            bn_eps=1e-3,
        ),
        "tf_efficientnetv2_l": EfficientNetConfig(
            block_args=_V2_L, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnetv2_m": EfficientNetConfig(
            block_args=_V2_M, stem_size=24, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnetv2_s": EfficientNetConfig(
            block_args=_V2_S, stem_size=24, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_efficientnetv2_xl": EfficientNetConfig(
            block_args=_V2_XL, pad_type="same", act_layer="silu", bn_eps=1e-3
        ),
        "tf_mixnet_l": EfficientNetConfig(
            block_args=_MIXNET_M,
            num_features=1536,
            stem_size=24,
            channel_multiplier=1.3,
            pad_type="same",
            bn_eps=1e-3,
        ),
        "tf_mixnet_m": EfficientNetConfig(
            block_args=_MIXNET_M, num_features=1536, stem_size=24, pad_type="same", bn_eps=1e-3
        ),
        "tf_mixnet_s": EfficientNetConfig(
            block_args=_MIXNET_S, num_features=1536, stem_size=16, pad_type="same", bn_eps=1e-3
        ),
        "tinynet_a": EfficientNetConfig(
            block_args=_B0,
            fix_stem=True,
            depth_multiplier=1.2,
            depth_trunc="round",
            act_layer="silu",
        ),
        "tinynet_b": EfficientNetConfig(
            block_args=_B0,
            fix_stem=True,
            channel_multiplier=0.75,
            depth_multiplier=1.1,
            depth_trunc="round",
            act_layer="silu",
        ),
        "tinynet_c": EfficientNetConfig(
            block_args=_B0,
            fix_stem=True,
            channel_multiplier=0.54,
            depth_multiplier=0.85,
            depth_trunc="round",
            act_layer="silu",
        ),
        "tinynet_d": EfficientNetConfig(
            block_args=_B0,
            fix_stem=True,
            channel_multiplier=0.54,
            depth_multiplier=0.695,
            depth_trunc="round",
            act_layer="silu",
        ),
        "tinynet_e": EfficientNetConfig(
            block_args=_B0,
            fix_stem=True,
            channel_multiplier=0.51,
            depth_multiplier=0.602,
            depth_trunc="round",
            act_layer="silu",
        ),
    }
