"""DenseNet (https://arxiv.org/abs/1608.06993).

Shapes: N images, C channels in, D channels out, G channels that a layer adds, H x W positions,
K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.densenet.config import BlockPlan, DenseNetConfig, DenseNetPlan
from typedvision.layers.blocks import Blocks
from typedvision.layers.blur import BlurPool2d
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import Initializers, default_initializers, fan_in, normal, zeros
from typedvision.layers.norm_act import norm_act


class DenseNet(PooledModel):
    """A stem, dense blocks with transitions between them, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "classifier"
    classifier: nn.Linear | nn.Identity

    def __init__(self, cfg: DenseNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.blocks[-1].out_channels
        self.levels: set[str] = {info.name.removeprefix("features.") for info in self.feature_info}

        self.features: nn.Sequential = nn.Sequential(OrderedDict(_features(cfg, plan)))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.features(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        for name, module in self.features.named_children():
            x = module(x)
            if name in self.levels:
                yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-in (https://arxiv.org/abs/1502.01852); the classifier's bias
        by 0."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": normal(math.sqrt(2.0 / fan_in(module.weight)))}
        if isinstance(module, nn.Linear):
            return {**initializers, "bias": zeros}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each layer, or each block; the last normalisation belongs to the head."""
        blocks: list[object] = [
            (r"^features\.denseblock(\d+)\.denselayer(\d+)", None),
            (r"^features\.transition(\d+)", LAST_GROUP),
        ]
        if coarse:
            blocks = [(r"^features\.(?:denseblock|transition)(\d+)", None)]
        return {"stem": r"^features\.(?:conv|norm|act)[012]", "blocks": blocks}


class DenseBlock(Blocks):
    """Layers, each of which sees the input and the output of every layer before it (equation 2).

    With `grad_checkpointing`, what a block keeps for the backward pass grows with its depth, and
    not with the square of it (https://arxiv.org/abs/1707.06990).
    """

    def __init__(self, cfg: DenseNetConfig, plan: BlockPlan) -> None:
        layers = (DenseLayer(cfg, channels, plan.width) for channels in plan.layers)
        named = ((f"denselayer{number}", layer) for number, layer in enumerate(layers, start=1))
        super().__init__(OrderedDict(named))

    def forward(self, input: Tensor, *others: Tensor | None) -> Tensor:
        """(N, C, H, W) to (N, D, H, W), whose first C channels are the input."""
        maps = [input]
        for layer in self:
            maps.append(layer(*maps, recompute=self.grad_checkpointing and self.training))
        return torch.cat(maps, dim=1)


class DenseLayer(nn.Module):
    """A 1x1 convolution to a bottleneck, and a 3x3 one (section 3, DenseNet-B)."""

    folds: ClassVar[Pairs] = (("conv1", "norm2"),)

    norm1: nn.Module
    act1: nn.Module
    norm2: nn.Module
    act2: nn.Module

    def __init__(self, cfg: DenseNetConfig, in_channels: int, width: int) -> None:
        super().__init__()
        self.norm1, self.act1 = norm_act(cfg.norm_layer, in_channels, cfg.act_layer)
        self.conv1: nn.Conv2d = conv2d(in_channels, width, 1)
        self.norm2, self.act2 = norm_act(cfg.norm_layer, width, cfg.act_layer)
        self.conv2: nn.Conv2d = conv2d(width, cfg.growth_rate, 3)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, *maps: Tensor, recompute: bool = False) -> Tensor:
        """Maps (N, C, H, W) and (N, G, H, W) to one more, (N, G, H, W).

        `recompute` keeps the maps, which all layers share, and not what the bottleneck makes of
        them.
        """
        if recompute:
            x = checkpoint(self._bottleneck, *maps, use_reentrant=False)
        else:
            x = self._bottleneck(*maps)
        return self.drop(self.conv2(self.act2(self.norm2(x))))

    def _bottleneck(self, *maps: Tensor) -> Tensor:
        return self.conv1(self.act1(self.norm1(torch.cat(maps, dim=1))))


def _features(cfg: DenseNetConfig, plan: DenseNetPlan) -> Iterator[tuple[str, nn.Module]]:
    """What comes before the head, one module after the other."""
    yield from _stem(cfg, plan.stem)
    yield "pool0", _stem_pool(cfg, plan.stem[-1])
    *inner, last = plan.blocks
    for number, block in enumerate(inner, start=1):
        yield f"denseblock{number}", DenseBlock(cfg, block)
        yield f"transition{number}", _transition(cfg, block.out_channels)
    yield f"denseblock{len(plan.blocks)}", DenseBlock(cfg, last)
    yield from _norm_act(cfg, last.out_channels, "5")


def _stem(cfg: DenseNetConfig, channels: tuple[int, ...]) -> Iterator[tuple[str, nn.Module]]:
    """One 7x7 convolution, or three 3x3 ones, each normalised."""
    kernel_size = 7 if cfg.stem_type == "" else 3
    for number, (before, after) in enumerate(pairwise((cfg.in_chans, *channels))):
        stride = 2 if number == 0 else 1
        yield f"conv{number}", conv2d(before, after, kernel_size, stride=stride)
        yield from _norm_act(cfg, after, str(number))


def _stem_pool(cfg: DenseNetConfig, channels: int) -> nn.Module:
    if cfg.aa_layer is None:
        return nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _blur(cfg, channels))


def _transition(cfg: DenseNetConfig, channels: int) -> nn.Sequential:
    """Halves the channels, the height and the width (section 3, pooling layers)."""
    layers = {
        **dict(_norm_act(cfg, channels)),
        "conv": conv2d(channels, channels // 2, 1),
        "pool": nn.AvgPool2d(2) if cfg.aa_stem_only else _blur(cfg, channels // 2),
    }
    return nn.Sequential(OrderedDict(layers))


def _blur(cfg: DenseNetConfig, channels: int) -> nn.Module:
    return BlurPool2d(channels, 2, constant=cfg.aa_layer == "blurpc")


def _norm_act(
    cfg: DenseNetConfig, channels: int, number: str = ""
) -> Iterator[tuple[str, nn.Module]]:
    norm, act = norm_act(cfg.norm_layer, channels, cfg.act_layer)
    yield f"norm{number}", norm
    yield f"act{number}", act
