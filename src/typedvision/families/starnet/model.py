"""StarNet (https://arxiv.org/abs/2403.19967).

Shapes: N images, C channels in, D channels out, E channels of a product, H x W positions, K
classes.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.pooled_model import PooledModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.starnet.config import StagePlan, StarNetConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    torch_linear,
    trunc_normal,
    zeros,
)


class StarNet(StagedModel, PooledModel):
    """A stem, four stages of blocks, a normalisation, pooling and a linear classifier
    (figure 2)."""

    classifier_name: ClassVar[str] = "head"
    head: nn.Linear | nn.Identity

    def __init__(self, cfg: StarNetConfig) -> None:
        super().__init__(cfg)
        stages = cfg.plan()
        self.num_features: int = stages[-1].channels

        stem = ConvNorm(cfg.in_chans, stages[0].in_channels, 3, stride=2)
        self.stem: nn.Module = nn.Sequential(stem, activation(cfg.act_layer))
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in stages))
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a deviation of 0.02; the classifier's bias by 0."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if isinstance(module, nn.Conv2d):
            return {**torch_linear(module), "weight": trunc_normal(0.02)}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; the normalisation belongs to the last."""
        block = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"
        return {"stem": r"^stem\.\d+", "blocks": [(block, None), (r"norm", LAST_GROUP)]}


class StarBlock(nn.Module):
    """A depthwise convolution, a product of two linear layers, a linear layer and a depthwise
    convolution, beside a shortcut (figure 2)."""

    def __init__(self, cfg: StarNetConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, hidden = plan.channels, plan.hidden
        self.dwconv: ConvNorm = ConvNorm(channels, channels, 7, groups=channels)
        self.f1: ConvNorm = ConvNorm(channels, hidden, 1, norm=False)
        self.f2: ConvNorm = ConvNorm(channels, hidden, 1, norm=False)
        self.g: ConvNorm = ConvNorm(hidden, channels, 1)
        self.dwconv2: ConvNorm = ConvNorm(channels, channels, 7, groups=channels, norm=False)
        self.act: nn.Module = activation(cfg.act_layer)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = self.dwconv(x)
        product = self.act(self.f1(y)) * self.f2(y)
        return x + self.drop_path(self.dwconv2(self.g(product)))


class ConvNorm(nn.Sequential):
    """A convolution with a bias, `conv`, and a batch normalisation, `bn`.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        stride: input positions for each output position, s.
        groups: groups of the convolution.
        norm: whether there is a normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        norm: bool = True,
    ) -> None:
        super().__init__()
        conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=True
        )
        self.add_module("conv", conv)
        if norm:
            self.add_module("bn", nn.BatchNorm2d(out_channels))


def _stage(cfg: StarNetConfig, plan: StagePlan) -> Blocks:
    """A convolution that subsamples, and blocks."""
    return Blocks(
        ConvNorm(plan.in_channels, plan.channels, 3, stride=2),
        *(StarBlock(cfg, plan, rate) for rate in plan.drop_path_rates),
    )
