"""SENet (https://arxiv.org/abs/1709.01507), as its authors published it.

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.senet.config import BlockPlan, SENetConfig
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import Initializers, default_initializers, kaiming_normal_fan_out


class SENet(PooledModel):
    """A stem, four stages of residual blocks, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "last_linear"
    last_linear: nn.Linear | nn.Identity

    layer1: Blocks
    layer2: Blocks
    layer3: Blocks
    layer4: Blocks

    def __init__(self, cfg: SENetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1][-1].out_channels

        self.layer0: nn.Sequential = _stem(cfg)
        self.pool0: nn.MaxPool2d = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        block = BasicBlock if cfg.block == "se_resnet_basic" else Bottleneck
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            Blocks(*(block(cfg, one) for one in stage)) for stage in plan
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.layer0(x)
        yield x
        x = self.pool0(x)
        for name in ("layer1", "layer2", "layer3", "layer4"):  # a backbone may lack the last
            x = self.get_submodule(name)(x)
            yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        blocks = r"^layer(\d+)" if coarse else r"^layer(\d+)\.(\d+)"
        return {"stem": r"^layer0", "blocks": blocks}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, each with an activation, and squeeze-and-excitation."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"))

    def __init__(self, cfg: SENetConfig, plan: BlockPlan) -> None:
        super().__init__()
        width, out_channels = plan.width, plan.out_channels
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, width, 3, stride=plan.stride)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(width, out_channels, 3)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.se_module: SqueezeExcite = SqueezeExcite(out_channels, plan.reduced)
        self.downsample: nn.Module = _shortcut(plan)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.bn1(self.conv1(x)))
        branch = self.act2(self.bn2(self.conv2(branch)))
        return self.act3(self.se_module(branch) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, and squeeze-and-excitation (figure 3); the first subsamples in
    the block of ResNet, the second in the others."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))

    def __init__(self, cfg: SENetConfig, plan: BlockPlan) -> None:
        super().__init__()
        first, width, out_channels = plan.first_width, plan.width, plan.out_channels
        early, late = (plan.stride, 1) if cfg.block == "se_resnet" else (1, plan.stride)
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, first, 1, stride=early)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(first)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(first, width, 3, stride=late, groups=cfg.groups)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.conv3: nn.Conv2d = conv2d(width, out_channels, 1)
        self.bn3: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)
        self.se_module: SqueezeExcite = SqueezeExcite(out_channels, plan.reduced)
        self.downsample: nn.Module = _shortcut(plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.bn1(self.conv1(x)))
        branch = self.bn3(self.conv3(self.act2(self.bn2(self.conv2(branch)))))
        return self.act3(self.se_module(branch) + self.downsample(x))


def _stem(cfg: SENetConfig) -> nn.Sequential:
    """One 7x7 convolution, or three 3x3 ones, each normalised."""
    channels = (cfg.in_chans, *((64, 64) if cfg.input_3x3 else ()), cfg.inplanes)
    kernel_size = 3 if cfg.input_3x3 else 7
    layers: dict[str, nn.Module] = {}
    for number, (before, after) in enumerate(pairwise(channels), start=1):
        stride = 2 if number == 1 else 1
        layers[f"conv{number}"] = conv2d(before, after, kernel_size, stride=stride)
        layers[f"bn{number}"] = nn.BatchNorm2d(after)
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
    return nn.Sequential(OrderedDict(layers))


def _shortcut(plan: BlockPlan) -> nn.Module:
    """The identity, or a projection where the shape changes."""
    if plan.shortcut_kernel_size is None:
        return nn.Identity()
    conv = conv2d(
        plan.in_channels, plan.out_channels, plan.shortcut_kernel_size, stride=plan.stride
    )
    return nn.Sequential(conv, nn.BatchNorm2d(plan.out_channels))
