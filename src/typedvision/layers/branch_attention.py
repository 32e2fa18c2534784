"""Attention over branches: several convolutions of a map, and how much of each passes.

Every module takes (N, C, H, W) to the same shape. C is even.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.layers.conv import conv2d
from typedvision.layers.norm_act import Conv2dNormAct


class SelectiveKernel(nn.Module):
    """SK (https://arxiv.org/abs/1903.06586, figure 1): half of the channels seen by a 3x3 kernel,
    the other half by a dilated one; each output channel selects between both.

    Args:
        channels: C.
        reduced: channels inside of the selection.
    """

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.paths: nn.ModuleList = nn.ModuleList(
            Conv2dNormAct(channels // 2, channels, 3, "relu", dilation=dilation)
            for dilation in (1, 2)
        )
        self.attn: _Selection = _Selection(channels, reduced)

    def forward(self, x: Tensor) -> Tensor:
        """Split, fuse and select."""
        halves = x.chunk(2, dim=1)
        branches = torch.stack([path(y) for path, y in zip(self.paths, halves, strict=True)], 1)
        return (branches * self.attn(branches)).sum(1)


class _Selection(nn.Module):
    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.fc_reduce: nn.Conv2d = nn.Conv2d(channels, reduced, 1, bias=False)
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(reduced)
        self.act: nn.ReLU = nn.ReLU(inplace=True)
        self.fc_select: nn.Conv2d = nn.Conv2d(reduced, 2 * channels, 1, bias=False)

    def forward(self, branches: Tensor) -> Tensor:
        """(N, 2, C, H, W) to the weights of both branches, (N, 2, C, 1, 1)."""
        fused = branches.sum(1).mean((2, 3), keepdim=True)
        scores = self.fc_select(self.act(self.bn(self.fc_reduce(fused))))
        return scores.reshape(*branches.shape[:3], 1, 1).softmax(1)


class SplitAttention(nn.Module):
    """Split attention of ResNeSt (https://arxiv.org/abs/2004.08955, section 3.1): two convolutions,
    each of half of the channels, and a softmax between them for each channel.

    Args:
        channels: C.
        reduced: channels inside of the attention.
    """

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(channels, 2 * channels, 3, groups=2)
        self.act0: nn.ReLU = nn.ReLU(inplace=True)
        self.fc1: nn.Conv2d = nn.Conv2d(channels, reduced, 1)
        self.act1: nn.ReLU = nn.ReLU(inplace=True)
        self.fc2: nn.Conv2d = nn.Conv2d(reduced, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh both splits by the mean of their sum."""
        splits = self.act0(self.conv(x)).unflatten(1, (2, -1))  # (N, 2, C, H, W)
        scores = self.fc2(self.act1(self.fc1(splits.sum(1).mean((2, 3), keepdim=True))))
        return (splits * scores.unflatten(1, (2, -1)).softmax(1)).sum(1)
