"""VGG (https://arxiv.org/abs/1409.1556).

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import ConvPool
from typedvision.families.vgg.config import HIDDEN, VGGConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.head import ClassifierHead
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    normal,
    zeros,
)
from typedvision.layers.norm import conv_norm


class VGG(ImageModel):
    """3x3 convolutions with max pooling between them, then three fully connected layers."""

    features: Layers

    def __init__(self, cfg: VGGConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].channels

        self.features = Layers(_layers(cfg), [stage.stop for stage in plan])
        self.pre_logits: ConvMlp = ConvMlp(cfg, self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.features(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H, W), (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        return self.features.outputs(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        return self.head(self.pre_logits(x), pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head: ClassifierHead = ClassifierHead(
            HIDDEN, num_classes, global_pool, drop_rate=self.drop_rate
        )
        self.head_hidden_size: int = self.head.features

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out, the classifier by a deviation of 0.01; biases by 0."""
        if isinstance(module, nn.Conv2d):
            return {"weight": kaiming_normal_fan_out(), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": normal(0.01), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The first convolution, then each layer."""
        return {"stem": r"^features\.0", "blocks": r"^features\.(\d+)"}


class Layers(Blocks):
    """Convolutions, normalisations, activations and poolings, one after the other.

    `grad_checkpointing` recomputes stages and not single layers: an activation overwrites what it
    is given, which its convolution is recomputed to.

    Args:
        layers: the layers.
        stops: for each stage, the number of layers up to its end.
    """

    def __init__(self, layers: Iterable[nn.Module], stops: Sequence[int]) -> None:
        super().__init__(*layers)
        self.stops = stops

    def forward(self, input: Tensor, *others: Tensor | None) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        for output in self.outputs(input):
            input = output
        return input

    def outputs(self, input: Tensor, *others: Tensor | None) -> Iterator[Tensor]:
        """The output of each stage, (N, D, H, W), ..., (N, D, H / 32, W / 32)."""
        for start, stop in pairwise((0, *self.stops)):
            layers = list(self)[start:stop]
            if self.grad_checkpointing:
                layers = [nn.Sequential(*layers)]
            for layer in layers:
                input = self._run(layer, input)
            yield input


def _stretched(x: Tensor) -> Tensor:
    """(N, C, H, W) to at least 7 positions in height and width."""
    height, width = x.shape[-2:]
    if min(height, width) >= 7:
        return x
    return F.adaptive_avg_pool2d(x, (max(height, 7), max(width, 7)))


torch.fx.wrap("_stretched")  # looks at sizes, which a symbolic trace cannot


class ConvMlp(nn.Module):
    """The first two fully connected layers, as convolutions (section 3.2); the first one's 7x7
    kernel spans the map of an image of 224 x 224 pixels."""

    def __init__(self, cfg: VGGConfig, in_channels: int) -> None:
        super().__init__()
        mid_channels = int(HIDDEN * cfg.mlp_ratio)
        self.fc1: nn.Conv2d = nn.Conv2d(in_channels, mid_channels, 7)
        self.act1: nn.Module = activation(cfg.act_layer)
        self.drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.fc2: nn.Conv2d = nn.Conv2d(mid_channels, HIDDEN, 1)
        self.act2: nn.Module = activation(cfg.act_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H - 6, W - 6); a smaller map is stretched to 7 positions."""
        x = self.drop(self.act1(self.fc1(_stretched(x))))
        return self.act2(self.fc2(x))


def _layers(cfg: VGGConfig) -> Iterator[nn.Module]:
    """The layers, one after the other, as the configuration writes them."""
    channels = cfg.in_chans
    for layer in cfg.cfg:
        if layer == "M":
            yield nn.MaxPool2d(2)
            continue
        yield nn.Conv2d(channels, layer, 3, padding=1)
        if cfg.norm_layer:
            yield conv_norm(cfg.norm_layer, layer)
        yield activation(cfg.act_layer)
        channels = layer
