"""The ResNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.resnet.config import (
    BlockArgs,
    PrunedStage,
    ResNetConfig,
    SelectiveKernelArgs,
)
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.resnet.model import ResNet

SE = BlockArgs(attn_layer="se")
SE_QUARTER = BlockArgs(attn_layer="se", rd_ratio=0.25)
ECA = BlockArgs(attn_layer="eca")


class ResNetFamily(ModelFamily[ResNetConfig, "ResNet"]):
    """Residual networks and their descendants."""

    key = "resnet"
    title = "ResNet"
    paper = "https://arxiv.org/abs/1512.03385"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: ResNetConfig) -> ResNet:
        """The model, not initialised."""
        from typedvision.families.resnet.model import ResNet

        return ResNet(cfg)

    @classmethod
    def parts(cls, cfg: ResNetConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        first = "conv1.0" if cfg.stem_type else "conv1"
        return Parts(first_conv=(first,), classifier=("fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "ecaresnet26t": ResNetConfig(
            block="bottleneck",
            layers=(2, 2, 2, 2),
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
            block_args=ECA,
        ),
        "ecaresnet50d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=ECA,
        ),
        "ecaresnet50d_pruned": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            zero_init_last=False,
            block_args=ECA,
            pruned=(
                PrunedStage(out_channels=19, widths=((47, 18), (52, 22), (64, 35))),
                PrunedStage(out_channels=171, widths=((85, 37), (107, 80), (120, 85), (125, 87))),
                PrunedStage(
                    out_channels=818,
                    widths=((198, 126), (255, 232), (256, 233), (253, 235), (256, 225), (256, 239)),
                ),
                PrunedStage(out_channels=2022, widths=((492, 237), (512, 500), (512, 490))),
            ),
        ),
        "ecaresnet50t": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
            block_args=ECA,
        ),
        "ecaresnet101d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 23, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=ECA,
        ),
        "ecaresnet101d_pruned": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 23, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            zero_init_last=False,
            block_args=ECA,
            pruned=(
                PrunedStage(out_channels=26, widths=((45, 25), (53, 20), (60, 27))),
                PrunedStage(out_channels=142, widths=((81, 24), (93, 49), (102, 54), (122, 78))),
                PrunedStage(
                    out_channels=278,
                    widths=(
                        (101, 25),
                        (239, 160),
                        (234, 156),
                        (250, 176),
                        (253, 191),
                        (251, 175),
                        (230, 128),
                        (244, 154),
                        (244, 159),
                        (238, 97),
                        (244, 149),
                        (253, 181),
                        (245, 119),
                        (255, 216),
                        (256, 201),
                        (253, 149),
                        (254, 141),
                        (256, 190),
                        (256, 217),
                        (255, 156),
                        (256, 155),
                        (256, 232),
                        (256, 214),
                    ),
                ),
                PrunedStage(out_channels=2042, widths=((499, 289), (512, 512), (512, 502))),
            ),
        ),
        "ecaresnet200d": ResNetConfig(
            block="bottleneck",
            layers=(3, 24, 36, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=ECA,
        ),
        "ecaresnet269d": ResNetConfig(
            block="bottleneck",
            layers=(3, 30, 48, 8),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=ECA,
        ),
        "ecaresnetlight": ResNetConfig(
            block="bottleneck", layers=(1, 1, 11, 3), stem_width=32, avg_down=True, block_args=ECA
        ),
        "ecaresnext26t_32x4d": ResNetConfig(
            block="bottleneck",
            layers=(2, 2, 2, 2),
            cardinality=32,
            base_width=4,
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
            block_args=ECA,
        ),
        "ecaresnext50t_32x4d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            cardinality=32,
            base_width=4,
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
            block_args=ECA,
        ),
        "resnet10t": ResNetConfig(
            block="basic",
            layers=(1, 1, 1, 1),
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
        ),
        "resnet14t": ResNetConfig(
            block="bottleneck",
            layers=(1, 1, 1, 1),
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
        ),
        "resnet18": ResNetConfig(block="basic", layers=(2, 2, 2, 2)),
        "resnet18d": ResNetConfig(
            block="basic", layers=(2, 2, 2, 2), stem_width=32, stem_type="deep", avg_down=True
        ),
        "resnet26": ResNetConfig(block="bottleneck", layers=(2, 2, 2, 2)),
        "resnet26d": ResNetConfig(
            block="bottleneck", layers=(2, 2, 2, 2), stem_width=32, stem_type="deep", avg_down=True
        ),
        "resnet26t": ResNetConfig(
            block="bottleneck",
            layers=(2, 2, 2, 2),
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
        ),
        "resnet34": ResNetConfig(block="basic", layers=(3, 4, 6, 3)),
        "resnet34d": ResNetConfig(
            block="basic", layers=(3, 4, 6, 3), stem_width=32, stem_type="deep", avg_down=True
        ),
        "resnet50": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3)),
        "resnet50_gn": ResNetConfig(
            block="bottleneck", layers=(3, 4, 6, 3), norm_layer="groupnorm"
        ),
        "resnet50c": ResNetConfig(
            block="bottleneck", layers=(3, 4, 6, 3), stem_width=32, stem_type="deep"
        ),
        "resnet50d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 6, 3), stem_width=32, stem_type="deep", avg_down=True
        ),
        "resnet50s": ResNetConfig(
            block="bottleneck", layers=(3, 4, 6, 3), stem_width=64, stem_type="deep"
        ),
        "resnet50t": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
        ),
        "resnet101": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3)),
        "resnet101c": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), stem_width=32, stem_type="deep"
        ),
        "resnet101d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), stem_width=32, stem_type="deep", avg_down=True
        ),
        "resnet101s": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), stem_width=64, stem_type="deep"
        ),
        "resnet152": ResNetConfig(block="bottleneck", layers=(3, 8, 36, 3)),
        "resnet152c": ResNetConfig(
            block="bottleneck", layers=(3, 8, 36, 3), stem_width=32, stem_type="deep"
        ),
        "resnet152d": ResNetConfig(
            block="bottleneck", layers=(3, 8, 36, 3), stem_width=32, stem_type="deep", avg_down=True
        ),
        "resnet152s": ResNetConfig(
            block="bottleneck", layers=(3, 8, 36, 3), stem_width=64, stem_type="deep"
        ),
        "resnet200": ResNetConfig(block="bottleneck", layers=(3, 24, 36, 3)),
        "resnet200d": ResNetConfig(
            block="bottleneck",
            layers=(3, 24, 36, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
        ),
        "resnetaa34d": ResNetConfig(
            block="basic",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="avg",
        ),
        "resnetaa50": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3), aa_layer="avg"),
        "resnetaa50d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="avg",
        ),
        "resnetaa101d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 23, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="avg",
        ),
        "resnetblur18": ResNetConfig(block="basic", layers=(2, 2, 2, 2), aa_layer="blur"),
        "resnetblur50": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3), aa_layer="blur"),
        "resnetblur50d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="blur",
        ),
        "resnetblur101d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 23, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="blur",
        ),
        "resnetrs50": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            replace_stem_pool=True,
            avg_down=True,
            block_args=SE_QUARTER,
        ),
        "resnetrs101": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 23, 3),
            stem_width=32,
            stem_type="deep",
            replace_stem_pool=True,
            avg_down=True,
            block_args=SE_QUARTER,
        ),
        "resnetrs152": ResNetConfig(
            block="bottleneck",
            layers=(3, 8, 36, 3),
            stem_width=32,
            stem_type="deep",
            replace_stem_pool=True,
            avg_down=True,
            block_args=SE_QUARTER,
        ),
        "resnetrs200": ResNetConfig(
            block="bottleneck",
            layers=(3, 24, 36, 3),
            stem_width=32,
            stem_type="deep",
            replace_stem_pool=True,
            avg_down=True,
            block_args=SE_QUARTER,
        ),
        "resnetrs270": ResNetConfig(
            block="bottleneck",
            layers=(4, 29, 53, 4),
            stem_width=32,
            stem_type="deep",
            replace_stem_pool=True,
            avg_down=True,
            block_args=SE_QUARTER,
        ),
        "resnetrs350": ResNetConfig(
            block="bottleneck",
            layers=(4, 36, 72, 4),
            stem_width=32,
            stem_type="deep",
            replace_stem_pool=True,
            avg_down=True,
            block_args=SE_QUARTER,
        ),
        "resnetrs420": ResNetConfig(
            block="bottleneck",
            layers=(4, 44, 87, 4),
            stem_width=32,
            stem_type="deep",
            replace_stem_pool=True,
            avg_down=True,
            block_args=SE_QUARTER,
        ),
        "resnext50_32x4d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 6, 3), cardinality=32, base_width=4
        ),
        "resnext50d_32x4d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            cardinality=32,
            base_width=4,
            stem_width=32,
            stem_type="deep",
            avg_down=True,
        ),
        "resnext101_32x4d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=32, base_width=4
        ),
        "resnext101_32x8d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=32, base_width=8
        ),
        "resnext101_32x16d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=32, base_width=16
        ),
        "resnext101_32x32d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=32, base_width=32
        ),
        "resnext101_64x4d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=64, base_width=4
        ),
        "senet154": ResNetConfig(
            block="bottleneck",
            layers=(3, 8, 36, 3),
            cardinality=64,
            base_width=4,
            stem_type="deep",
            down_kernel_size=3,
            block_reduce_first=2,
            block_args=SE,
        ),
        "seresnet18": ResNetConfig(block="basic", layers=(2, 2, 2, 2), block_args=SE),
        "seresnet34": ResNetConfig(block="basic", layers=(3, 4, 6, 3), block_args=SE),
        "seresnet50": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3), block_args=SE),
        "seresnet50t": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
            block_args=SE,
        ),
        "seresnet101": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), block_args=SE),
        "seresnet152": ResNetConfig(block="bottleneck", layers=(3, 8, 36, 3), block_args=SE),
        "seresnet152d": ResNetConfig(
            block="bottleneck",
            layers=(3, 8, 36, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=SE,
        ),
        "seresnet200d": ResNetConfig(
            block="bottleneck",
            layers=(3, 24, 36, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=SE,
        ),
        "seresnet269d": ResNetConfig(
            block="bottleneck",
            layers=(3, 30, 48, 8),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=SE,
        ),
        "seresnetaa50d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="avg",
            block_args=SE,
        ),
        "seresnext26d_32x4d": ResNetConfig(
            block="bottleneck",
            layers=(2, 2, 2, 2),
            cardinality=32,
            base_width=4,
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=SE,
        ),
        "seresnext26t_32x4d": ResNetConfig(
            block="bottleneck",
            layers=(2, 2, 2, 2),
            cardinality=32,
            base_width=4,
            stem_width=32,
            stem_type="deep_tiered",
            avg_down=True,
            block_args=SE,
        ),
        "seresnext50_32x4d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 6, 3), cardinality=32, base_width=4, block_args=SE
        ),
        "seresnext101_32x4d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=32, base_width=4, block_args=SE
        ),
        "seresnext101_32x8d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=32, base_width=8, block_args=SE
        ),
        "seresnext101_64x4d": ResNetConfig(
            block="bottleneck", layers=(3, 4, 23, 3), cardinality=64, base_width=4, block_args=SE
        ),
        "seresnext101d_32x8d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 23, 3),
            cardinality=32,
            base_width=8,
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            block_args=SE,
        ),
        "seresnextaa101d_32x8d": ResNetConfig(
            block="bottleneck",
            layers=(3, 4, 23, 3),
            cardinality=32,
            base_width=8,
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="avg",
            block_args=SE,
        ),
        "seresnextaa201d_32x8d": ResNetConfig(
            block="bottleneck",
            layers=(3, 24, 36, 4),
            cardinality=32,
            base_width=8,
            stem_width=64,
            stem_type="deep",
            avg_down=True,
            aa_layer="avg",
            block_args=SE,
        ),
        "test_resnet": ResNetConfig(
            block=("basic", "basic", "bottleneck", "basic"),
            layers=(1, 1, 1, 1),
            stem_width=16,
            stem_type="deep",
            avg_down=True,
            channels=(32, 48, 48, 96),
        ),
        "wide_resnet50_2": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3), base_width=128),
        "wide_resnet101_2": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), base_width=128),
        "res2net50_14w_8s": ResNetConfig(
            block="bottle2neck", layers=(3, 4, 6, 3), base_width=14, block_args=BlockArgs(scale=8)
        ),
        "res2net50_26w_4s": ResNetConfig(block="bottle2neck", layers=(3, 4, 6, 3), base_width=26),
        "res2net50_26w_6s": ResNetConfig(
            block="bottle2neck", layers=(3, 4, 6, 3), base_width=26, block_args=BlockArgs(scale=6)
        ),
        "res2net50_26w_8s": ResNetConfig(
            block="bottle2neck", layers=(3, 4, 6, 3), base_width=26, block_args=BlockArgs(scale=8)
        ),
        "res2net50_48w_2s": ResNetConfig(
            block="bottle2neck", layers=(3, 4, 6, 3), base_width=48, block_args=BlockArgs(scale=2)
        ),
        "res2net50d": ResNetConfig(
            block="bottle2neck",
            layers=(3, 4, 6, 3),
            base_width=26,
            stem_type="deep",
            avg_down=True,
            stem_width=32,
        ),
        "res2net101_26w_4s": ResNetConfig(block="bottle2neck", layers=(3, 4, 23, 3), base_width=26),
        "res2net101d": ResNetConfig(
            block="bottle2neck",
            layers=(3, 4, 23, 3),
            base_width=26,
            stem_type="deep",
            avg_down=True,
            stem_width=32,
        ),
        "res2next50": ResNetConfig(
            block="bottle2neck", layers=(3, 4, 6, 3), base_width=4, cardinality=8
        ),
        "resnest14d": ResNetConfig(
            block="resnest",
            layers=(1, 1, 1, 1),
            stem_type="deep",
            stem_width=32,
            avg_down=True,
            block_args=BlockArgs(radix=2, avd=True),
        ),
        "resnest26d": ResNetConfig(
            block="resnest",
            layers=(2, 2, 2, 2),
            stem_type="deep",
            stem_width=32,
            avg_down=True,
            block_args=BlockArgs(radix=2, avd=True),
        ),
        "resnest50d": ResNetConfig(
            block="resnest",
            layers=(3, 4, 6, 3),
            stem_type="deep",
            stem_width=32,
            avg_down=True,
            block_args=BlockArgs(radix=2, avd=True),
        ),
        "resnest50d_1s4x24d": ResNetConfig(
            block="resnest",
            layers=(3, 4, 6, 3),
            stem_type="deep",
            stem_width=32,
            avg_down=True,
            base_width=24,
            cardinality=4,
            block_args=BlockArgs(avd=True, avd_first=True),
        ),
        "resnest50d_4s2x40d": ResNetConfig(
            block="resnest",
            layers=(3, 4, 6, 3),
            stem_type="deep",
            stem_width=32,
            avg_down=True,
            base_width=40,
            cardinality=2,
            block_args=BlockArgs(radix=4, avd=True, avd_first=True),
        ),
        "resnest101e": ResNetConfig(
            block="resnest",
            layers=(3, 4, 23, 3),
            stem_type="deep",
            stem_width=64,
            avg_down=True,
            block_args=BlockArgs(radix=2, avd=True),
        ),
        "resnest200e": ResNetConfig(
            block="resnest",
            layers=(3, 24, 36, 3),
            stem_type="deep",
            stem_width=64,
            avg_down=True,
            block_args=BlockArgs(radix=2, avd=True),
        ),
        "resnest269e": ResNetConfig(
            block="resnest",
            layers=(3, 30, 48, 8),
            stem_type="deep",
            stem_width=64,
            avg_down=True,
            block_args=BlockArgs(radix=2, avd=True),
        ),
        "skresnet18": ResNetConfig(
            block="sk_basic",
            layers=(2, 2, 2, 2),
            zero_init_last=False,
            block_args=BlockArgs(sk_kwargs=SelectiveKernelArgs(rd_ratio=0.125, rd_divisor=16)),
        ),
        "skresnet34": ResNetConfig(
            block="sk_basic",
            layers=(3, 4, 6, 3),
            zero_init_last=False,
            block_args=BlockArgs(sk_kwargs=SelectiveKernelArgs(rd_ratio=0.125, rd_divisor=16)),
        ),
        "skresnet50": ResNetConfig(
            block="sk_bottleneck", layers=(3, 4, 6, 3), zero_init_last=False
        ),
        "skresnet50d": ResNetConfig(
            block="sk_bottleneck",
            layers=(3, 4, 6, 3),
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            zero_init_last=False,
        ),
        "skresnext50_32x4d": ResNetConfig(
            block="sk_bottleneck",
            layers=(3, 4, 6, 3),
            cardinality=32,
            base_width=4,
            zero_init_last=False,
            block_args=BlockArgs(sk_kwargs=SelectiveKernelArgs(rd_divisor=32, split_input=False)),
        ),
    }
