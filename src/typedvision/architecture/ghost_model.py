"""`GhostModel`, the abstract base of networks of ghost bottlenecks.

Shapes: N images, C channels in, D channels out, H x W positions.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.pooled_conv_model import PooledConvModel
from typedvision.config.base import ModelConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs


class GhostModel(PooledConvModel, ABC):
    """A stem, stages of bottlenecks, pooling, a pointwise convolution and a linear classifier
    (https://arxiv.org/abs/1911.11907, table 7).

    Args:
        cfg: the model's config.
        stem_channels: channels of the stem's map.
        levels: the stages whose map is a feature level.
    """

    folds: ClassVar[Pairs] = (("conv_stem", "bn1"),)

    blocks: nn.Sequential
    """The stages; the last is a pointwise convolution."""
    act2: nn.ReLU
    """The activation behind the head's convolution."""

    def __init__(self, cfg: ModelConfig, stem_channels: int, levels: tuple[int, ...]) -> None:
        super().__init__(cfg)
        self.levels: tuple[int, ...] = levels
        self.conv_stem: nn.Conv2d = conv2d(cfg.in_chans, stem_channels, 3, stride=2)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(stem_channels)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.blocks(self.act1(self.bn1(self.conv_stem(x))))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to the map of the stem's convolution, and of each stage that subsamples."""
        x = self.conv_stem(x)
        yield x
        x = self.act1(self.bn1(x))
        for index in range(self.levels[-1] + 1):
            x = self.blocks[index](x)
            if index in self.levels:
                yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The stages past the last one that subsamples."""
        return self.blocks[self.levels[-1] + 1 :](x)

    def _hidden(self, x: Tensor) -> Tensor:
        """The head's convolution, and its activation."""
        return self.act2(self.conv_head(x))

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; the head's convolution belongs to the last."""
        block = r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)"
        return {"stem": r"^conv_stem|bn1", "blocks": [(block, None), ("conv_head", LAST_GROUP)]}


def ghost_shortcut(
    in_channels: int, out_channels: int, kernel_size: int, stride: int
) -> nn.Sequential:
    """A depthwise and a pointwise convolution, (N, C, H, W) to (N, D, H / s, W / s); nothing where
    the shape stays."""
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    return nn.Sequential(
        conv2d(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels),
        nn.BatchNorm2d(in_channels),
        conv2d(in_channels, out_channels, 1),
        nn.BatchNorm2d(out_channels),
    )
