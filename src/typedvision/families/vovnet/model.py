"""VoVNet (https://arxiv.org/abs/1904.09730) and its second version
(https://arxiv.org/abs/1911.06667).

Shapes: N images, C channels in, D channels out, M channels inside, H x W positions, s stride,
K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.vovnet.config import BlockPlan, VovNetConfig
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import channel_attention
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    zeros,
)
from typedvision.layers.norm_act import Conv2dNormAct, SeparableConv2dNormAct


class VovNet(StagedModel, HeadModel):
    """A stem, four stages of aggregations, pooling and a linear classifier."""

    def __init__(self, cfg: VovNetConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.stage_out_chs[-1]

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(
            *(_stage(cfg, blocks, pools=stage > 0) for stage, blocks in enumerate(cfg.plan()))
        )
        self._add_head(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        for number, conv in enumerate(self.stem.children()):
            x = conv(x)
            if number == 1:
                yield x
        for stage in self.stages:
            x = stage(x)
            yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out; the classifier's bias by 0."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        if isinstance(module, nn.Linear):
            return {**initializers, "bias": zeros}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        blocks = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+).blocks\.(\d+)"
        return {"stem": r"^stem", "blocks": blocks}


class Aggregation(nn.Module):
    """Convolutions in a row, and a 1x1 one that sees the input and the output of each (figure 1b
    of the first paper, figure 2 of the second)."""

    def __init__(self, cfg: VovNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.residual: bool = plan.residual
        self.conv_reduction: nn.Module = nn.Identity()
        first = plan.in_channels
        if plan.reduces:
            self.conv_reduction = _conv(cfg, plan.in_channels, plan.width, kernel_size=1)
            first = plan.width
        self.conv_mid: ConvRow = ConvRow(cfg, first, plan.width)
        channels = plan.in_channels + cfg.layer_per_block * plan.width
        self.conv_concat: nn.Module = _conv(cfg, channels, plan.out_channels, kernel_size=1)
        self.attn: nn.Module = nn.Identity()
        if cfg.attn is not None and plan.attends:
            self.attn = channel_attention(cfg.attn, plan.out_channels)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        maps = self.conv_mid(self.conv_reduction(x))
        y = self.attn(self.conv_concat(torch.cat((x, *maps), dim=1)))
        return x + self.drop_path(y) if self.residual else y


class ConvRow(nn.Sequential):
    """Convolutions, one after the other, each of whose outputs counts."""

    def __init__(self, cfg: VovNetConfig, in_channels: int, width: int) -> None:
        first = _spatial_conv(cfg, in_channels, width)
        others = (_spatial_conv(cfg, width, width) for _ in range(cfg.layer_per_block - 1))
        super().__init__(first, *others)

    def forward(self, input: Tensor) -> list[Tensor]:
        """(N, C, H, W) to a map (N, M, H, W) of each convolution."""
        maps = []
        for conv in self:
            input = conv(input)
            maps.append(input)
        return maps


def _stem(cfg: VovNetConfig) -> nn.Sequential:
    """Three convolutions, of which the first and the last subsample."""
    first, second, third = cfg.stem_chs
    return nn.Sequential(
        _conv(cfg, cfg.in_chans, first, stride=2),
        _spatial_conv(cfg, first, second),
        _spatial_conv(cfg, second, third, stride=2),
    )


def _stage(cfg: VovNetConfig, blocks: tuple[BlockPlan, ...], *, pools: bool) -> nn.Sequential:
    """A pooling, which the first stage has none of, then blocks."""
    parts: dict[str, nn.Module] = {}
    if pools:
        parts["pool"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    parts["blocks"] = Blocks(*(Aggregation(cfg, block) for block in blocks))
    return nn.Sequential(OrderedDict(parts))


def _conv(
    cfg: VovNetConfig, in_channels: int, out_channels: int, *, kernel_size: int = 3, stride: int = 1
) -> nn.Module:
    return Conv2dNormAct(
        in_channels,
        out_channels,
        kernel_size,
        cfg.act_layer,
        norm_layer=cfg.norm_layer,
        stride=stride,
    )


def _spatial_conv(
    cfg: VovNetConfig, in_channels: int, out_channels: int, *, stride: int = 1
) -> nn.Module:
    if not cfg.depthwise:
        return _conv(cfg, in_channels, out_channels, stride=stride)
    return SeparableConv2dNormAct(
        in_channels, out_channels, 3, cfg.act_layer, norm_layer=cfg.norm_layer, stride=stride
    )
