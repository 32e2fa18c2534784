"""Mixed convolutions (https://arxiv.org/abs/1907.09595): each treats its share of the channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MixedConv2d(nn.ModuleList):
    """Layers side by side, each on its share of the channels (figure 2).

    Args:
        shares: number of input channels of each layer.
        layers: the layers.
    """

    def __init__(self, shares: Sequence[int], layers: Sequence[nn.Module]) -> None:
        super().__init__(layers)
        self.shares: list[int] = list(shares)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        parts = torch.split(x, self.shares, dim=1)
        return torch.cat([layer(parts[place]) for place, layer in enumerate(self)], dim=1)


def channel_shares(channels: int, parts: int) -> list[int]:
    """Equal shares of the channels; the first one has what is left over."""
    share = channels // parts
    return [channels - share * (parts - 1), *[share] * (parts - 1)]
