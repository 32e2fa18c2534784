"""Inception-v4 (https://arxiv.org/abs/1602.07261, figure 9).

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.inception_v4.config import InceptionV4Config
from typedvision.layers.blocks import Blocks
from typedvision.layers.inception import Branches, InceptionConv, pooled_branch, reduction

ROW, COLUMN = (1, 7), (7, 1)


class InceptionV4(PooledModel):
    """A stem, blocks of branches at three resolutions, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "last_linear"
    last_linear: nn.Linear | nn.Identity

    def __init__(self, cfg: InceptionV4Config) -> None:
        super().__init__(cfg)
        self.num_features: int = 1536
        self.level_ends: tuple[int, ...] = tuple(
            int(level.name.removeprefix("features.")) for level in cfg.features()
        )

        self.features: Blocks = Blocks(
            InceptionConv(cfg, cfg.in_chans, 32, 3, stride=2),
            InceptionConv(cfg, 32, 32, 3, padded=False),
            InceptionConv(cfg, 32, 64, 3),
            StemReduction(nn.MaxPool2d(3, stride=2), InceptionConv(cfg, 64, 96, 3, stride=2)),
            _stem_branches(cfg),
            StemReduction(InceptionConv(cfg, 192, 192, 3, stride=2), nn.MaxPool2d(3, stride=2)),
            *(_inception_a(cfg) for _ in range(4)),
            reduction(cfg, 384, (192, 224, 256), alone=384),
            *(_inception_b(cfg) for _ in range(7)),
            _reduction_b(cfg),
            *(InceptionC(cfg) for _ in range(3)),
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        self._check_size(x, self.feature_info[-1])
        return self.features(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        for index, output in enumerate(self.features.outputs(x)):
            if index in self.level_ends:
                yield output

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem's first convolutions, then each block."""
        return {"stem": r"^features\.[012]\.", "blocks": r"^features\.(\d+)"}


class StemReduction(nn.Module):
    """Halves the map by a pooling and by a convolution, and joins both (figure 3)."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        for layer in (first, second):
            self.add_module("maxpool" if isinstance(layer, nn.MaxPool2d) else "conv", layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return torch.cat([layer(x) for layer in self.children()], dim=1)


def _stem_branches(cfg: InceptionV4Config) -> Branches:
    """Unpadded 3x3 convolutions, one after a 7x7 one as a row and a column (figure 3)."""
    return Branches(
        nn.Sequential(
            InceptionConv(cfg, 160, 64, 1),
            InceptionConv(cfg, 64, 96, 3, padded=False),
        ),
        nn.Sequential(
            InceptionConv(cfg, 160, 64, 1),
            InceptionConv(cfg, 64, 64, ROW),
            InceptionConv(cfg, 64, 64, COLUMN),
            InceptionConv(cfg, 64, 96, 3, padded=False),
        ),
    )


def _inception_a(cfg: InceptionV4Config) -> Branches:
    """1x1, 3x3 and two 3x3 convolutions, and an average (figure 4)."""
    return Branches(
        InceptionConv(cfg, 384, 96, 1),
        nn.Sequential(InceptionConv(cfg, 384, 64, 1), InceptionConv(cfg, 64, 96, 3)),
        nn.Sequential(
            InceptionConv(cfg, 384, 64, 1),
            InceptionConv(cfg, 64, 96, 3),
            InceptionConv(cfg, 96, 96, 3),
        ),
        pooled_branch(cfg, 384, 96),
    )


def _inception_b(cfg: InceptionV4Config) -> Branches:
    """A 1x1 convolution, one 7x7 and two 7x7 as rows and columns, and an average (figure 5)."""
    return Branches(
        InceptionConv(cfg, 1024, 384, 1),
        nn.Sequential(
            InceptionConv(cfg, 1024, 192, 1),
            InceptionConv(cfg, 192, 224, ROW),
            InceptionConv(cfg, 224, 256, COLUMN),
        ),
        nn.Sequential(
            InceptionConv(cfg, 1024, 192, 1),
            InceptionConv(cfg, 192, 192, COLUMN),
            InceptionConv(cfg, 192, 224, ROW),
            InceptionConv(cfg, 224, 224, COLUMN),
            InceptionConv(cfg, 224, 256, ROW),
        ),
        pooled_branch(cfg, 1024, 128),
    )


def _reduction_b(cfg: InceptionV4Config) -> Branches:
    """Halves the map (figure 8)."""
    return Branches(
        nn.Sequential(
            InceptionConv(cfg, 1024, 192, 1),
            InceptionConv(cfg, 192, 192, 3, stride=2),
        ),
        nn.Sequential(
            InceptionConv(cfg, 1024, 256, 1),
            InceptionConv(cfg, 256, 256, ROW),
            InceptionConv(cfg, 256, 320, COLUMN),
            InceptionConv(cfg, 320, 320, 3, stride=2),
        ),
        nn.MaxPool2d(3, stride=2),
    )


class InceptionC(nn.Module):
    """A 1x1 convolution, two branches that end in a row beside a column, and an average
    (figure 6)."""

    def __init__(self, cfg: InceptionV4Config) -> None:
        super().__init__()
        row, column = (1, 3), (3, 1)
        self.branch0: InceptionConv = InceptionConv(cfg, 1536, 256, 1)
        self.branch1_0: InceptionConv = InceptionConv(cfg, 1536, 384, 1)
        self.branch1_1a: InceptionConv = InceptionConv(cfg, 384, 256, row)
        self.branch1_1b: InceptionConv = InceptionConv(cfg, 384, 256, column)
        self.branch2_0: InceptionConv = InceptionConv(cfg, 1536, 384, 1)
        self.branch2_1: InceptionConv = InceptionConv(cfg, 384, 448, column)
        self.branch2_2: InceptionConv = InceptionConv(cfg, 448, 512, row)
        self.branch2_3a: InceptionConv = InceptionConv(cfg, 512, 256, row)
        self.branch2_3b: InceptionConv = InceptionConv(cfg, 512, 256, column)
        self.branch3: nn.Sequential = pooled_branch(cfg, 1536, 256)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1536, H, W) to the same shape."""
        one = self.branch1_0(x)
        two = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        parts = (
            self.branch0(x),
            self.branch1_1a(one),
            self.branch1_1b(one),
            self.branch2_3a(two),
            self.branch2_3b(two),
            self.branch3(x),
        )
        return torch.cat(parts, dim=1)
