"""DenseNet (https://arxiv.org/abs/1608.06993).

Shapes: N images, C channels in, D channels out, G channels that a layer adds, H x W positions,
K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import ConvPool
from typedvision.families.densenet.config import BlockPlan, DenseNetConfig
from typedvision.layers.blur import BlurPool2d
from typedvision.layers.conv import conv2d
from typedvision.layers.init import Inits, default_inits, fan_in, normal, zeros
from typedvision.layers.norm_act import norm_act
from typedvision.layers.pool import GlobalPool, pooled_features


class DenseNet(ImageModel):
    """A stem, dense blocks with transitions between them, pooling and a linear classifier."""

    def __init__(self, cfg: DenseNetConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.plan().blocks[-1].out_channels
        self.drop_rate: float = cfg.drop_rate
        self.levels: set[str] = {info.name.removeprefix("features.") for info in self.feature_info}

        self.features: nn.Sequential = nn.Sequential(OrderedDict(_features(cfg)))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        for name, module in self.features.named_children():
            x = module(x)
            if name in self.levels:
                yield x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.head_drop(self.global_pool(x))
        return x if pre_logits else self.classifier(x)

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.classifier

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.classifier: nn.Module = nn.Identity()
        if num_classes:
            self.classifier = nn.Linear(self.head_hidden_size, num_classes)

    def inits(self, path: str, module: nn.Module) -> Inits:
        """Convolutions by their fan-in (https://arxiv.org/abs/1502.01852); the classifier's bias
        by 0."""
        inits = default_inits(module)
        if isinstance(module, nn.Conv2d):
            return {**inits, "weight": normal(math.sqrt(2.0 / fan_in(module.weight)))}
        if isinstance(module, nn.Linear):
            return {**inits, "bias": zeros}
        return inits

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each layer, or each block; the last normalisation belongs to the head."""
        blocks: list[object] = [
            (r"^features\.denseblock(\d+)\.denselayer(\d+)", None),
            (r"^features\.transition(\d+)", (99999,)),
        ]
        if coarse:
            blocks = [(r"^features\.(?:denseblock|transition)(\d+)", None)]
        return {
            "stem": r"^features\.conv[012]|features\.norm[012]",
            "blocks": blocks,
        }

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each layer in the backward pass, so that what a block keeps grows with its
        depth and not with the square of it (https://arxiv.org/abs/1707.06990)."""
        super().set_grad_checkpointing(enable)
        for module in self.features:
            if isinstance(module, DenseBlock):
                module.grad_checkpointing = enable


class DenseBlock(nn.Module):
    """Layers, each of which sees the input and the output of every layer before it (equation 2)."""

    def __init__(self, cfg: DenseNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.grad_checkpointing = False
        for number, channels in enumerate(plan.layers, start=1):
            self.add_module(f"denselayer{number}", DenseLayer(cfg, channels, plan.width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W), which begins with the input."""
        maps = [x]
        for layer in self.children():
            if self.grad_checkpointing and self.training:
                maps.append(checkpoint(layer, *maps, use_reentrant=False))
            else:
                maps.append(layer(*maps))
        return torch.cat(maps, dim=1)


class DenseLayer(nn.Module):
    """A 1x1 convolution to a bottleneck, and a 3x3 one (section 3, DenseNet-B)."""

    def __init__(self, cfg: DenseNetConfig, in_channels: int, width: int) -> None:
        super().__init__()
        self.norm1: nn.Module = norm_act(cfg.norm_layer, in_channels, cfg.act_layer)
        self.conv1: nn.Conv2d = conv2d(in_channels, width, 1)
        self.norm2: nn.Module = norm_act(cfg.norm_layer, width, cfg.act_layer)
        self.conv2: nn.Conv2d = conv2d(width, cfg.growth_rate, 3)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) and (N, G, H, W) to one more, (N, G, H, W)."""
        x = torch.cat(maps, dim=1)
        x = self.conv1(self.norm1(x))
        x = self.conv2(self.norm2(x))
        return self.drop(x)


def _features(cfg: DenseNetConfig) -> Iterator[tuple[str, nn.Module]]:
    """What comes before the head, one module after the other."""
    plan = cfg.plan()
    yield from _stem(cfg)
    yield "pool0", _stem_pool(cfg, plan.stem[-1])
    *inner, last = plan.blocks
    for number, block in enumerate(inner, start=1):
        yield f"denseblock{number}", DenseBlock(cfg, block)
        yield f"transition{number}", _transition(cfg, block.out_channels)
    yield f"denseblock{len(plan.blocks)}", DenseBlock(cfg, last)
    yield "norm5", norm_act(cfg.norm_layer, last.out_channels, cfg.act_layer)


def _stem(cfg: DenseNetConfig) -> Iterator[tuple[str, nn.Module]]:
    """One 7x7 convolution, or three 3x3 ones, each normalised."""
    channels = cfg.in_chans, *cfg.plan().stem
    kernel_size = 7 if cfg.stem_type == "" else 3
    for number, (before, after) in enumerate(pairwise(channels)):
        stride = 2 if number == 0 else 1
        yield f"conv{number}", conv2d(before, after, kernel_size, stride=stride)
        yield f"norm{number}", norm_act(cfg.norm_layer, after, cfg.act_layer)


def _stem_pool(cfg: DenseNetConfig, channels: int) -> nn.Module:
    if cfg.aa_layer is None:
        return nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _blur(cfg, channels))


def _transition(cfg: DenseNetConfig, channels: int) -> nn.Sequential:
    """Halves the channels, the height and the width (section 3, pooling layers)."""
    layers = {
        "norm": norm_act(cfg.norm_layer, channels, cfg.act_layer),
        "conv": conv2d(channels, channels // 2, 1),
        "pool": nn.AvgPool2d(2) if cfg.aa_stem_only else _blur(cfg, channels // 2),
    }
    return nn.Sequential(OrderedDict(layers))


def _blur(cfg: DenseNetConfig, channels: int) -> nn.Module:
    return BlurPool2d(channels, 2, constant=cfg.aa_layer == "blurpc")
