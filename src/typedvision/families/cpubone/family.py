"""The CPUBone family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.cpubone.config import CPUBoneConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.cpubone.model import CPUBone


class CPUBoneFamily(ModelFamily[CPUBoneConfig, "CPUBone"]):
    """CPUBone, a LowFormer for CPUs."""

    key = "cpubone"
    title = "CPUBone"
    paper = "https://arxiv.org/abs/2603.26425"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", global_pool=("", "avg"))

    @classmethod
    def build(cls, cfg: CPUBoneConfig) -> CPUBone:
        """The model, not initialised."""
        from typedvision.families.cpubone.model import CPUBone

        return CPUBone(cfg)

    @classmethod
    def parts(cls, cfg: CPUBoneConfig) -> Parts:
        """The stem's convolution, and the classifier."""
        classifier = "head.classifier.linear" if cfg.num_classes else "head.classifier"
        return Parts(first_conv=("stem.0.conv",), classifier=(classifier,))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "cpubone_b0_bfrobust": CPUBoneConfig(
            width_list=(16, 32, 64, 128, 256),
            depth_list=(0, 1, 1, 3, 4),
            local_mbconv_norm="all",
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_b1_bfrobust": CPUBoneConfig(
            width_list=(16, 32, 64, 128, 256),
            depth_list=(0, 1, 1, 5, 5),
            downsample_expand_ratios=(6, 6, 6, 6),
            local_mbconv_norm="all",
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_b1_dwnorm": CPUBoneConfig(
            width_list=(16, 32, 64, 128, 256),
            depth_list=(0, 1, 1, 5, 5),
            downsample_expand_ratios=(6, 6, 6, 6),
            local_mbconv_norm="depth_proj",
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_b2_bfrobust": CPUBoneConfig(
            width_list=(20, 40, 80, 160, 320),
            depth_list=(0, 1, 1, 6, 6),
            head_widths=(2304, 2560),
            downsample_expand_ratios=(6, 6, 6, 6),
            drop_path_rate=0.1,
            local_mbconv_norm="all",
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_b2pt5_dwnorm": CPUBoneConfig(
            width_list=(24, 48, 96, 192, 384),
            depth_list=(0, 1, 1, 6, 6),
            head_widths=(2304, 2560),
            downsample_expand_ratios=(6, 6, 6, 6),
            local_mbconv_norm="depth_proj",
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_b3": CPUBoneConfig(
            width_list=(32, 64, 128, 256, 512),
            depth_list=(1, 2, 3, 6, 6),
            stem_expand_ratio=4,
            downsample_expand_ratios=(6, 6, 6, 6),
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_nano": CPUBoneConfig(
            width_list=(12, 24, 48, 96, 192),
            depth_list=(0, 1, 1, 1, 2),
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_s0": CPUBoneConfig(
            width_list=(14, 28, 56, 112, 224),
            depth_list=(0, 1, 1, 2, 3),
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
        "cpubone_t0": CPUBoneConfig(
            width_list=(12, 24, 48, 96, 192),
            depth_list=(0, 1, 1, 2, 3),
            fused_conv=True,
            fused_downsample=True,
            attn_mlp_ratio=4,
            expand_groups=2,
            small_kernels=True,
            attn_upsample="nearest",
        ),
    }
