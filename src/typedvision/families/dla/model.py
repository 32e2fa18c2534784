"""DLA (https://arxiv.org/abs/1707.06484).

Shapes: N images, C channels in, D channels out, M channels inside, H x W positions, s stride,
K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel, check_multiple
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.families.dla.config import BlockPlan, DLAConfig, TreePlan
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import conv_classifier
from typedvision.layers.init import Initializers, default_initializers, kaiming_normal_fan_out
from typedvision.layers.pool import GlobalPool, pooled_features

torch.fx.wrap("check_multiple")  # looks at sizes, which a symbolic trace cannot

PARTS = 4
"""Parts of the hierarchy in a Res2Net block (its scale s)."""


class DLA(ImageModel):
    """Two levels of convolutions, four of trees, pooling and a classifier."""

    level2: Tree
    level3: Tree
    level4: Tree
    level5: Tree

    def __init__(self, cfg: DLAConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.channels[-1]

        first, second = cfg.channels[:2]
        self.base_layer: nn.Sequential = _convs(cfg.in_chans, first, 1, kernel_size=7)
        self.level0: nn.Sequential = _convs(first, first, cfg.levels[0])
        self.level1: nn.Sequential = _convs(first, second, cfg.levels[1], stride=2)
        self.level2, self.level3, self.level4, self.level5 = (Tree(cfg, t) for t in cfg.plan())
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _check_size(self, x: Tensor, level: FeatureSpec) -> None:
        """Refuse images (N, C, H, W) of which a tree would halve a map of odd height or width:
        its pooling rounds down, its convolution up."""
        check_multiple(x, level.stride, rounded=2)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H, W), (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.level0(self.base_layer(x))
        yield x
        x = self.level1(x)
        yield x
        for level in self._trees():
            x = level(x)
            yield x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        x = self.head_drop(self.global_pool(x))
        if pre_logits:
            return x
        return self.fc(x[:, :, None, None]).flatten(1) if self.global_pool.kind else self.fc(x)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.fc: nn.Conv2d | nn.Identity = conv_classifier(self.head_hidden_size, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each half of a level, and its root; or each level."""
        if coarse:
            return {"stem": r"^base_layer", "blocks": r"^level(\d+)"}
        return {
            "stem": r"^base_layer",
            "blocks": [
                (r"^level(\d+)\.tree(\d+)", None),
                (r"^level(\d+)\.root", (2,)),
                (r"^level(\d+)", (1,)),
            ],
        }

    def _trees(self) -> Iterator[Tree]:
        yield self.level2
        yield self.level3
        yield self.level4
        yield self.level5


class Tree(nn.Module):
    """Two blocks and a root, or two smaller trees (figure 3f): the first tree has a root of its
    own, and the root of the second sees the first tree's output, too."""

    def __init__(self, cfg: DLAConfig, plan: TreePlan) -> None:
        super().__init__()
        self.keeps_input: bool = plan.keeps_input
        self.downsample: nn.Module = nn.MaxPool2d(2) if plan.stride > 1 else nn.Identity()
        self.project: nn.Module = nn.Identity()
        if plan.project:
            conv = conv2d(plan.in_channels, plan.out_channels, 1)
            self.project = nn.Sequential(conv, nn.BatchNorm2d(plan.out_channels))
        self.tree1: nn.Module = _half(cfg, plan.first)
        self.tree2: nn.Module = _half(cfg, plan.second)
        self.root: Root | None = None
        if plan.root_channels is not None:
            self.root = Root(plan.root_channels, plan.out_channels, cfg.shortcut_root)

    def forward(self, x: Tensor, *maps: Tensor) -> Tensor:
        """(N, C, H, W), and maps of earlier trees (N, M, H / s, W / s) that the root sees, to
        (N, D, H / s, W / s)."""
        small = self.downsample(x) if self.root or self.keeps_input else x
        if self.keeps_input:
            maps = (*maps, small)
        if self.root is None:
            first = self.tree1(x)
            return self.tree2(first, *maps, first)
        first = self.tree1(x, self.project(small))
        second = self.tree2(first, first)
        return self.root(second, first, *maps)


class Root(nn.Module):
    """A 1x1 convolution of all maps that it sees, with a shortcut from the last block."""

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    def __init__(self, in_channels: int, out_channels: int, shortcut: bool) -> None:
        super().__init__()
        self.shortcut: bool = shortcut
        self.conv: nn.Conv2d = conv2d(in_channels, out_channels, 1)
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)
        self.relu: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps (N, M, H, W), the last block's first, to (N, D, H, W)."""
        x = self.bn(self.conv(torch.cat(maps, dim=1)))
        return self.relu(x + maps[0] if self.shortcut else x)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"))

    def __init__(self, cfg: DLAConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, plan.out_channels, 3, stride=plan.stride)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(plan.out_channels)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(plan.out_channels, plan.out_channels, 3)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(plan.out_channels)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """(N, C, H, W), and the shortcut (N, D, H / s, W / s), to the shortcut's shape."""
        x = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions; the 3x3 one subsamples."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))

    def __init__(self, cfg: DLAConfig, plan: BlockPlan) -> None:
        super().__init__()
        width = plan.width
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, width, 1)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(width, width, 3, stride=plan.stride, groups=cfg.cardinality)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.conv3: nn.Conv2d = conv2d(width, plan.out_channels, 1)
        self.bn3: nn.BatchNorm2d = nn.BatchNorm2d(plan.out_channels)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """(N, C, H, W), and the shortcut (N, D, H / s, W / s), to the shortcut's shape."""
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))
        return self.act3(self.bn3(self.conv3(x)) + shortcut)


class Res2Bottleneck(nn.Module):
    """A bottleneck whose 3x3 convolutions see one part of the channels each, and what comes from
    the part before (https://arxiv.org/abs/1904.01169, figure 2b)."""

    folds: ClassVar[Pairs] = (
        ("conv1", "bn1"),
        *((f"convs.{part}", f"bns.{part}") for part in range(8)),
        ("conv3", "bn3"),
    )

    def __init__(self, cfg: DLAConfig, plan: BlockPlan) -> None:
        super().__init__()
        width = plan.width
        self.subsamples: bool = plan.stride > 1
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, PARTS * width, 1)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(PARTS * width)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        convs = (
            conv2d(width, width, 3, stride=plan.stride, groups=cfg.cardinality)
            for _ in range(PARTS - 1)
        )
        self.convs: nn.ModuleList = nn.ModuleList(convs)
        self.bns: nn.ModuleList = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(PARTS - 1))
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.pool: nn.Module = nn.Identity()
        if self.subsamples:
            self.pool = nn.AvgPool2d(3, stride=plan.stride, padding=1)
        self.conv3: nn.Conv2d = conv2d(PARTS * width, plan.out_channels, 1)
        self.bn3: nn.BatchNorm2d = nn.BatchNorm2d(plan.out_channels)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """(N, C, H, W), and the shortcut (N, D, H / s, W / s), to the shortcut's shape."""
        *parts, last = self.act1(self.bn1(self.conv1(x))).chunk(PARTS, dim=1)
        outputs: list[Tensor] = []
        for part, conv, bn in zip(parts, self.convs, self.bns, strict=True):
            if outputs and not self.subsamples:
                part = part + outputs[-1]
            outputs.append(self.act2(bn(conv(part))))
        x = torch.cat((*outputs, self.pool(last)), dim=1)
        return self.act3(self.bn3(self.conv3(x)) + shortcut)


_BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck, "bottle2neck": Res2Bottleneck}


def _half(cfg: DLAConfig, plan: TreePlan | BlockPlan) -> nn.Module:
    """Half of a tree: a smaller tree, or a block."""
    return Tree(cfg, plan) if isinstance(plan, TreePlan) else _BLOCKS[cfg.block](cfg, plan)


def _convs(
    in_channels: int, out_channels: int, depth: int, *, kernel_size: int = 3, stride: int = 1
) -> nn.Sequential:
    """Convolutions, each normalised, of which the first subsamples."""
    layers: list[nn.Module] = []
    for number in range(depth):
        before = in_channels if number == 0 else out_channels
        conv = conv2d(before, out_channels, kernel_size, stride=stride if number == 0 else 1)
        layers += [conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
