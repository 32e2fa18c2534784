"""Squeeze-and-excitation as mobile networks have it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.config.names import Activation
from typedvision.layers.activation import activation


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507, section 3).

    Args:
        channels: number of channels of the map.
        reduced: number of channels between the two layers.
        act: non-linearity between the two layers.
    """

    def __init__(self, channels: int, reduced: int, act: Activation) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.act1 = activation(act)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape: each channel is gated by two layers on the means."""
        gate = x.mean((2, 3), keepdim=True)
        gate = self.conv_expand(self.act1(self.conv_reduce(gate)))
        return x * torch.sigmoid(gate)
