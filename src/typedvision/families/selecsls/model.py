"""SelecSLS (https://arxiv.org/abs/1907.00837, section 4).

Shapes: N images, C channels in, D channels out, M channels inside, H x W positions, s stride,
K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.selecsls.config import STEM, BlockPlan, SelecSlsConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.init import Initializers, default_initializers, kaiming_normal_fan_out


class SelecSls(PooledModel):
    """A stem, three stages of blocks, four convolutions, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "fc"
    fc: nn.Linear | nn.Identity

    def __init__(self, cfg: SelecSlsConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.head_chs[-1]
        kernels, strides = (3, 3, 3, cfg.head_kernel_size), (2, 1, 2, 1)
        channels = pairwise((cfg.out_chs[-1], *cfg.head_chs))

        self.stem: nn.Sequential = _conv(cfg.in_chans, STEM, 3, stride=2)
        self.features: SelectiveBlocks = SelectiveBlocks(*map(SelectiveBlock, cfg.plan()))
        self.head: nn.Sequential = nn.Sequential(
            *(
                _conv(before, after, kernel_size, stride=stride)
                for (before, after), kernel_size, stride in zip(
                    channels, kernels, strides, strict=True
                )
            )
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 64, W / 64)."""
        return self.head(self.features(self.stem(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 64, W / 64)."""
        x = self.stem(x)
        yield x
        for output, ends in self.features.outputs(x):
            x = output
            if ends:
                yield x
        for number, conv in enumerate(self.head):
            x = conv(x)
            if number % 2 == 1:
                yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, then the convolutions after them."""
        return {"stem": r"^stem", "blocks": r"^features\.(\d+)", "blocks_head": r"^head"}


class SelectiveBlocks(nn.Sequential):
    """Blocks, of which all see the output of the first of their stage."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        for output, _ in self.outputs(input):
            input = output
        return input

    def outputs(self, x: Tensor) -> Iterator[tuple[Tensor, bool]]:
        """The output of each block, and whether it ends a stage."""
        first = x
        for block in self:
            assert isinstance(block, SelectiveBlock)
            if block.first:
                x = first = block(x)
            else:
                x = block(x, first)
            yield x, block.last


class SelectiveBlock(nn.Module):
    """Three 3x3 convolutions in a row, whose outputs a 1x1 one sees, beside the output of the first
    block of the stage (figure 4)."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        width, half = plan.width, plan.width // 2
        self.first: bool = plan.first
        self.last: bool = plan.last
        self.conv1: nn.Sequential = _conv(plan.in_channels, width, 3, stride=2 if plan.first else 1)
        self.conv2: nn.Sequential = _conv(width, width, 1)
        self.conv3: nn.Sequential = _conv(width, half, 3)
        self.conv4: nn.Sequential = _conv(half, width, 1)
        self.conv5: nn.Sequential = _conv(width, half, 3)
        channels = width + 2 * half + (0 if plan.first else width)
        self.conv6: nn.Sequential = _conv(channels, plan.out_channels, 1)

    def forward(self, x: Tensor, *first: Tensor) -> Tensor:
        """(N, C, H, W), and the first block's output (N, M, H, W), to (N, D, H / s, W / s)."""
        y1 = self.conv1(x)
        y2 = self.conv3(self.conv2(y1))
        y3 = self.conv5(self.conv4(y2))
        return self.conv6(torch.cat((y1, y2, y3, *first), dim=1))


def _conv(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        conv2d(in_channels, out_channels, kernel_size, stride=stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
