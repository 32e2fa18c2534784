"""Xception (https://arxiv.org/abs/1610.02357, figure 5).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.xception.config import XceptionConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import Initializers, default_initializers, kaiming_normal_fan_out

BLOCKS = range(1, 13)
LEVEL_BLOCKS = (2, 3, 12)
"""The blocks whose first activation gives a feature level."""


class Xception(PooledModel):
    """Two convolutions, twelve residual blocks and two convolutions, pooling and a linear
    classifier."""

    classifier_name: ClassVar[str] = "fc"
    fc: nn.Linear | nn.Identity

    folds: ClassVar[Pairs] = (
        ("conv1", "bn1"),
        ("conv2", "bn2"),
        ("conv3.pointwise", "bn3"),
        ("conv4.pointwise", "bn4"),
    )

    def __init__(self, cfg: XceptionConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = 2048

        self.conv1: nn.Conv2d = nn.Conv2d(cfg.in_chans, 32, 3, stride=2, bias=False)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(32)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(64)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.block1: XceptionBlock = XceptionBlock(64, (128, 128), stride=2, opens=False)
        self.block2: XceptionBlock = XceptionBlock(128, (256, 256), stride=2)
        self.block3: XceptionBlock = XceptionBlock(256, (728, 728), stride=2)
        for number in BLOCKS[3:-1]:
            self.add_module(f"block{number}", XceptionBlock(728, (728, 728, 728)))
        self.block12: XceptionBlock = XceptionBlock(728, (728, 1024), stride=2)
        self.conv3: SeparableConv2d = SeparableConv2d(1024, 1536)
        self.bn3: nn.BatchNorm2d = nn.BatchNorm2d(1536)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)
        self.conv4: SeparableConv2d = SeparableConv2d(1536, 2048)
        self.bn4: nn.BatchNorm2d = nn.BatchNorm2d(2048)
        self.act4: nn.ReLU = nn.ReLU(inplace=True)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        x = self._stem(x)
        for number in BLOCKS:
            x = self._block(number)(x)
        return self._end(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self._stem(x)
        yield x
        for number in BLOCKS:
            block = self._block(number)
            if number in LEVEL_BLOCKS:
                yield block.rep[0](x)
            x = block(x)
        yield self._end(x)

    def _stem(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(x)))

    def _end(self, x: Tensor) -> Tensor:
        x = self.act3(self.bn3(self.conv3(x)))
        return self.act4(self.bn4(self.conv4(x)))

    def _block(self, number: int) -> XceptionBlock:
        block: XceptionBlock = getattr(self, f"block{number}")
        return block

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The shortcut of the block in which the level lies."""
        block, _, inside = level.partition(".")
        return (f"{block}.skip", f"{block}.skipbn") if inside else ()

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out."""
        if isinstance(module, nn.Conv2d):
            return {"weight": kaiming_normal_fan_out()}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The first convolutions, each block, and the last convolutions."""
        return {
            "stem": r"^conv[12]|bn[12]",
            "blocks": [(r"^block(\d+)", None), (r"^conv[34]|bn[34]", (99,))],
        }


class XceptionBlock(nn.Module):
    """Separable convolutions, each after a ReLU, and a pooling, beside a shortcut.

    Args:
        in_channels: C.
        widths: output channels of each convolution; of the last one D.
        stride: input positions for each output position, s.
        opens: whether there is a ReLU before the first convolution.
    """

    folds: ClassVar[Pairs] = (
        ("skip", "skipbn"),
        *((f"rep.{index}.pointwise", f"rep.{index + 1}") for index in range(8)),
    )

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], *, stride: int = 1, opens: bool = True
    ) -> None:
        super().__init__()
        self.skip: nn.Module = nn.Identity()
        self.skipbn: nn.Module = nn.Identity()
        if stride > 1:
            self.skip = nn.Conv2d(in_channels, widths[-1], 1, stride=stride, bias=False)
            self.skipbn = nn.BatchNorm2d(widths[-1])
        layers: list[nn.Module] = []
        for width in widths:
            layers += [
                nn.ReLU(inplace=bool(layers)),  # the shortcut needs the block's input
                SeparableConv2d(in_channels, width),
                nn.BatchNorm2d(width),
            ]
            in_channels = width
        pool = [nn.MaxPool2d(3, stride=stride, padding=1)] if stride > 1 else []
        self.rep: nn.Sequential = nn.Sequential(*layers[0 if opens else 1 :], *pool)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.rep(x) + self.skipbn(self.skip(x))


class SeparableConv2d(nn.Module):
    """A depthwise 3x3 convolution and a 1x1 one."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = conv2d(in_channels, in_channels, 3, groups=in_channels)
        self.pointwise: nn.Conv2d = conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        return self.pointwise(self.conv1(x))
