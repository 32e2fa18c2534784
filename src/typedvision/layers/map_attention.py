"""Attention over a feature map, by name.

Every module takes (N, C, H, W) to the same shape.
"""

from __future__ import annotations

from torch import nn

from typedvision.config.names import MapAttention
from typedvision.layers.branch_attention import SelectiveKernel, SplitAttention
from typedvision.layers.channel_attention import channel_attention, reduced_channels
from typedvision.layers.spatial_attention import (
    BilinearAttention,
    HaloAttention,
    LambdaAttention,
    NonLocalAttention,
)


def map_attention(
    name: MapAttention, channels: int, rd_ratio: float | None = None, *, block_size: int = 7
) -> nn.Module:
    """An attention by name.

    Args:
        name: which one.
        channels: number of channels of the map.
        rd_ratio: channels inside, as a share of `channels`; None for the paper's. `ese`, `eca`,
            `ceca`, `lambda` and `halo` have none inside.
        block_size: bands of rows and of columns that `bat` mixes.
    """
    match name:
        case "sk":
            reduced = reduced_channels(channels, rd_ratio or 1 / 16, 8, 0.9)
            return SelectiveKernel(channels, channels, reduced)
        case "splat":
            reduced = reduced_channels(2 * channels, rd_ratio or 1 / 4)
            return SplitAttention(channels, max(reduced, 32))
        case "nl":
            return NonLocalAttention(
                channels, reduced_channels(channels, rd_ratio or 1 / 8, 8, 0.9)
            )
        case "bat":
            return BilinearAttention(
                channels, reduced_channels(channels, rd_ratio or 1 / 4, 8, 0.9), block_size
            )
        case "lambda":
            return LambdaAttention(channels)
        case "halo":
            return HaloAttention(channels)
        case _:
            return channel_attention(name, channels, rd_ratio)
