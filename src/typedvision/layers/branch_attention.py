"""Attention over branches: several convolutions of a map, and how much of each passes.

Every module takes a map (N, C, H, W) to another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.config.names import Activation
from typedvision.layers.activation import activation
from typedvision.layers.conv import conv2d
from typedvision.layers.norm_act import Conv2dNormAct


class SelectiveKernel(nn.Module):
    """SK (https://arxiv.org/abs/1903.06586, figure 1): a map seen by a 3x3 kernel and by a dilated
    one; each output channel selects between both.

    Args:
        in_channels: C.
        out_channels: D.
        reduced: channels inside of the selection.
        stride: input positions for each output position, s.
        dilation: distance of the first kernel's elements; twice that is the second's.
        groups: groups of both convolutions.
        split_input: whether each kernel sees half of the channels; C is even then.
        act: the activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        reduced: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        split_input: bool = True,
        act: Activation = "relu",
    ) -> None:
        super().__init__()
        self.split_input: bool = split_input
        self.paths: nn.ModuleList = nn.ModuleList(
            Conv2dNormAct(
                in_channels // 2 if split_input else in_channels,
                out_channels,
                3,
                act,
                stride=stride,
                dilation=factor * dilation,
                groups=groups,
            )
            for factor in (1, 2)
        )
        self.attn: _Selection = _Selection(out_channels, reduced)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        seen = x.chunk(2, dim=1) if self.split_input else (x, x)
        branches = torch.stack([path(y) for path, y in zip(self.paths, seen, strict=True)], 1)
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
    """Split attention of ResNeSt (https://arxiv.org/abs/2004.08955, section 3.1): convolutions side
    by side, and a softmax between them for each channel; a sigmoid where there is but one.

    Args:
        channels: C.
        reduced: channels inside of the attention.
        radix: number of convolutions side by side, R.
        groups: groups of each, and of the attention.
        dilation: distance of the kernel's elements.
        normalize: normalise by batch after the convolutions, and inside of the attention.
        stride: input positions for each output position, s.
        act: the activation.
    """

    def __init__(
        self,
        channels: int,
        reduced: int,
        *,
        radix: int = 2,
        groups: int = 1,
        dilation: int = 1,
        normalize: bool = False,
        stride: int = 1,
        act: Activation = "relu",
    ) -> None:
        super().__init__()
        split = radix * channels
        self.radix: int = radix
        self.groups: int = groups
        self.conv: nn.Conv2d = conv2d(
            channels, split, 3, stride=stride, dilation=dilation, groups=radix * groups
        )
        self.bn0: nn.Module = nn.BatchNorm2d(split) if normalize else nn.Identity()
        self.act0: nn.Module = activation(act)
        self.fc1: nn.Conv2d = nn.Conv2d(channels, reduced, 1, groups=groups)
        self.bn1: nn.Module = nn.BatchNorm2d(reduced) if normalize else nn.Identity()
        self.act1: nn.Module = activation(act)
        self.fc2: nn.Conv2d = nn.Conv2d(reduced, split, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / s, W / s): each split weighed by the mean of their sum."""
        splits = self.act0(self.bn0(self.conv(x))).unflatten(1, (self.radix, -1))
        mean = splits.sum(1).mean((2, 3), keepdim=True)
        scores = self.fc2(self.act1(self.bn1(self.fc1(mean))))
        return (splits * self._shares(scores)).sum(1)

    def _shares(self, scores: Tensor) -> Tensor:
        """(N, R C, 1, 1) to (N, R, C, 1, 1)."""
        if self.radix == 1:
            return scores.sigmoid().unsqueeze(1)
        by_group = scores.reshape(scores.shape[0], self.groups, self.radix, -1, 1, 1)
        return by_group.softmax(2).transpose(1, 2).flatten(2, 3)
