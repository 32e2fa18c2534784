"""RegNet (https://arxiv.org/abs/2003.13678).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.config.names import Activation
from typedvision.families.regnet.config import BlockPlan, RegNetConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, default_initializers, normal, zeros
from typedvision.layers.norm_act import Conv2dNormAct, norm_act
from typedvision.layers.pool import shortcut_average


class RegNet(HeadModel):
    """A stem, four stages of bottlenecks, what stands before the pooling, and a linear head."""

    s1: Blocks
    s2: Blocks
    s3: Blocks
    s4: Blocks

    def __init__(self, cfg: RegNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.features
        self.zero_init_last: bool = cfg.zero_init_last

        self.stem: nn.Module = _stem(cfg)
        self.s1, self.s2, self.s3, self.s4 = (_stage(cfg, stage) for stage in plan.stages)
        self.final_conv: nn.Module = _final_conv(cfg, plan.stages[-1].channels)
        self._add_head(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.stem(x)
        yield x
        for stage in self._stages():
            x = stage(x)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The last convolution, or the last activation."""
        return self.final_conv(x)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by the fan-out of each group, the classifier by a deviation of 0.01, biases
        and the last normalisation of a branch by 0."""
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel() // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": normal(0.01), "bias": zeros}
        initializers = default_initializers(module)
        if self.zero_init_last and path.endswith("conv3.bn"):
            return {**initializers, "weight": zeros}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        return {"stem": r"^stem", "blocks": r"^s(\d+)" if coarse else r"^s(\d+)\.b(\d+)"}

    def _stages(self) -> Iterator[Blocks]:
        yield self.s1
        yield self.s2
        yield self.s3
        yield self.s4


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions; the grouped 3x3 one subsamples (figure 4)."""

    def __init__(self, cfg: RegNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        act = cfg.act_layer
        self.conv1: Conv2dNormAct = _conv_norm_act(cfg, plan.in_channels, plan.width, act)
        self.conv2: Conv2dNormAct = _conv_norm_act(
            cfg,
            plan.width,
            plan.width,
            act,
            kernel_size=3,
            stride=plan.stride,
            dilation=plan.dilation,
            groups=plan.groups,
        )
        self.se: nn.Module = _squeeze_excite(cfg, plan)
        self.conv3: Conv2dNormAct = _conv_norm_act(cfg, plan.width, plan.out_channels, None)
        self.act3: nn.Module = nn.Identity() if cfg.linear_out else activation(act)
        self.downsample: nn.Module | None = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.conv3(self.se(self.conv2(self.conv1(x))))
        if self.downsample is not None:
            branch = self.drop_path(branch) + self.downsample(x)
        return self.act3(branch)


class PreBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each after a normalisation, the first of which the shortcut
    shares; the grouped 3x3 one subsamples."""

    norm1: nn.Module
    act1: nn.Module
    norm2: nn.Module
    act2: nn.Module
    norm3: nn.Module
    act3: nn.Module

    def __init__(self, cfg: RegNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        width = plan.width
        self.norm1, self.act1 = _norm_act(cfg, plan.in_channels)
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, width, 1)
        self.norm2, self.act2 = _norm_act(cfg, width)
        self.conv2: nn.Conv2d = conv2d(
            width, width, 3, stride=plan.stride, dilation=plan.dilation, groups=plan.groups
        )
        self.se: nn.Module = _squeeze_excite(cfg, plan)
        self.norm3, self.act3 = _norm_act(cfg, width)
        self.conv3: nn.Conv2d = conv2d(width, plan.out_channels, 1)
        self.downsample: nn.Module | None = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        x = self.act1(self.norm1(x))
        branch = self.act2(self.norm2(self.conv1(x)))
        branch = self.act3(self.norm3(self.se(self.conv2(branch))))
        branch = self.conv3(branch)
        if self.downsample is not None:
            branch = self.drop_path(branch) + self.downsample(x)
        return branch


def _stem(cfg: RegNetConfig) -> nn.Module:
    """A 3x3 convolution with stride 2; the first block normalises where that comes first."""
    if cfg.preact:
        return conv2d(cfg.in_chans, cfg.stem_width, 3, stride=2)
    return _conv_norm_act(cfg, cfg.in_chans, cfg.stem_width, cfg.act_layer, kernel_size=3, stride=2)


def _stage(cfg: RegNetConfig, plan: StagePlan) -> Blocks:
    kind = PreBottleneck if cfg.preact else Bottleneck
    blocks = {f"b{number}": kind(cfg, block) for number, block in enumerate(plan.blocks, start=1)}
    return Blocks(OrderedDict(blocks))


def _final_conv(cfg: RegNetConfig, channels: int) -> nn.Module:
    if cfg.num_features:
        return _conv_norm_act(cfg, channels, cfg.num_features, cfg.act_layer)
    return activation(cfg.act_layer) if cfg.linear_out or cfg.preact else nn.Identity()


def _shortcut(cfg: RegNetConfig, plan: BlockPlan) -> nn.Module | None:
    """What the branch is added to; None for nothing."""
    match plan.shortcut:
        case None:
            return None
        case "identity":
            return nn.Identity()
        case "conv1x1":
            return _projection(cfg, plan, plan.stride)
        case "avg":
            return nn.Sequential(
                shortcut_average(plan.stride, plan.dilation), _projection(cfg, plan, 1)
            )


def _projection(cfg: RegNetConfig, plan: BlockPlan, stride: int) -> nn.Module:
    if cfg.preact:
        return conv2d(plan.in_channels, plan.out_channels, 1, stride=stride)
    return _conv_norm_act(cfg, plan.in_channels, plan.out_channels, None, stride=stride)


def _squeeze_excite(cfg: RegNetConfig, plan: BlockPlan) -> nn.Module:
    if not plan.reduced:
        return nn.Identity()
    return SqueezeExcite(plan.width, plan.reduced, cfg.act_layer)


def _conv_norm_act(
    cfg: RegNetConfig,
    in_channels: int,
    out_channels: int,
    act: Activation | None,
    *,
    kernel_size: int = 1,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Conv2dNormAct:
    return Conv2dNormAct(
        in_channels,
        out_channels,
        kernel_size,
        act,
        norm_layer=cfg.norm_layer,
        norm_group_size=cfg.norm_group_size,
        stride=stride,
        dilation=dilation,
        groups=groups,
    )


def _norm_act(cfg: RegNetConfig, channels: int) -> tuple[nn.Module, nn.Module]:
    return norm_act(cfg.norm_layer, channels, cfg.act_layer, group_size=cfg.norm_group_size)
