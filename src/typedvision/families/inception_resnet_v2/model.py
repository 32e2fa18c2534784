"""Inception-ResNet-v2 (https://arxiv.org/abs/1602.07261, section 3.2).

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.inception_resnet_v2.config import InceptionResnetV2Config
from typedvision.layers.blocks import Blocks
from typedvision.layers.inception import Branches, InceptionConv, pooled_branch, reduction


class InceptionResnetV2(PooledModel):
    """A stem, residual blocks of branches at three resolutions, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "classif"
    classif: nn.Linear | nn.Identity

    def __init__(self, cfg: InceptionResnetV2Config) -> None:
        super().__init__(cfg)
        self.num_features: int = 1536

        self.conv2d_1a: InceptionConv = InceptionConv(cfg, cfg.in_chans, 32, 3, stride=2)
        self.conv2d_2a: InceptionConv = InceptionConv(cfg, 32, 32, 3, padded=False)
        self.conv2d_2b: InceptionConv = InceptionConv(cfg, 32, 64, 3)
        self.maxpool_3a: nn.MaxPool2d = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b: InceptionConv = InceptionConv(cfg, 64, 80, 1)
        self.conv2d_4a: InceptionConv = InceptionConv(cfg, 80, 192, 3, padded=False)
        self.maxpool_5a: nn.MaxPool2d = nn.MaxPool2d(3, stride=2)
        self.mixed_5b: Branches = _mixed_5b(cfg)
        self.repeat: Blocks = Blocks(*(_block35(cfg) for _ in range(10)))
        self.mixed_6a: Branches = reduction(cfg, 320, (256, 256, 384), alone=384)
        self.repeat_1: Blocks = Blocks(*(_block17(cfg) for _ in range(20)))
        self.mixed_7a: Branches = _mixed_7a(cfg)
        self.repeat_2: Blocks = Blocks(*(_block8(cfg, scale=0.2) for _ in range(9)))
        self.block8: ResidualBranches = _block8(cfg, scale=1.0, act=False)
        self.conv2d_7b: InceptionConv = InceptionConv(cfg, 2080, 1536, 1)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        yield x
        x = self.conv2d_4a(self.conv2d_3b(self.maxpool_3a(x)))
        yield x
        x = self.repeat(self.mixed_5b(self.maxpool_5a(x)))
        yield x
        x = self.repeat_1(self.mixed_6a(x))
        yield x
        yield self.conv2d_7b(self.block8(self.repeat_2(self.mixed_7a(x))))

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The two parts of the stem, then each block, and what ends the network."""
        return {
            "stem": r"^conv2d_[12]",
            "stem_2": r"^conv2d_[34]",
            "mixed_5b": r"^mixed_5b",
            "repeat": r"^repeat\.(\d+)",
            "mixed_6a": r"^mixed_6a",
            "repeat_1": r"^repeat_1\.(\d+)",
            "mixed_7a": r"^mixed_7a",
            "repeat_2": r"^repeat_2\.(\d+)",
            "end": r"^block8|^conv2d_7b",
        }


class ResidualBranches(Branches):
    """Branches, a 1x1 convolution that joins them, scaled, and a shortcut.

    Args:
        channels: C.
        width: channels of all branches.
        scale: factor of what is added (section 3.3).
        act: whether a ReLU follows.
        branches: the branches.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        scale: float,
        *branches: nn.Module,
        act: bool = True,
    ) -> None:
        super().__init__(*branches)
        self.scale: float = scale
        self.conv2d: nn.Conv2d = nn.Conv2d(width, channels, 1)
        self.act: nn.Module = nn.ReLU() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.act(x + self.scale * self.conv2d(super().forward(x)))


def _mixed_5b(cfg: InceptionResnetV2Config) -> Branches:
    """1x1, 5x5 and two 3x3 convolutions, and an average."""
    return Branches(
        InceptionConv(cfg, 192, 96, 1),
        nn.Sequential(InceptionConv(cfg, 192, 48, 1), InceptionConv(cfg, 48, 64, 5)),
        nn.Sequential(
            InceptionConv(cfg, 192, 64, 1),
            InceptionConv(cfg, 64, 96, 3),
            InceptionConv(cfg, 96, 96, 3),
        ),
        pooled_branch(cfg, 192, 64),
    )


def _block35(cfg: InceptionResnetV2Config) -> ResidualBranches:
    """1x1, 3x3 and two 3x3 convolutions (figure 16)."""
    return ResidualBranches(
        320,
        128,
        0.17,
        InceptionConv(cfg, 320, 32, 1),
        nn.Sequential(InceptionConv(cfg, 320, 32, 1), InceptionConv(cfg, 32, 32, 3)),
        nn.Sequential(
            InceptionConv(cfg, 320, 32, 1),
            InceptionConv(cfg, 32, 48, 3),
            InceptionConv(cfg, 48, 64, 3),
        ),
    )


def _block17(cfg: InceptionResnetV2Config) -> ResidualBranches:
    """A 1x1 convolution, and a 7x7 one as a row and a column (figure 17)."""
    return ResidualBranches(
        1088,
        384,
        0.1,
        InceptionConv(cfg, 1088, 192, 1),
        nn.Sequential(
            InceptionConv(cfg, 1088, 128, 1),
            InceptionConv(cfg, 128, 160, (1, 7)),
            InceptionConv(cfg, 160, 192, (7, 1)),
        ),
    )


def _mixed_7a(cfg: InceptionResnetV2Config) -> Branches:
    """Halves the map (figure 18)."""
    return Branches(
        nn.Sequential(InceptionConv(cfg, 1088, 256, 1), InceptionConv(cfg, 256, 384, 3, stride=2)),
        nn.Sequential(InceptionConv(cfg, 1088, 256, 1), InceptionConv(cfg, 256, 288, 3, stride=2)),
        nn.Sequential(
            InceptionConv(cfg, 1088, 256, 1),
            InceptionConv(cfg, 256, 288, 3),
            InceptionConv(cfg, 288, 320, 3, stride=2),
        ),
        nn.MaxPool2d(3, stride=2),
    )


def _block8(cfg: InceptionResnetV2Config, scale: float, *, act: bool = True) -> ResidualBranches:
    """A 1x1 convolution, and a 3x3 one as a row and a column (figure 19)."""
    return ResidualBranches(
        2080,
        448,
        scale,
        InceptionConv(cfg, 2080, 192, 1),
        nn.Sequential(
            InceptionConv(cfg, 2080, 192, 1),
            InceptionConv(cfg, 192, 224, (1, 3)),
            InceptionConv(cfg, 224, 256, (3, 1)),
        ),
        act=act,
    )
