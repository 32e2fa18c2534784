"""The PP-HGNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.hgnet.config import HGNetConfig, HGStage
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.hgnet.model import HighPerfGpuNet


class HGNetFamily(ModelFamily[HGNetConfig, "HighPerfGpuNet"]):
    """High-performance networks for GPUs."""

    key = "hgnet"
    title = "PP-HGNet"
    paper = "https://github.com/PaddlePaddle/PaddleClas"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: HGNetConfig) -> HighPerfGpuNet:
        """The model, not initialised."""
        from typedvision.families.hgnet.model import HighPerfGpuNet

        return HighPerfGpuNet(cfg)

    @classmethod
    def parts(cls, cfg: HGNetConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        first = "stem.stem.0.conv" if cfg.stem_type == "v1" else "stem.stem1.conv"
        return Parts(first_conv=(first,), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "hgnet_base": HGNetConfig(
            stem_type="v1",
            stem_chs=(96, 96, 160),
            stages=(
                HGStage(mid_chs=192, out_chs=320, blocks=1, layers=7),
                HGStage(mid_chs=224, out_chs=640, blocks=2, layers=7),
                HGStage(mid_chs=256, out_chs=960, blocks=3, layers=7),
                HGStage(mid_chs=288, out_chs=1280, blocks=2, layers=7),
            ),
        ),
        "hgnet_small": HGNetConfig(
            stem_type="v1",
            stem_chs=(64, 64, 128),
            stages=(
                HGStage(mid_chs=128, out_chs=256, blocks=1, layers=6),
                HGStage(mid_chs=160, out_chs=512, blocks=1, layers=6),
                HGStage(mid_chs=192, out_chs=768, blocks=2, layers=6),
                HGStage(mid_chs=224, out_chs=1024, blocks=1, layers=6),
            ),
        ),
        "hgnet_tiny": HGNetConfig(
            stem_type="v1",
            stem_chs=(48, 48, 96),
            stages=(
                HGStage(mid_chs=96, out_chs=224, blocks=1, layers=5),
                HGStage(mid_chs=128, out_chs=448, blocks=1, layers=5),
                HGStage(mid_chs=160, out_chs=512, blocks=2, layers=5),
                HGStage(mid_chs=192, out_chs=768, blocks=1, layers=5),
            ),
        ),
        "hgnetv2_b0": HGNetConfig(
            stem_type="v2",
            stem_chs=(16, 16),
            stages=(
                HGStage(mid_chs=16, out_chs=64, blocks=1, layers=3),
                HGStage(mid_chs=32, out_chs=256, blocks=1, layers=3),
                HGStage(mid_chs=64, out_chs=512, blocks=2, layers=3, kernel_size=5, light=True),
                HGStage(mid_chs=128, out_chs=1024, blocks=1, layers=3, kernel_size=5, light=True),
            ),
            use_lab=True,
        ),
        "hgnetv2_b1": HGNetConfig(
            stem_type="v2",
            stem_chs=(24, 32),
            stages=(
                HGStage(mid_chs=32, out_chs=64, blocks=1, layers=3),
                HGStage(mid_chs=48, out_chs=256, blocks=1, layers=3),
                HGStage(mid_chs=96, out_chs=512, blocks=2, layers=3, kernel_size=5, light=True),
                HGStage(mid_chs=192, out_chs=1024, blocks=1, layers=3, kernel_size=5, light=True),
            ),
            use_lab=True,
        ),
        "hgnetv2_b2": HGNetConfig(
            stem_type="v2",
            stem_chs=(24, 32),
            stages=(
                HGStage(mid_chs=32, out_chs=96, blocks=1, layers=4),
                HGStage(mid_chs=64, out_chs=384, blocks=1, layers=4),
                HGStage(mid_chs=128, out_chs=768, blocks=3, layers=4, kernel_size=5, light=True),
                HGStage(mid_chs=256, out_chs=1536, blocks=1, layers=4, kernel_size=5, light=True),
            ),
            use_lab=True,
        ),
        "hgnetv2_b3": HGNetConfig(
            stem_type="v2",
            stem_chs=(24, 32),
            stages=(
                HGStage(mid_chs=32, out_chs=128, blocks=1, layers=5),
                HGStage(mid_chs=64, out_chs=512, blocks=1, layers=5),
                HGStage(mid_chs=128, out_chs=1024, blocks=3, layers=5, kernel_size=5, light=True),
                HGStage(mid_chs=256, out_chs=2048, blocks=1, layers=5, kernel_size=5, light=True),
            ),
            use_lab=True,
        ),
        "hgnetv2_b4": HGNetConfig(
            stem_type="v2",
            stem_chs=(32, 48),
            stages=(
                HGStage(mid_chs=48, out_chs=128, blocks=1, layers=6),
                HGStage(mid_chs=96, out_chs=512, blocks=1, layers=6),
                HGStage(mid_chs=192, out_chs=1024, blocks=3, layers=6, kernel_size=5, light=True),
                HGStage(mid_chs=384, out_chs=2048, blocks=1, layers=6, kernel_size=5, light=True),
            ),
        ),
        "hgnetv2_b5": HGNetConfig(
            stem_type="v2",
            stem_chs=(32, 64),
            stages=(
                HGStage(mid_chs=64, out_chs=128, blocks=1, layers=6),
                HGStage(mid_chs=128, out_chs=512, blocks=2, layers=6),
                HGStage(mid_chs=256, out_chs=1024, blocks=5, layers=6, kernel_size=5, light=True),
                HGStage(mid_chs=512, out_chs=2048, blocks=2, layers=6, kernel_size=5, light=True),
            ),
        ),
        "hgnetv2_b6": HGNetConfig(
            stem_type="v2",
            stem_chs=(48, 96),
            stages=(
                HGStage(mid_chs=96, out_chs=192, blocks=2, layers=6),
                HGStage(mid_chs=192, out_chs=512, blocks=3, layers=6),
                HGStage(mid_chs=384, out_chs=1024, blocks=6, layers=6, kernel_size=5, light=True),
                HGStage(mid_chs=768, out_chs=2048, blocks=3, layers=6, kernel_size=5, light=True),
            ),
        ),
    }
