"""RDNet (https://arxiv.org/abs/2403.19588).

Shapes: N images, C channels in, D channels, G channels that a block adds, H x W positions, K
classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.families.rdnet.config import RDNetConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import EffectiveSqueezeExcite
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    fan_in,
    normal,
    scaled,
    torch_linear,
    zeros,
)
from typedvision.layers.norm import conv_norm


class RDNet(HeadModel):
    """A stem, stages of blocks that add channels, pooling and a linear classifier (figure 2)."""

    def __init__(self, cfg: RDNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.channels
        self.head_init_scale: float = cfg.head_init_scale
        self._ends: tuple[bool, ...] = tuple(stage.ends for stage in plan.stages)
        last_norm = _norm(cfg, self.num_features)

        self.stem: nn.Sequential = _stem(cfg)
        self.dense_stages: nn.Sequential = nn.Sequential(
            *(_stage(cfg, stage) for stage in plan.stages)
        )
        self.norm_pre: nn.Module = last_norm if cfg.head_norm_first else nn.Identity()
        self._add_head(
            cfg.num_classes, cfg.global_pool, norm=None if cfg.head_norm_first else last_norm
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.norm_pre(self.dense_stages(self.stem(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 4, W / 4), ..., (N, D, H / 32, W / 32)."""
        x = self.stem(x)
        for stage, ends in zip(self.dense_stages, self._ends, strict=False):
            x = stage(x)
            if ends:
                yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The normalisation, where it stands before the pooling."""
        return self.norm_pre(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level by the normalisation before the pooling; no other level has one."""
        return self.norm_pre(x) if level == len(self.feature_info) - 1 else x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their inputs (https://arxiv.org/abs/1502.01852, equation 10)."""
        if isinstance(module, nn.Conv2d):
            weight = normal(math.sqrt(2.0 / fan_in(module.weight)))
            return {**torch_linear(module), "weight": weight}
        if isinstance(module, nn.Linear):
            weight = scaled(torch_linear(module)["weight"], self.head_init_scale)
            return {"weight": weight, "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each stage."""
        return {"stem": r"^stem", "blocks": r"^dense_stages\.(\d+)"}


class DenseBlock(nn.Module):
    """Adds to a map the channels that its layers make of it.

    Args:
        cfg: the model's config.
        plan: the stage's numbers.
        index: which block of the stage it is.
    """

    def __init__(self, cfg: RDNetConfig, plan: StagePlan, index: int) -> None:
        super().__init__()
        self.ls_init_value: float = cfg.ls_init_value
        self.gamma: nn.Parameter | None = (
            nn.Parameter(torch.empty(plan.growth)) if cfg.ls_init_value else None
        )
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.layers: nn.Sequential = _layers(cfg, plan, index)

    def initializers(self) -> Initializers:
        """LayerScale's factor."""
        return {"gamma": constant(self.ls_init_value)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to (N, D + G, H, W)."""
        new = self.layers(x)
        if self.gamma is not None:
            new = new * self.gamma[:, None, None]
        return torch.cat((x, self.drop_path(new)), dim=1)


class DenseStage(Blocks):
    """Blocks that add channels, by the names `dense_block0`, `dense_block1` and so on."""

    def __init__(self, cfg: RDNetConfig, plan: StagePlan) -> None:
        blocks = {
            f"dense_block{index}": DenseBlock(cfg, plan, index) for index in range(len(plan.widths))
        }
        super().__init__(OrderedDict(blocks))


def _layers(cfg: RDNetConfig, plan: StagePlan, index: int) -> nn.Sequential:
    """A depthwise convolution, a normalisation and an inverted bottleneck (figure 2)."""
    width, hidden = plan.widths[index], plan.hidden[index]
    layers = [
        conv2d(width, width, 7, groups=width, bias=True),
        _norm(cfg, width),
        nn.Conv2d(width, hidden, 1),
        activation(cfg.act_layer),
        nn.Conv2d(hidden, plan.growth, 1),
    ]
    if plan.gated:
        layers.append(EffectiveSqueezeExcite(plan.growth))
    return nn.Sequential(OrderedDict(layers=nn.Sequential(*layers)))


def _stage(cfg: RDNetConfig, plan: StagePlan) -> nn.Sequential:
    """A transition, then blocks."""
    blocks, stride = DenseStage(cfg, plan), plan.stride
    if not plan.transition:
        return nn.Sequential(blocks)
    conv = nn.Conv2d(plan.in_channels, plan.channels, stride, stride=stride)
    return nn.Sequential(_norm(cfg, plan.in_channels), conv, blocks)


def _stem(cfg: RDNetConfig) -> nn.Sequential:
    """Patches by one convolution, or two convolutions that subsample by two each."""
    channels, size, bias = cfg.num_init_features, cfg.patch_size, cfg.conv_bias
    norm = _norm(cfg, channels)
    if cfg.stem_type == "patch":
        return nn.Sequential(nn.Conv2d(cfg.in_chans, channels, size, stride=size, bias=bias), norm)
    first = conv2d(cfg.in_chans, channels, 3, stride=2, bias=bias)
    return nn.Sequential(first, conv2d(channels, channels, 3, stride=2, bias=bias), norm)


def _norm(cfg: RDNetConfig, channels: int) -> nn.Module:
    return conv_norm(cfg.norm_layer, channels, cfg.norm_eps)
