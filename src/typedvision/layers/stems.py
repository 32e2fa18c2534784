"""Convolutions between an image and the patches of a hybrid Vision Transformer.

Shapes: N images, C channels, H x W pixels, s pixels for each position of the map, D channels of it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn

from typedvision.config.stems import BiTStem, ConvStem, MBConvStem, ResNetStem, Stem
from typedvision.layers.activation import activation
from typedvision.layers.conv import StdConv2d, conv2d
from typedvision.layers.init import Initializers, normal, zeros
from typedvision.layers.norm import LayerNorm2d
from typedvision.layers.pool import MaxPool2dSame, shortcut_average


def token_stem(cfg: Stem, in_chans: int, features: int) -> nn.Module:
    """A stem, (N, C, H, W) to (N, D, H / s, W / s).

    Args:
        cfg: which one, with its numbers.
        in_chans: C.
        features: features of each token, which some stems make.
    """
    match cfg:
        case BiTStem():
            return _bit(cfg, in_chans)
        case ResNetStem():
            return _resnet_d(cfg, in_chans)
        case ConvStem():
            return _convolutions(cfg, in_chans, features)
        case MBConvStem():
            return _mbconv(cfg, in_chans, features)


def stem_initializers(
    cfg: Stem, path: str, module: nn.Module, initializers: Initializers
) -> Initializers:
    """How the tensors are initialised that the module at `path` of a stem itself owns:
    `initializers`, but in residual stages convolutions by their fan-out, and the last normalisation
    of a branch by 0."""
    if isinstance(cfg, ConvStem) or not cfg.layers or path == "pool.proj":
        return initializers
    if isinstance(module, nn.Conv2d):
        fan_out = module.weight[:, 0].numel() // module.groups
        std = math.sqrt(2.0 / fan_out)
        return {"weight": normal(std), "bias": zeros}
    return {**initializers, "weight": zeros} if path.endswith(("bn3", "norm3")) else initializers


def _stages(width: int, layers: tuple[int, ...]) -> Iterator[list[tuple[int, int, int]]]:
    """Of each block of each stage of bottlenecks: channels before, channels after, stride."""
    before = width
    for index, depth in enumerate(layers):
        after = 4 * width * 2**index
        rest = [(after, after, 1)] * (depth - 1)
        yield [(before, after, 2 if index else 1), *rest]
        before = after


def _bit(cfg: BiTStem, in_chans: int) -> nn.Module:
    stem = nn.Sequential(
        OrderedDict(
            conv=StdConv2d(in_chans, cfg.width, 7, stride=2, pad_type="same", eps=cfg.conv_eps),
            norm=nn.GroupNorm(32, cfg.width),
            act=nn.ReLU(inplace=True),
            pool=MaxPool2dSame(),
        )
    )
    if not cfg.layers:
        return stem
    stages = nn.Sequential(
        *(
            nn.Sequential(
                OrderedDict(
                    blocks=nn.Sequential(*(BiTBottleneck(*block, cfg.conv_eps) for block in stage))
                )
            )
            for stage in _stages(cfg.width, cfg.layers)
        )
    )
    return nn.Sequential(OrderedDict(stem=stem, stages=stages))


class BiTBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 standardised convolutions, each with a normalisation by groups.

    Args:
        in_channels: C.
        out_channels: D.
        stride: s.
        eps: added to the variance of standardised weights.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, eps: float) -> None:
        super().__init__()
        width = out_channels // 4
        self.downsample: nn.Module = nn.Identity()
        if in_channels != out_channels:
            conv = StdConv2d(in_channels, out_channels, 1, stride=stride, pad_type="same", eps=eps)
            self.downsample = nn.Sequential(
                OrderedDict(conv=conv, norm=nn.GroupNorm(32, out_channels))
            )
        self.conv1: nn.Conv2d = StdConv2d(in_channels, width, 1, eps=eps)
        self.norm1: nn.GroupNorm = nn.GroupNorm(32, width)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = StdConv2d(width, width, 3, stride=stride, pad_type="same", eps=eps)
        self.norm2: nn.GroupNorm = nn.GroupNorm(32, width)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.conv3: nn.Conv2d = StdConv2d(width, out_channels, 1, eps=eps)
        self.norm3: nn.GroupNorm = nn.GroupNorm(32, out_channels)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.norm1(self.conv1(x)))
        branch = self.act2(self.norm2(self.conv2(branch)))
        return self.act3(self.norm3(self.conv3(branch)) + self.downsample(x))


def _resnet_d(cfg: ResNetStem, in_chans: int) -> nn.Sequential:
    """Three 3x3 convolutions, a max pooling and stages of bottlenecks whose shortcuts average
    (https://arxiv.org/abs/1812.01187, figure 2)."""
    narrow = cfg.width // 2
    layers: dict[str, nn.Module] = {
        "conv1": nn.Sequential(
            conv2d(in_chans, narrow, 3, stride=2),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            conv2d(narrow, narrow, 3),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            conv2d(narrow, cfg.width, 3),
        ),
        "bn1": nn.BatchNorm2d(cfg.width),
        "act1": nn.ReLU(inplace=True),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }
    for number, stage in enumerate(_stages(cfg.width, cfg.layers), start=1):
        layers[f"layer{number}"] = nn.Sequential(*(Bottleneck(*block) for block in stage))
    return nn.Sequential(OrderedDict(layers))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each with a batch normalisation.

    Args:
        in_channels: C.
        out_channels: D.
        stride: s.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        width = out_channels // 4
        self.conv1: nn.Conv2d = conv2d(in_channels, width, 1)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.conv2: nn.Conv2d = conv2d(width, width, 3, stride=stride)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(width)
        self.act2: nn.ReLU = nn.ReLU(inplace=True)
        self.conv3: nn.Conv2d = conv2d(width, out_channels, 1)
        self.bn3: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)
        self.act3: nn.ReLU = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.downsample = nn.Sequential(
                shortcut_average(stride, 1),
                conv2d(in_channels, out_channels, 1),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.bn1(self.conv1(x)))
        branch = self.act2(self.bn2(self.conv2(branch)))
        return self.act3(self.bn3(self.conv3(branch)) + self.downsample(x))


def _convolutions(cfg: ConvStem, in_chans: int, features: int) -> nn.Sequential:
    """Convolutions without overlap, each but the last with a normalisation and an activation."""
    *before, last = cfg.strides
    widths = (in_chans, *(cfg.width for _ in before))
    layers = [
        nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(inside, outside, side, stride=side, bias=False),
                bn=nn.BatchNorm2d(outside),
                act=activation(cfg.act_layer),
            )
        )
        for (inside, outside), side in zip(pairwise(widths), before, strict=True)
    ]
    conv = nn.Conv2d(widths[-1], features, last, stride=last)
    return nn.Sequential(*layers, nn.Sequential(OrderedDict(conv=conv)))


def _mbconv(cfg: MBConvStem, in_chans: int, features: int) -> nn.Sequential:
    """Two 3x3 convolutions, stages of inverted residual blocks, and a normalised 3x3 convolution
    that halves the resolution (https://arxiv.org/abs/2404.02132, section 4.1)."""
    width = cfg.width
    stem = nn.Sequential(
        OrderedDict(
            conv1=conv2d(in_chans, width, 3, stride=2, bias=True),
            norm1=LayerNorm2d(width, eps=1e-6),
            act1=nn.GELU(),
            conv2=conv2d(width, width, 3, bias=True),
        )
    )
    widths = (width, *(width * 2**index for index in range(len(cfg.layers))))
    stages = nn.Sequential(
        *(
            nn.Sequential(
                MBConv(before, after, 2, cfg.expand_ratio),
                *(MBConv(after, after, 1, cfg.expand_ratio) for _ in range(depth - 1)),
            )
            for (before, after), depth in zip(pairwise(widths), cfg.layers, strict=True)
        )
    )
    pool = NormalizedConv(widths[-1], features)
    return nn.Sequential(OrderedDict(stem=stem, stages=stages, pool=pool))


class NormalizedConv(nn.Module):
    """A normalisation, then a 3x3 convolution with stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj: nn.Conv2d = conv2d(in_channels, out_channels, 3, stride=2, bias=True)
        self.norm: LayerNorm2d = LayerNorm2d(in_channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return self.proj(self.norm(x))


class MBConv(nn.Module):
    """An inverted residual block that normalises once, before its convolutions.

    Args:
        in_channels: C.
        out_channels: D.
        stride: s.
        expand_ratio: channels inside, for each of the output.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expand_ratio: float
    ) -> None:
        super().__init__()
        inside = int(out_channels * expand_ratio)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            changes = in_channels != out_channels
            self.shortcut = nn.Sequential(
                OrderedDict(
                    pool=nn.AvgPool2d(3, stride, 1, count_include_pad=False),
                    expand=conv2d(in_channels, out_channels, 1, bias=True)
                    if changes
                    else nn.Identity(),
                )
            )
        self.pre_norm: LayerNorm2d = LayerNorm2d(in_channels, eps=1e-6)
        self.conv1_1x1: nn.Conv2d = conv2d(in_channels, inside, 1, bias=True)
        self.act1: nn.GELU = nn.GELU()
        self.conv2_kxk: nn.Conv2d = conv2d(
            inside, inside, 3, stride=stride, groups=inside, bias=True
        )
        self.act2: nn.GELU = nn.GELU()
        self.conv3_1x1: nn.Conv2d = conv2d(inside, out_channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.conv1_1x1(self.pre_norm(x)))
        branch = self.conv3_1x1(self.act2(self.conv2_kxk(branch)))
        return branch + self.shortcut(x)
