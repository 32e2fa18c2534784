"""ResNet V2 (https://arxiv.org/abs/1603.05027) and Big Transfer (https://arxiv.org/abs/1912.11370).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import Activation, ConvPool
from typedvision.families.resnetv2.config import BlockPlan, ResNetV2Config, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import StdConv2d, conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    normal,
    ones,
    zeros,
)
from typedvision.layers.norm_act import norm_act
from typedvision.layers.pool import (
    GlobalPool,
    MaxPool2dSame,
    pooled_features,
    shortcut_average,
)


class ResNetV2(StagedModel):
    """A stem, four stages of residual blocks, a normalisation, and a convolutional classifier."""

    norm: nn.Module
    act: nn.Module

    def __init__(self, cfg: ResNetV2Config) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.stages[-1].channels
        self.stem_level: str = self.feature_info[0].name.removeprefix("stem.")
        self.zero_init_last: bool = cfg.zero_init_last

        self.stem: nn.Module = nn.Sequential(OrderedDict(_stem(cfg, plan.stem)))
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.norm, self.act = (
            _norm_act(cfg, self.num_features, cfg.act_layer)
            if cfg.preact
            else (nn.Identity(), nn.Identity())
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        for name, module in self.stem.named_children():
            x = module(x)
            if name == self.stem_level:
                yield x
        for stage in self.stages:
            x = stage(x)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation and its activation."""
        return self.act(self.norm(x))

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level by the last normalisation; no other level has one."""
        return self._finish(x) if level == len(self.stages) else x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.head: ConvHead = ConvHead(
            self.head_hidden_size, num_classes, global_pool, self.drop_rate
        )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out, the classifier by a deviation of 0.01 and no bias."""
        if path == "head.fc" and isinstance(module, nn.Conv2d):
            return {"weight": normal(0.01), "bias": zeros}
        block, _, name = path.rpartition(".")
        last = self.zero_init_last and name == getattr(self.get_submodule(block), "last", None)
        initializers = default_initializers(module)
        if last:
            return {**initializers, "weight": zeros}
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; the normalisation belongs to the last block."""
        if coarse:
            return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}
        return {
            "stem": r"^stem",
            "blocks": [(r"^stages\.(\d+)\.blocks\.(\d+)", None), (r"^(?:norm|act)\.", LAST_GROUP)],
        }


class PreActBasic(nn.Module):
    """Two 3x3 convolutions, each after a normalisation (figure 4e)."""

    folds: ClassVar[Pairs] = (("conv1", "norm2"),)

    last = "conv2"
    norm1: nn.Module
    act1: nn.Module
    norm2: nn.Module
    act2: nn.Module

    def __init__(self, cfg: ResNetV2Config, plan: BlockPlan) -> None:
        super().__init__()
        self.downsample: Shortcut | None = Shortcut(cfg, plan) if plan.project else None
        self.norm1, self.act1 = _norm_act(cfg, plan.in_channels, cfg.act_layer)
        self.conv1: nn.Conv2d = _subsampling_conv(cfg, plan, plan.in_channels)
        self.norm2, self.act2 = _norm_act(cfg, plan.width, cfg.act_layer)
        self.conv2: nn.Conv2d = _conv(cfg, plan.width, plan.out_channels, 3, dilation=plan.dilation)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.norm1(x))
        shortcut = x if self.downsample is None else self.downsample(branch)
        branch = self.act2(self.norm2(self.conv1(branch)))
        branch = self.conv2(branch)
        return self.drop_path(branch) + shortcut


class PreActBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each after a normalisation; the 3x3 one subsamples."""

    folds: ClassVar[Pairs] = (("conv1", "norm2"), ("conv2", "norm3"))

    last = "conv3"
    norm1: nn.Module
    act1: nn.Module
    norm2: nn.Module
    act2: nn.Module
    norm3: nn.Module
    act3: nn.Module

    def __init__(self, cfg: ResNetV2Config, plan: BlockPlan) -> None:
        super().__init__()
        self.downsample: Shortcut | None = Shortcut(cfg, plan) if plan.project else None
        self.norm1, self.act1 = _norm_act(cfg, plan.in_channels, cfg.act_layer)
        self.conv1: nn.Conv2d = _conv(cfg, plan.in_channels, plan.width, 1)
        self.norm2, self.act2 = _norm_act(cfg, plan.width, cfg.act_layer)
        self.conv2: nn.Conv2d = _subsampling_conv(cfg, plan, plan.width)
        self.norm3, self.act3 = _norm_act(cfg, plan.width, cfg.act_layer)
        self.conv3: nn.Conv2d = _conv(cfg, plan.width, plan.out_channels, 1)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.norm1(x))
        shortcut = x if self.downsample is None else self.downsample(branch)
        branch = self.act2(self.norm2(self.conv1(branch)))
        branch = self.act3(self.norm3(self.conv2(branch)))
        branch = self.conv3(branch)
        return self.drop_path(branch) + shortcut


class Bottleneck(nn.Module):
    """The block of the first ResNet: a normalisation after each convolution (figure 4a)."""

    folds: ClassVar[Pairs] = (("conv1", "norm1"), ("conv2", "norm2"), ("conv3", "norm3"))

    last = "norm3"
    norm1: nn.Module
    act1: nn.Module
    norm2: nn.Module
    act2: nn.Module
    norm3: nn.Module

    def __init__(self, cfg: ResNetV2Config, plan: BlockPlan) -> None:
        super().__init__()
        self.downsample: Shortcut | None = Shortcut(cfg, plan) if plan.project else None
        self.conv1: nn.Conv2d = _conv(cfg, plan.in_channels, plan.width, 1)
        self.norm1, self.act1 = _norm_act(cfg, plan.width, cfg.act_layer)
        self.conv2: nn.Conv2d = _subsampling_conv(cfg, plan, plan.width)
        self.norm2, self.act2 = _norm_act(cfg, plan.width, cfg.act_layer)
        self.conv3: nn.Conv2d = _conv(cfg, plan.width, plan.out_channels, 1)
        self.norm3, _ = _norm_act(cfg, plan.out_channels, None)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.act3: nn.Module = activation(cfg.act_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        branch = self.act1(self.norm1(self.conv1(x)))
        branch = self.act2(self.norm2(self.conv2(branch)))
        branch = self.norm3(self.conv3(branch))
        return self.act3(self.drop_path(branch) + shortcut)


class Shortcut(nn.Module):
    """A 1x1 convolution that brings a block's input to the shape of its output."""

    folds: ClassVar[Pairs] = (("conv", "norm"),)

    norm: nn.Module

    def __init__(self, cfg: ResNetV2Config, plan: BlockPlan) -> None:
        super().__init__()
        stride = 1 if cfg.avg_down else plan.stride
        self.pool: nn.Module = (
            shortcut_average(plan.stride, plan.dilation) if cfg.avg_down else nn.Identity()
        )
        self.conv: nn.Conv2d = _conv(cfg, plan.in_channels, plan.out_channels, 1, stride=stride)
        self.norm = nn.Identity() if cfg.preact else _norm_act(cfg, plan.out_channels, None)[0]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.norm(self.conv(self.pool(x)))


class ConvHead(nn.Module):
    """Pooling, dropout and a 1x1 convolution as the classifier."""

    def __init__(self, features: int, num_classes: int, pool: ConvPool, drop: float) -> None:
        super().__init__()
        self.global_pool: GlobalPool = GlobalPool(pool)
        self.drop: nn.Dropout = nn.Dropout(drop)
        self.fc: nn.Module = nn.Conv2d(features, num_classes, 1) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        x = self.drop(self.global_pool(x))
        if pre_logits:
            return x
        return self.fc(x[:, :, None, None]).flatten(1) if self.global_pool.kind else self.fc(x)


class FilterResponseNormTlu2d(nn.Module):
    """Filter response normalisation and a thresholded linear unit (https://arxiv.org/abs/1911.09737,
    section 3.2).

    Args:
        channels: number of channels.
        eps: added to the mean square.
        nonlinear: False leaves out the threshold.
    """

    def __init__(self, channels: int, eps: float = 1e-5, nonlinear: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.tau: nn.Parameter | None = nn.Parameter(torch.empty(channels)) if nonlinear else None

    def initializers(self) -> Initializers:
        """A normalisation without scale and shift, cut at 0."""
        return {"weight": ones, "bias": zeros, "tau": zeros}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = x * torch.rsqrt(x.square().mean((2, 3), keepdim=True) + self.eps)
        x = x * self.weight[:, None, None] + self.bias[:, None, None]
        return x if self.tau is None else torch.maximum(x, self.tau[:, None, None])


def _stage(cfg: ResNetV2Config, plan: StagePlan) -> nn.Sequential:
    kind = _kind(cfg)
    blocks = Blocks(*(kind(cfg, block) for block in plan.blocks))
    return nn.Sequential(OrderedDict(blocks=blocks))


def _kind(cfg: ResNetV2Config) -> type[PreActBasic | PreActBottleneck | Bottleneck]:
    if not cfg.preact:
        return Bottleneck
    return PreActBasic if cfg.basic else PreActBottleneck


def _stem(cfg: ResNetV2Config, channels: tuple[int, ...]) -> Iterator[tuple[str, nn.Module]]:
    """One 7x7 convolution or three 3x3 ones, and a pooling; the blocks normalise its output where
    they normalise first."""
    deep = len(channels) > 1
    for number, (before, after) in enumerate(pairwise((cfg.in_chans, *channels)), start=1):
        suffix = str(number) if deep else ""
        stride = 2 if number == 1 else 1
        yield f"conv{suffix}", _conv(cfg, before, after, 3 if deep else 7, stride=stride)
        if number < len(channels) or not cfg.preact:
            norm, act = _norm_act(cfg, after, cfg.act_layer)
            yield f"norm{suffix}", norm
            yield f"act{suffix}", act
    if "fixed" in cfg.stem_type:
        yield "pad", nn.ConstantPad2d(1, 0.0)
    yield "pool", _stem_pool(cfg)


def _stem_pool(cfg: ResNetV2Config) -> nn.Module:
    if "same" in cfg.stem_type:
        return MaxPool2dSame()
    return nn.MaxPool2d(3, stride=2, padding=0 if "fixed" in cfg.stem_type else 1)


def _subsampling_conv(cfg: ResNetV2Config, plan: BlockPlan, in_channels: int) -> nn.Conv2d:
    return _conv(cfg, in_channels, plan.width, 3, stride=plan.stride, dilation=plan.first_dilation)


def _conv(
    cfg: ResNetV2Config,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Conv2d:
    if cfg.conv_layer == "conv2d":
        return conv2d(in_channels, out_channels, kernel_size, stride=stride, dilation=dilation)
    return StdConv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        dilation=dilation,
        eps=cfg.conv_eps or 1e-6,
    )


def _norm_act(
    cfg: ResNetV2Config, channels: int, act: Activation | None
) -> tuple[nn.Module, nn.Module]:
    if cfg.norm_layer == "frntlu":
        return FilterResponseNormTlu2d(channels, nonlinear=act is not None), nn.Identity()
    return norm_act(cfg.norm_layer, channels, act)
