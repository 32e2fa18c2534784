"""HRNet (https://arxiv.org/abs/1908.07919), with its head for classification.

Shapes: N images, C channels in, D channels out, M channels of the first branch, H x W positions,
s stride, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, check_multiple
from typedvision.architecture.joined_model import JoinedModel
from typedvision.architecture.pooled_model import PooledModel
from typedvision.config.features import FeatureSpec
from typedvision.families.hrnet.config import FEATURES, HEAD_WIDTHS, HRNetConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import Initializers, default_initializers, kaiming_normal_fan_out

torch.fx.wrap("check_multiple")  # looks at sizes, which a symbolic trace cannot

EXPANSION = 4
"""Output channels of a bottleneck for each channel of its 3x3 convolution."""


class HighResolutionNet(JoinedModel, PooledModel):
    """A stem, a stage of one branch, stages of two, three and four, a head and a classifier."""

    classifier_name: ClassVar[str] = "classifier"
    classifier: nn.Linear | nn.Identity

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"))

    def __init__(self, cfg: HRNetConfig) -> None:
        super().__init__(cfg)
        width, first = cfg.stem_width, EXPANSION * cfg.stage1_width
        two, three, four = (cfg.branches(count) for count in (2, 3, 4))
        self.num_features: int = FEATURES

        self.conv1: nn.Conv2d = conv2d(cfg.in_chans, width, 3, stride=2)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(width, width, 3, stride=2)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.layer1: nn.Sequential = nn.Sequential(
            *(
                Bottleneck(first if number else width, cfg.stage1_width)
                for number in range(cfg.stage1_depth)
            )
        )
        self.transition1: nn.ModuleList = _transition((first,), two)
        self.stage2: nn.Sequential = _stage(cfg, two, cfg.modules[0])
        self.transition2: nn.ModuleList = _transition(two, three)
        self.stage3: nn.Sequential = _stage(cfg, three, cfg.modules[1])
        self.transition3: nn.ModuleList = _transition(three, four)
        self.stage4: nn.Sequential = _stage(cfg, four, cfg.modules[2])

        bias = cfg.head_conv_bias
        self.incre_modules: nn.ModuleList = nn.ModuleList(
            nn.Sequential(Bottleneck(channels, wide // EXPANSION))
            for channels, wide in zip(four, HEAD_WIDTHS, strict=True)
        )
        self.downsamp_modules: nn.ModuleList = nn.ModuleList(
            _conv(before, after, 3, stride=2, bias=bias) for before, after in pairwise(HEAD_WIDTHS)
        )
        self.final_layer: nn.Sequential = _conv(HEAD_WIDTHS[-1], FEATURES, 1, bias=bias)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _check_size(self, x: Tensor, level: FeatureSpec) -> None:
        """Refuse images (N, C, H, W) whose branches, of 4 to 32 pixels a position, cannot be added;
        the first level, before them, takes any."""
        if level != self.feature_info[0]:
            check_multiple(x, self.feature_info[-1].stride, rounded=4)

    def _joined(self, levels: Sequence[Tensor]) -> Tensor:
        """The branches, each brought to the resolution of the next and added to it."""
        _, x, *others = levels
        for subsample, branch in zip(self.downsamp_modules, others, strict=True):
            x = branch + subsample(x)
        return self.final_layer(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.act1(self.bn1(self.conv1(x)))
        yield x
        x = self.layer1(self.act2(self.bn2(self.conv2(x))))
        maps = self.stage2([transition(x) for transition in self.transition1])
        maps = self.stage3(_with_new_branch(self.transition2, maps))
        maps = self.stage4(_with_new_branch(self.transition3, maps))
        for branch, widen in zip(maps, self.incre_modules, strict=True):
            yield widen(branch)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each exchange, or each stage; transitions belong to what is before."""
        stem = r"^conv[12]|bn[12]"
        if coarse:
            return {"stem": stem, "block_types": r"^(?:layer|stage|transition)(\d+)"}
        return {
            "stem": stem,
            "block_types": [
                (r"^layer(\d+)\.(\d+)", None),
                (r"^stage(\d+)\.(\d+)", None),
                (r"^transition(\d+)", LAST_GROUP),
            ],
        }


class Exchange(nn.Module):
    """Branches of residual blocks, of which each then sees the sum of all, brought to its
    resolution (figure 4)."""

    def __init__(self, channels: tuple[int, ...], depth: int) -> None:
        super().__init__()
        self.branches: nn.ModuleList = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(depth))) for width in channels
        )
        self.fuse_layers: nn.ModuleList = nn.ModuleList(
            nn.ModuleList(_rescale(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )
        self.act: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps (N, M, H, W), (N, 2 M, H / 2, W / 2), ... to the same shapes."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for rescales in self.fuse_layers:
            assert isinstance(rescales, nn.ModuleList)
            seen = [rescale(x) for rescale, x in zip(rescales, maps, strict=True)]
            fused.append(self.act(torch.stack(seen).sum(0)))
        return fused


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (https://arxiv.org/abs/1512.03385, figure 5, left)."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"))

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = conv2d(channels, channels, 3)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(channels)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(channels, channels, 3)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(channels)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        branch = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        return self.act2(branch + x)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions (https://arxiv.org/abs/1512.03385, figure 5, right)."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1: nn.Conv2d = conv2d(in_channels, width, 1)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(width, width, 3)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.conv3: nn.Conv2d = conv2d(width, out_channels, 1)
        self.bn3: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if in_channels != out_channels:
            conv = conv2d(in_channels, out_channels, 1)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        branch = self.act1(self.bn1(self.conv1(x)))
        branch = self.bn3(self.conv3(self.act2(self.bn2(self.conv2(branch)))))
        return self.act3(branch + self.downsample(x))


def _stage(cfg: HRNetConfig, channels: tuple[int, ...], depth: int) -> nn.Sequential:
    return nn.Sequential(*(Exchange(channels, cfg.branch_depth) for _ in range(depth)))


def _transition(before: tuple[int, ...], after: tuple[int, ...]) -> nn.ModuleList:
    """What brings each branch to its channels, and makes one more branch of the last one."""
    layers: list[nn.Module] = [
        nn.Identity() if narrow == wide else _conv(narrow, wide, 3)
        for narrow, wide in zip(before, after, strict=False)
    ]
    new = nn.Sequential(_conv(before[-1], after[-1], 3, stride=2))
    return nn.ModuleList([*layers, new])


def _with_new_branch(transition: nn.ModuleList, maps: list[Tensor]) -> list[Tensor]:
    """The maps through the transition, whose last layer sees the last map, too."""
    return [layer(x) for layer, x in zip(transition, [*maps, maps[-1]], strict=True)]


def _rescale(channels: tuple[int, ...], source: int, target: int) -> nn.Module:
    """From one branch to the resolution and the channels of another."""
    before, after = channels[source], channels[target]
    if source == target:
        return nn.Identity()
    if source > target:
        larger = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(conv2d(before, after, 1), nn.BatchNorm2d(after), larger)
    steps = [_conv(before, before, 3, stride=2) for _ in range(target - source - 1)]
    last = nn.Sequential(conv2d(before, after, 3, stride=2), nn.BatchNorm2d(after))
    return nn.Sequential(*steps, last)


def _conv(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, bias: bool = False
) -> nn.Sequential:
    return nn.Sequential(
        conv2d(in_channels, out_channels, kernel_size, stride=stride, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
