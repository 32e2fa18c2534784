"""CSPNeXt (https://arxiv.org/abs/2212.07784).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import Activation
from typedvision.families.cspnext.config import CspNextConfig, CspNextPlan, StagePlan
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import EffectiveSqueezeExcite
from typedvision.layers.drop import DropPath
from typedvision.layers.norm_act import Conv2dNormAct

PYRAMID = (5, 9, 13)
"""Windows of the poolings in the last stage."""


class CspNext(StagedModel, HeadModel):
    """A stem, four stages, pooling and a linear classifier."""

    def __init__(self, cfg: CspNextConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.stages[-1].channels

        self.stem: nn.Module = _stem(cfg, plan)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self._add_head(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.stem(x)
        yield x
        for stage in self.stages:
            x = stage(x)
            yield x

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        if coarse:
            return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}
        return {
            "stem": r"^stem",
            "blocks": [
                (r"^stages\.(\d+)\.\d+\.blocks\.(\d+)", None),
                (r"^stages\.(\d+)\.\d+\.(?:attention|final_conv)", LAST_GROUP),
                (r"^stages\.(\d+)", (0,)),
            ],
        }


class CspNextLayer(nn.Module):
    """Blocks of one half, beside another half that passes by; both are joined (figure 3a)."""

    def __init__(self, cfg: CspNextConfig, plan: StagePlan) -> None:
        super().__init__()
        channels, width, act = plan.channels, plan.width, cfg.act_layer
        self.short_conv: Conv2dNormAct = Conv2dNormAct(channels, width, 1, act)
        self.main_conv: Conv2dNormAct = Conv2dNormAct(channels, width, 1, act)
        self.blocks: Blocks = Blocks(*(CspNextBlock(plan, act, r) for r in plan.drop_path_rates))
        self.attention: nn.Module = nn.Identity()
        if cfg.channel_attention:
            self.attention = EffectiveSqueezeExcite(2 * width)
        self.final_conv: Conv2dNormAct = Conv2dNormAct(2 * width, channels, 1, act)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        joined = torch.cat((self.blocks(self.main_conv(x)), self.short_conv(x)), dim=1)
        return self.final_conv(self.attention(joined))


class CspNextBlock(nn.Module):
    """A 3x3 convolution, and a separable 5x5 one (figure 3b)."""

    def __init__(self, plan: StagePlan, act: Activation, drop_path_rate: float) -> None:
        super().__init__()
        width, dilation = plan.width, plan.dilation
        self.skip: bool = not plan.last
        self.conv1: Conv2dNormAct = Conv2dNormAct(width, width, 3, act, dilation=dilation)
        layers = {
            "depthwise_conv": Conv2dNormAct(width, width, 5, act, dilation=dilation, groups=width),
            "pointwise_conv": Conv2dNormAct(width, width, 1, act),
        }
        self.conv2: nn.Sequential = nn.Sequential(OrderedDict(layers))
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        branch = self.conv2(self.conv1(x))
        return x + self.drop_path(branch) if self.skip else branch


class SpatialPyramid(nn.Module):
    """A map joined with its maxima in windows of several sizes
    (https://arxiv.org/abs/1406.4729)."""

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        width = channels // 2
        self.conv1: Conv2dNormAct = Conv2dNormAct(channels, width, 1, act)
        self.poolings: nn.ModuleList = nn.ModuleList(
            nn.MaxPool2d(size, stride=1, padding=size // 2) for size in PYRAMID
        )
        self.conv2: Conv2dNormAct = Conv2dNormAct((1 + len(PYRAMID)) * width, channels, 1, act)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.poolings)], dim=1))


def _stem(cfg: CspNextConfig, plan: CspNextPlan) -> nn.Sequential:
    """Three 3x3 convolutions, of which the first subsamples."""
    first, second, third = plan.stem_channels
    return nn.Sequential(
        Conv2dNormAct(cfg.in_chans, first, 3, cfg.act_layer, stride=2),
        Conv2dNormAct(first, second, 3, cfg.act_layer),
        Conv2dNormAct(second, third, 3, cfg.act_layer),
    )


def _stage(cfg: CspNextConfig, plan: StagePlan) -> nn.Sequential:
    """A convolution that subsamples, in the last stage a pyramid, and blocks."""
    conv = Conv2dNormAct(
        plan.in_channels,
        plan.channels,
        3,
        cfg.act_layer,
        stride=plan.stride,
        dilation=plan.first_dilation,
    )
    pyramid = [SpatialPyramid(plan.channels, cfg.act_layer)] if plan.last else []
    return nn.Sequential(conv, *pyramid, CspNextLayer(cfg, plan))
