"""CSPNet (https://arxiv.org/abs/1911.11929) and DarkNet (https://arxiv.org/abs/1804.02767).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.cspnet.config import CspNetConfig, CspNetPlan, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.blur import FilteredConv, anti_alias
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    normal,
    zeros,
)
from typedvision.layers.norm_act import Conv2dNormAct


class CspNet(StagedModel, HeadModel):
    """A stem, stages of residual blocks, pooling and a linear classifier."""

    def __init__(self, cfg: CspNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.stages[-1].channels
        self.zero_init_last: bool = cfg.zero_init_last
        self.gives_level: tuple[bool, ...] = tuple(level is not None for level in plan.levels)

        self.stem: nn.Module = _stem(cfg, plan)
        make = _STAGES[cfg.stage_type]
        self.stages: nn.Sequential = nn.Sequential(*(make(cfg, stage) for stage in plan.stages))
        self._add_head(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The last map of each resolution."""
        for layer, is_level in zip(self._layers(), self.gives_level, strict=True):
            x = layer(x)
            if is_level:
                yield x

    def _layers(self) -> Iterator[nn.Module]:
        yield from self.stem.children()
        yield from self.stages

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by the fan-out, the classifier by a deviation of 0.01, biases
        and the last normalisation of each block by 0."""
        if isinstance(module, nn.Conv2d):
            return {"weight": kaiming_normal_fan_out(), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": normal(0.01), "bias": zeros}
        initializers = default_initializers(module)
        block, _, name = path.removesuffix(".bn").rpartition(".")
        if self.zero_init_last and path.endswith(".bn"):
            parent = self.get_submodule(block)
            if isinstance(parent, Block) and name == parent.last_conv:
                return {**initializers, "weight": zeros}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        if coarse:
            return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}
        return {
            "stem": r"^stem",
            "blocks": [
                (r"^stages\.(\d+)\.blocks\.(\d+)", None),
                (r"^stages\.(\d+)\..*transition", LAST_GROUP),
                (r"^stages\.(\d+)", (0,)),
            ],
        }


class CrossStage(nn.Module):
    """One half passes by the blocks, and joins the other after a convolution (figure 3b)."""

    def __init__(self, cfg: CspNetConfig, plan: StagePlan) -> None:
        super().__init__()
        half = plan.half
        self.conv_down: nn.Module = _downsample(cfg, plan)
        self.conv_exp: Conv2dNormAct = _conv(
            cfg, plan.down_channels, 2 * half, 1, act=not cfg.cross_linear
        )
        self.blocks: Blocks = _blocks(cfg, plan)
        self.conv_transition_b: Conv2dNormAct = _conv(cfg, plan.block_channels, half, 1)
        self.conv_transition: Conv2dNormAct = _conv(cfg, 2 * half, plan.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        passing, other = self.conv_exp(self.conv_down(x)).chunk(2, dim=1)
        other = self.conv_transition_b(self.blocks(other.contiguous()))
        return self.conv_transition(torch.cat((passing, other), dim=1))


class CrossStage3(nn.Module):
    """One half passes by the blocks, with one convolution fewer, as in YOLOv5."""

    def __init__(self, cfg: CspNetConfig, plan: StagePlan) -> None:
        super().__init__()
        half = plan.half
        self.conv_down: nn.Module = _downsample(cfg, plan)
        self.conv_exp: Conv2dNormAct = _conv(cfg, plan.down_channels, 2 * half, 1)
        self.blocks: Blocks = _blocks(cfg, plan)
        self.conv_transition: Conv2dNormAct = _conv(cfg, 2 * half, plan.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        other, passing = self.conv_exp(self.conv_down(x)).chunk(2, dim=1)
        return self.conv_transition(torch.cat((self.blocks(other.contiguous()), passing), dim=1))


class DarkStage(nn.Module):
    """All channels go through the blocks."""

    def __init__(self, cfg: CspNetConfig, plan: StagePlan) -> None:
        super().__init__()
        self.conv_down: nn.Module = _downsample(cfg, plan)
        self.blocks: Blocks = _blocks(cfg, plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.blocks(self.conv_down(x))


_STAGES: dict[str, Callable[[CspNetConfig, StagePlan], nn.Module]] = {
    "csp": CrossStage,
    "cs3": CrossStage3,
    "dark": DarkStage,
}


class Block(nn.Module):
    """A residual block."""

    last_conv: ClassVar[str]
    """Name of its last convolution."""


class BottleneckBlock(Block):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut."""

    last_conv = "conv3"

    def __init__(self, cfg: CspNetConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, width = plan.block_channels, plan.width
        self.conv1: Conv2dNormAct = _conv(cfg, channels, width, 1)
        self.conv2: Conv2dNormAct = _conv(
            cfg, width, width, 3, dilation=plan.dilation, groups=plan.groups
        )
        self.attn2: nn.Module = _attention(cfg, width)
        self.conv3: Conv2dNormAct = _conv(cfg, width, channels, 1, act=False)
        self.drop_path: DropPath = DropPath(drop_path_rate)
        self.act3: nn.Module = activation(cfg.act_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        branch = self.conv3(self.attn2(self.conv2(self.conv1(x))))
        return self.act3(self.drop_path(branch) + x)


class DarkBlock(Block):
    """1x1 and 3x3 convolutions beside a shortcut."""

    last_conv = "conv2"

    def __init__(self, cfg: CspNetConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, width = plan.block_channels, plan.width
        self.conv1: Conv2dNormAct = _conv(cfg, channels, width, 1)
        self.attn: nn.Module = _attention(cfg, width)
        self.conv2: Conv2dNormAct = _conv(
            cfg, width, channels, 3, dilation=plan.dilation, groups=plan.groups
        )
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.drop_path(self.conv2(self.attn(self.conv1(x)))) + x


class EdgeBlock(Block):
    """3x3 and 1x1 convolutions beside a shortcut."""

    last_conv = "conv2"

    def __init__(self, cfg: CspNetConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, width = plan.block_channels, plan.width
        self.conv1: Conv2dNormAct = _conv(
            cfg, channels, width, 3, dilation=plan.dilation, groups=plan.groups
        )
        self.attn: nn.Module = _attention(cfg, width)
        self.conv2: Conv2dNormAct = _conv(cfg, width, channels, 1)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.drop_path(self.conv2(self.attn(self.conv1(x)))) + x


_BLOCKS: dict[str, Callable[[CspNetConfig, StagePlan, float], nn.Module]] = {
    "bottle": BottleneckBlock,
    "dark": DarkBlock,
    "edge": EdgeBlock,
}


def _blocks(cfg: CspNetConfig, plan: StagePlan) -> Blocks:
    make = _BLOCKS[cfg.block_type]
    return Blocks(*(make(cfg, plan, rate) for rate in plan.drop_path_rates))


def _stem(cfg: CspNetConfig, plan: CspNetPlan) -> nn.Sequential:
    """Convolutions, of which the first may subsample, and a pooling."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    in_channels, stride = cfg.in_chans, min(cfg.stem_stride, 2)
    for number, channels in enumerate(plan.stem_channels, start=1):
        layer = _conv(cfg, in_channels, channels, cfg.stem_kernel_size, stride=stride)
        if cfg.stem_kernel_size == 6:
            layer.conv.padding = (2, 2)  # a map of exactly half the size, as patches of 2 give
        layers[f"conv{number}"] = layer
        in_channels, stride = channels, 1
    if cfg.stem_stride == 4:
        layers["pool"] = nn.MaxPool2d(3, stride=1 if cfg.aa_layer else 2, padding=1)
        if cfg.aa_layer:
            layers["aa"] = anti_alias(cfg.aa_layer, in_channels, 2)
    return nn.Sequential(layers)


def _downsample(cfg: CspNetConfig, plan: StagePlan) -> nn.Module:
    """A convolution that subsamples, or an average and a convolution."""
    channels, out_channels, groups = plan.in_channels, plan.down_channels, plan.groups
    if not plan.downsamples:
        return nn.Identity()
    if cfg.avg_down:
        pool = nn.AvgPool2d(2) if plan.stride == 2 else nn.Identity()
        return nn.Sequential(pool, _conv(cfg, channels, out_channels, 1, groups=groups))
    stride = 1 if cfg.aa_layer else plan.stride
    conv = _conv(
        cfg, channels, out_channels, 3, stride=stride, dilation=plan.first_dilation, groups=groups
    )
    if cfg.aa_layer is None or plan.stride == 1:
        return conv
    return FilteredConv(conv, anti_alias(cfg.aa_layer, out_channels, plan.stride))


def _conv(
    cfg: CspNetConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    act: bool = True,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Conv2dNormAct:
    return Conv2dNormAct(
        in_channels,
        out_channels,
        kernel_size,
        cfg.act_layer if act else None,
        norm_layer=cfg.norm_layer,
        stride=stride,
        dilation=dilation,
        groups=groups,
    )


def _attention(cfg: CspNetConfig, channels: int) -> nn.Module:
    if cfg.attn_layer is None:
        return nn.Identity()
    return SqueezeExcite(channels, reduced_channels(channels, cfg.rd_ratio), cfg.act_layer)
