"""FasterNet (https://arxiv.org/abs/2303.03667).

Shapes: N images, C channels in, D channels out, H x W positions, p patch size, F features, K
classes.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.pooled_conv_model import PooledConvModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.fasternet.config import FasterNetConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.norm import conv_norm


class FasterNet(StagedModel, PooledConvModel):
    """Patches, four stages of blocks, pooling, a pointwise convolution and a linear classifier
    (figure 4)."""

    stem_name: ClassVar[str] = "patch_embed"
    last_layer: ClassVar[str | None] = "conv_head"

    def __init__(self, cfg: FasterNetConfig) -> None:
        super().__init__(cfg)
        stages = cfg.plan()
        self.num_features: int = stages[-1].channels
        self.head_hidden_size: int = cfg.feature_dim

        self.patch_embed: Patches = Patches(
            cfg, cfg.in_chans, stages[0].channels, cfg.patch_size, "proj", norm=cfg.patch_norm
        )
        self.stages: nn.Sequential = nn.Sequential(
            *(Stage(cfg, stage, first=index == 0) for index, stage in enumerate(stages))
        )
        self.conv_head: nn.Conv2d | nn.Identity = conv2d(self.num_features, cfg.feature_dim, 1)
        self.act: nn.Module = activation(cfg.act_layer)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a deviation of 0.02, biases by 0."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def _hidden(self, x: Tensor) -> Tensor:
        """The convolution and the activation."""
        return self.act(self.conv_head(x))


class Stage(nn.Module):
    """Patches that are merged, except in the first stage, and blocks."""

    def __init__(self, cfg: FasterNetConfig, plan: StagePlan, *, first: bool) -> None:
        super().__init__()
        self.blocks: Blocks = Blocks(*(Block(cfg, plan, rate) for rate in plan.drop_path_rates))
        self.downsample: nn.Module = nn.Identity()
        if not first:
            self.downsample = Patches(
                cfg, plan.channels // 2, plan.channels, cfg.merge_size, "reduction"
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / p, W / p)."""
        return self.blocks(self.downsample(x))


class Block(nn.Module):
    """A partial convolution and an MLP, beside a shortcut (figure 4)."""

    def __init__(self, cfg: FasterNetConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, hidden = plan.channels, plan.hidden
        self.factor: float = cfg.layer_scale_init_value
        self.layer_scale: nn.Parameter | None = (
            nn.Parameter(torch.empty(channels)) if self.factor else None
        )
        self.mlp: nn.Sequential = nn.Sequential(
            conv2d(channels, hidden, 1),
            conv_norm(cfg.norm_layer, hidden),
            activation(cfg.act_layer),
            conv2d(hidden, channels, 1),
        )
        self.spatial_mixing: PartialConv = PartialConv(channels, plan.mixed)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def initializers(self) -> Initializers:
        """LayerScale's factor."""
        return {"layer_scale": constant(self.factor)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        branch = self.mlp(self.spatial_mixing(x))
        if self.layer_scale is not None:
            branch = branch * self.layer_scale[:, None, None]
        return x + self.drop_path(branch)


class PartialConv(nn.Module):
    """A 3x3 convolution of the first channels; the others stay as they are (section 3.2).

    Args:
        channels: C.
        mixed: how many of them take part.
    """

    def __init__(self, channels: int, mixed: int) -> None:
        super().__init__()
        self.parts: list[int] = [mixed, channels - mixed]
        self.partial_conv3: nn.Conv2d = conv2d(mixed, mixed, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        mixed, rest = torch.split(x, self.parts, dim=1)
        return torch.cat((self.partial_conv3(mixed), rest), dim=1)


class Patches(nn.Sequential):
    """A convolution of separate patches, and a normalisation, `norm`.

    Args:
        cfg: says which normalisation.
        in_channels: C.
        out_channels: D.
        size: height and width of a patch, p.
        name: name of the convolution.
        norm: whether there is a normalisation.
    """

    def __init__(
        self,
        cfg: FasterNetConfig,
        in_channels: int,
        out_channels: int,
        size: int,
        name: str,
        *,
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.add_module(name, nn.Conv2d(in_channels, out_channels, size, size, bias=False))
        if norm:
            self.add_module("norm", conv_norm(cfg.norm_layer, out_channels))
