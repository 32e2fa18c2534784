"""PP-HGNet and PP-HGNetV2 (https://github.com/PaddlePaddle/PaddleClas).

Shapes: N images, C channels in, D channels out, M channels inside, H x W positions, s stride,
K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import ConvPool
from typedvision.families.hgnet.config import BlockPlan, HGNetConfig, StagePlan
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    ones,
    zeros,
)
from typedvision.layers.norm_act import Conv2dNormAct
from typedvision.layers.pool import GlobalPool


class HighPerfGpuNet(StagedModel):
    """A stem, four stages of aggregations, pooling, a hidden layer and a linear classifier."""

    def __init__(self, cfg: HGNetConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.stages[-1].out_chs
        self.head_hidden_size: int = cfg.head_hidden_size or self.num_features

        self.stem: nn.Module = _STEMS[cfg.stem_type](cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.head: HiddenHead = HiddenHead(cfg)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head.reset(num_classes, global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out; the classifier's bias by 0."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        if isinstance(module, nn.Linear):
            return {**initializers, "bias": zeros}
        return initializers


class PlainStem(nn.Module):
    """3x3 convolutions, of which the first subsamples, and max pooling."""

    def __init__(self, cfg: HGNetConfig) -> None:
        super().__init__()
        pairs = enumerate(pairwise((cfg.in_chans, *cfg.stem_chs)))
        self.stem: nn.Module = nn.Sequential(
            *(
                Conv2dNormAct(before, after, 3, "relu", stride=1 if number else 2)
                for number, (before, after) in pairs
            )
        )
        self.pool: nn.MaxPool2d = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 4, W / 4)."""
        return self.pool(self.stem(x))


class BranchedStem(nn.Module):
    """A convolution that subsamples; 2x2 convolutions beside a 2x2 pooling; one that subsamples
    both together, and a 1x1 one."""

    def __init__(self, cfg: HGNetConfig) -> None:
        super().__init__()
        width, out_channels = cfg.stem_chs
        self.stem1: nn.Module = _conv(cfg, cfg.in_chans, width, 3, stride=2)
        self.stem2a: nn.Module = _conv(cfg, width, width // 2, 2)
        self.stem2b: nn.Module = _conv(cfg, width // 2, width, 2)
        self.stem3: nn.Module = _conv(cfg, 2 * width, width, 3, stride=2)
        self.stem4: nn.Module = _conv(cfg, width, out_channels, 1)
        self.pool: nn.MaxPool2d = nn.MaxPool2d(2, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 4, W / 4)."""
        x = _pad_end(self.stem1(x))
        branch = self.stem2b(_pad_end(self.stem2a(x)))
        return self.stem4(self.stem3(torch.cat((self.pool(x), branch), dim=1)))


_STEMS = {"v1": PlainStem, "v2": BranchedStem}


class Aggregation(nn.Module):
    """Convolutions in a row, and 1x1 ones that see the input and the output of each."""

    def __init__(self, cfg: HGNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.residual: bool = plan.residual
        inputs = (plan.in_channels, *(plan.width,) * (plan.layers - 1))
        self.layers: nn.ModuleList = nn.ModuleList(
            (_light_conv if plan.light else _conv)(cfg, channels, plan.width, plan.kernel_size)
            for channels in inputs
        )
        channels, out_channels = plan.in_channels + plan.layers * plan.width, plan.out_channels
        if cfg.stem_type == "v1":
            self.aggregation: nn.Sequential = nn.Sequential(
                _conv(cfg, channels, out_channels, 1), ChannelGate(out_channels)
            )
        else:
            self.aggregation = nn.Sequential(
                _conv(cfg, channels, out_channels // 2, 1),
                _conv(cfg, out_channels // 2, out_channels, 1),
            )
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        maps = [x]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        y = self.aggregation(torch.cat(maps, dim=1))
        return x + self.drop_path(y) if self.residual else y


class ChannelGate(nn.Module):
    """Squeeze-and-excitation by one layer (https://arxiv.org/abs/1911.06667, section 3.2), whose
    gate is a sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return x * self.conv(x.mean((2, 3), keepdim=True)).sigmoid()


class LearnedAffine(nn.Module):
    """A factor and a shift, one of each for the whole map."""

    def __init__(self) -> None:
        super().__init__()
        self.scale: nn.Parameter = nn.Parameter(torch.empty(1))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(1))

    def initializers(self) -> Initializers:
        """The identity."""
        return {"scale": ones, "bias": zeros}

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return self.scale * x + self.bias


class HiddenHead(nn.Module):
    """Pooling, a 1x1 convolution with an activation, dropout and a linear classifier."""

    def __init__(self, cfg: HGNetConfig) -> None:
        super().__init__()
        self.last_conv: nn.Module = nn.Identity()
        self.features: int = cfg.stages[-1].out_chs
        if cfg.head_hidden_size is not None:
            conv = conv2d(self.features, cfg.head_hidden_size, 1)
            affine = [LearnedAffine()] if cfg.use_lab else []
            self.last_conv = nn.Sequential(conv, nn.ReLU(inplace=True), *affine)
            self.features = cfg.head_hidden_size
        self.dropout: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.reset(cfg.num_classes, cfg.global_pool)

    def reset(self, num_classes: int, global_pool: ConvPool) -> None:
        """Put another pooling and an uninitialised classifier in place."""
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.fc: nn.Linear | nn.Identity = linear_classifier(self.features, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.global_pool(x)
        if self.global_pool.kind:
            x = self.dropout(self.last_conv(x[:, :, None, None])).flatten(1)
        else:
            x = self.dropout(self.last_conv(x))
        return x if pre_logits else self.fc(x)


def _stage(cfg: HGNetConfig, plan: StagePlan) -> nn.Sequential:
    """A depthwise convolution that subsamples, then blocks."""
    parts: dict[str, nn.Module] = {}
    if plan.subsamples:
        channels = plan.in_channels
        parts["downsample"] = _conv(
            cfg, channels, channels, 3, stride=2, groups=channels, act=False
        )
    parts["blocks"] = Blocks(*(Aggregation(cfg, block) for block in plan.blocks))
    return nn.Sequential(OrderedDict(parts))


def _light_conv(
    cfg: HGNetConfig, in_channels: int, out_channels: int, kernel_size: int
) -> nn.Sequential:
    """A 1x1 convolution without an activation, and a depthwise one."""
    parts = {
        "conv1": _conv(cfg, in_channels, out_channels, 1, act=False),
        "conv2": _conv(cfg, out_channels, out_channels, kernel_size, groups=out_channels),
    }
    return nn.Sequential(OrderedDict(parts))


def _conv(
    cfg: HGNetConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    act: bool = True,
) -> nn.Sequential:
    """A convolution, a normalisation, and an activation with what `use_lab` asks for."""
    conv = conv2d(in_channels, out_channels, kernel_size, stride=stride, groups=groups)
    parts: dict[str, nn.Module] = {"conv": conv, "bn": nn.BatchNorm2d(out_channels)}
    if act:
        parts["act"] = nn.ReLU(inplace=True)
    if act and cfg.use_lab:
        parts["lab"] = LearnedAffine()
    return nn.Sequential(OrderedDict(parts))


def _pad_end(x: Tensor) -> Tensor:
    """One more row below and one more column on the right, of zeros."""
    return F.pad(x, (0, 1, 0, 1))
