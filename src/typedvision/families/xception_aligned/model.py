"""Aligned Xception (https://arxiv.org/abs/1802.02611, figure 4).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.families.xception_aligned.config import (
    STEM_CHANNELS,
    BlockPlan,
    XceptionAlignedConfig,
)
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.norm_act import Conv2dNormAct, norm_act


class XceptionAligned(HeadModel):
    """Two convolutions, residual blocks, pooling and a linear classifier."""

    folds: ClassVar[Pairs] = (("stem.1", "blocks.0.norm"),)

    def __init__(self, cfg: XceptionAlignedConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].widths[-1]

        first, second = STEM_CHANNELS
        self.stem: nn.Sequential = nn.Sequential(
            _conv(cfg, cfg.in_chans, first, 3, stride=2),
            conv2d(first, second, 3) if cfg.preact else _conv(cfg, first, second, 3),
        )
        self.blocks: Blocks = Blocks(*(Block(cfg, block) for block in plan))
        self.act: nn.Module = nn.Identity()
        if cfg.preact:
            self.act = activation(cfg.act_layer, inplace=False)  # the last level stays as it is
        self._add_head(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self._finish(self.blocks(self.stem(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.stem(x)
        for block in self.blocks:
            if isinstance(block, Block) and block.has_level:
                x = block.normalize(x)
                inner = block.inner(x)
                yield inner
                x = block.finish(inner, x)
            else:
                x = block(x)
        yield x

    def _finish(self, x: Tensor) -> Tensor:
        return self.act(x)

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The shortcut of the block in which the level lies."""
        block, _, inside = level.partition(".stack.")
        return (f"{block}.shortcut",) if inside else ()

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}


class Block(nn.Module):
    """Three separable convolutions, of which the last may subsample, beside a shortcut."""

    def __init__(self, cfg: XceptionAlignedConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.has_level: bool = plan.has_level
        self.skip: bool = plan.skip
        self.shortcut: nn.Module = _shortcut(cfg, plan)
        self.norm: nn.Module = nn.Identity()
        self.act: nn.Module = nn.Identity()
        if cfg.preact:
            self.norm, self.act = _norm_act(cfg, plan.in_channels)
        self.stack: nn.Sequential = _stack(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.folds: Pairs = (("stack.conv1.conv_pw", "stack.conv2.norm"),)
        if not plan.has_level:  # else what the last convolution sees stays as it is
            self.folds += (("stack.conv2.conv_pw", "stack.conv3.norm"),)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        x = self.normalize(x)
        return self._add(self.stack(x), x)

    def normalize(self, x: Tensor) -> Tensor:
        """What both branches see, (N, C, H, W)."""
        return self.act(self.norm(x))

    def inner(self, x: Tensor) -> Tensor:
        """What the last convolution sees, (N, D, H, W), of a normalised input."""
        for name, layer in self.stack.named_children():
            if name != "conv3":
                x = layer(x)
        return x

    def finish(self, inner: Tensor, x: Tensor) -> Tensor:
        """The output, of what the last convolution sees and of the normalised input."""
        return self._add(self.stack[-1](inner), x)

    def _add(self, branch: Tensor, x: Tensor) -> Tensor:
        branch = self.drop_path(branch)
        return branch + self.shortcut(x) if self.skip else branch


def _stack(cfg: XceptionAlignedConfig, plan: BlockPlan) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    in_channels = plan.in_channels
    for number, width in enumerate(plan.widths, start=1):
        stride = plan.stride if number == 3 else 1
        if cfg.preact:
            layers[f"conv{number}"] = PreSeparableConv2d(
                cfg, in_channels, width, stride, plan.dilation, norm=number > 1
            )
        else:
            if plan.opens:  # the first one leaves the shortcut's input as it is
                layers[f"act{number}"] = activation(cfg.act_layer, inplace=number > 1)
            layers[f"conv{number}"] = SeparableConv2d(
                cfg, in_channels, width, stride, plan.dilation, act=not plan.opens
            )
        in_channels = width
    return nn.Sequential(layers)


class SeparableConv2d(nn.Module):
    """A depthwise 3x3 convolution and a 1x1 one, each normalised."""

    folds: ClassVar[Pairs] = (("conv_dw", "bn_dw"), ("conv_pw", "bn_pw"))

    def __init__(
        self,
        cfg: XceptionAlignedConfig,
        in_channels: int,
        out_channels: int,
        stride: int,
        dilation: int,
        *,
        act: bool,
    ) -> None:
        super().__init__()
        follows = cfg.act_layer if act else None
        self.conv_dw: nn.Conv2d = conv2d(
            in_channels, in_channels, 3, stride=stride, dilation=dilation, groups=in_channels
        )
        self.bn_dw: nn.Module
        self.act_dw: nn.Module
        self.bn_pw: nn.Module
        self.act_pw: nn.Module
        self.bn_dw, self.act_dw = norm_act(cfg.norm_layer, in_channels, follows, eps=cfg.norm_eps)
        self.conv_pw: nn.Conv2d = conv2d(in_channels, out_channels, 1)
        self.bn_pw, self.act_pw = norm_act(cfg.norm_layer, out_channels, follows, eps=cfg.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        x = self.act_dw(self.bn_dw(self.conv_dw(x)))
        return self.act_pw(self.bn_pw(self.conv_pw(x)))


class PreSeparableConv2d(nn.Module):
    """A normalisation with an activation, a depthwise 3x3 convolution and a 1x1 one."""

    def __init__(
        self,
        cfg: XceptionAlignedConfig,
        in_channels: int,
        out_channels: int,
        stride: int,
        dilation: int,
        *,
        norm: bool,
    ) -> None:
        super().__init__()
        self.norm: nn.Module = nn.Identity()
        self.act: nn.Module = nn.Identity()
        if norm:
            self.norm, self.act = _norm_act(cfg, in_channels)
        self.conv_dw: nn.Conv2d = conv2d(
            in_channels, in_channels, 3, stride=stride, dilation=dilation, groups=in_channels
        )
        self.conv_pw: nn.Conv2d = conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.conv_pw(self.conv_dw(self.act(self.norm(x))))


def _shortcut(cfg: XceptionAlignedConfig, plan: BlockPlan) -> nn.Module:
    """The identity, or a convolution where the shape changes."""
    channels, out_channels = plan.in_channels, plan.widths[-1]
    if not plan.projects:
        return nn.Identity()
    if cfg.preact:
        return conv2d(channels, out_channels, 1, stride=plan.stride)
    return _conv(cfg, channels, out_channels, 1, act=False, stride=plan.stride)


def _conv(
    cfg: XceptionAlignedConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    act: bool = True,
    stride: int = 1,
) -> Conv2dNormAct:
    return Conv2dNormAct(
        in_channels,
        out_channels,
        kernel_size,
        cfg.act_layer if act else None,
        norm_layer=cfg.norm_layer,
        eps=cfg.norm_eps,
        stride=stride,
    )


def _norm_act(cfg: XceptionAlignedConfig, channels: int) -> tuple[nn.Module, nn.Module]:
    return norm_act(cfg.norm_layer, channels, cfg.act_layer, eps=cfg.norm_eps)
