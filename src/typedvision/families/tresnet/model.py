"""TResNet (https://arxiv.org/abs/2003.13630, section 2).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

import torch
import torch.fx
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.image_model import check_multiple
from typedvision.families.tresnet.config import PATCH, BlockPlan, TResNetConfig
from typedvision.layers.blocks import Blocks
from typedvision.layers.blur import BlurPool2d, FilteredConv
from typedvision.layers.channel_attention import SqueezeExcite
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    normal,
    zeros,
)
from typedvision.layers.norm_act import Conv2dNormAct
from typedvision.layers.pool import shortcut_average

torch.fx.wrap("check_multiple")  # looks at sizes, which a symbolic trace cannot


class TResNet(HeadModel):
    """A stem of patches, four stages of residual blocks, pooling and a linear classifier."""

    def __init__(self, cfg: TResNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.stages[-1][-1].out_channels

        stem = Conv2dNormAct(cfg.in_chans * PATCH**2, plan.stem_channels, 3, "leaky_relu")
        body: OrderedDict[str, nn.Module] = OrderedDict(s2d=SpaceToDepth(PATCH), conv1=stem)
        for number, blocks in enumerate(plan.stages, start=1):
            body[f"layer{number}"] = Blocks(*map(_block, blocks))
        self.body: nn.Sequential = nn.Sequential(body)
        self._add_head(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.body(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 4, W / 4), ..., (N, D, H / 32, W / 32)."""
        for layer in self.body:
            x = layer(x)
            if isinstance(layer, Blocks):
                yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out, the classifier by a deviation of 0.01, and the last
        normalisation of each branch by 0, so that blocks are the shortcut at first."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        if isinstance(module, nn.Linear):
            return {**initializers, "weight": normal(0.01)}
        block, _, name = path.removesuffix(".bn").rpartition(".")
        if isinstance(module, nn.BatchNorm2d):
            parent = self.get_submodule(block)
            if isinstance(parent, BasicBlock | Bottleneck) and name == parent.last_conv:
                return {**initializers, "weight": zeros}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        blocks = r"^body\.layer(\d+)" if coarse else r"^body\.layer(\d+)\.(\d+)"
        return {"stem": r"^body\.conv1", "blocks": blocks}


class SpaceToDepth(nn.Module):
    """The channels of each square of p x p positions become those of one position (section 2.1).

    Args:
        side: p.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side: int = side

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, p * p * C, H / p, W / p), the channels of a pixel together."""
        check_multiple(x, self.side)
        count, channels, height, width = x.shape
        p, h, w = self.side, height // self.side, width // self.side
        x = x.reshape(count, channels, h, p, w, p).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(count, p * p * channels, h, w)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a squeeze-and-excitation, beside a shortcut."""

    last_conv: ClassVar[str] = "conv2"

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        if plan.projects:
            self.downsample: nn.Sequential = _shortcut(plan)
        self.conv1: nn.Module = _conv(plan.in_channels, plan.width, 3, stride=plan.stride)
        self.conv2: Conv2dNormAct = Conv2dNormAct(plan.width, plan.out_channels, 3, None)
        self.act: nn.ReLU = nn.ReLU(inplace=True)
        self.se: nn.Module = _excite(plan.out_channels, plan.reduced)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.projects: bool = plan.projects

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        shortcut = self.downsample(x) if self.projects else x
        branch = self.se(self.conv2(self.conv1(x)))
        return self.act(self.drop_path(branch) + shortcut)


class Bottleneck(nn.Module):
    """A 1x1 convolution, a 3x3 one with a squeeze-and-excitation, and a 1x1 one, beside a
    shortcut."""

    last_conv: ClassVar[str] = "conv3"

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        if plan.projects:
            self.downsample: nn.Sequential = _shortcut(plan)
        self.conv1: nn.Module = _conv(plan.in_channels, plan.width, 1)
        self.conv2: nn.Module = _conv(plan.width, plan.width, 3, stride=plan.stride)
        self.se: nn.Module = _excite(plan.width, plan.reduced)
        self.conv3: Conv2dNormAct = Conv2dNormAct(plan.width, plan.out_channels, 1, None)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.act: nn.ReLU = nn.ReLU(inplace=True)
        self.projects: bool = plan.projects

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        shortcut = self.downsample(x) if self.projects else x
        branch = self.conv3(self.se(self.conv2(self.conv1(x))))
        return self.act(self.drop_path(branch) + shortcut)


def _block(plan: BlockPlan) -> nn.Module:
    return Bottleneck(plan) if plan.bottleneck else BasicBlock(plan)


def _excite(channels: int, reduced: int | None) -> nn.Module:
    return nn.Identity() if reduced is None else SqueezeExcite(channels, reduced)


def _shortcut(plan: BlockPlan) -> nn.Sequential:
    """An average where the block subsamples, and a convolution."""
    pool = [shortcut_average(plan.stride, 1)] if plan.stride > 1 else []
    return nn.Sequential(*pool, Conv2dNormAct(plan.in_channels, plan.out_channels, 1, None))


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Module:
    """A convolution and a leaky ReLU; a low-pass filter subsamples after them (section 2.2)."""
    conv = Conv2dNormAct(in_channels, out_channels, kernel_size, "leaky_relu")
    conv.act = nn.LeakyReLU(1e-3, inplace=True)
    return conv if stride == 1 else FilteredConv(conv, BlurPool2d(out_channels, stride))
