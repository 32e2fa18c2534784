"""What the blocks of Inception networks are made of."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.config.inception import InceptionConfig
from typedvision.layers.fuse import Pairs
from typedvision.layers.norm_act import norm_act


class InceptionConv(nn.Module):
    """A convolution without a bias, a normalisation and an activation.

    Args:
        cfg: says which normalisation and activation.
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel, or its (height, width).
        stride: input positions for each output position, s.
        padded: whether the kernel reaches past the edges, so that it keeps the size; by default
            where the stride is 1.
    """

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    bn: nn.Module
    act: nn.Module

    def __init__(
        self,
        cfg: InceptionConfig,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int = 1,
        padded: bool | None = None,
    ) -> None:
        super().__init__()
        size = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
        padded = stride == 1 if padded is None else padded
        self.conv: nn.Conv2d = nn.Conv2d(
            in_channels,
            out_channels,
            size,
            stride=stride,
            padding=(size[0] // 2, size[1] // 2) if padded else 0,
            bias=False,
        )
        self.bn, self.act = norm_act(cfg.norm_layer, out_channels, cfg.act_layer, eps=cfg.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Branches that see the same map, and are joined: `branch0`, `branch1`, ...

    Args:
        branches: each takes (N, C, H, W) to (N, D_i, h, w).
    """

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.names: list[str] = [f"branch{number}" for number in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, sum of D_i, h, w)."""
        return torch.cat([getattr(self, name)(x) for name in self.names], dim=1)


def reduction(
    cfg: InceptionConfig, channels: int, widths: tuple[int, int, int], alone: int
) -> Branches:
    """One convolution alone, three of these widths, and a pooling, each of which halves the map
    (https://arxiv.org/abs/1602.07261, figure 7 and table 1)."""
    first, second, third = widths
    return Branches(
        InceptionConv(cfg, channels, alone, 3, stride=2),
        nn.Sequential(
            InceptionConv(cfg, channels, first, 1),
            InceptionConv(cfg, first, second, 3),
            InceptionConv(cfg, second, third, 3, stride=2),
        ),
        nn.MaxPool2d(3, stride=2),
    )


def pooled_branch(cfg: InceptionConfig, in_channels: int, out_channels: int) -> nn.Sequential:
    """An average of the 3 x 3 positions that are inside of the map, and a 1x1 convolution."""
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Sequential(pool, InceptionConv(cfg, in_channels, out_channels, 1))
