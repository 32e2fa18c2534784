"""Regularisers that leave out parts of the computation while training."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth (https://arxiv.org/abs/1603.09382): drops a residual branch, by image.

    Args:
        rate: probability that an image's branch is dropped; what is kept is scaled up.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) to the same shape."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (mask / keep if keep > 0.0 else mask)

    def extra_repr(self) -> str:
        """The rate."""
        return f"{self.rate:.3g}"


class DropBlock2d(nn.Module):
    """Drops square blocks of a feature map (https://arxiv.org/abs/1810.12890, algorithm 1).

    All channels of an image drop equal positions. A block may start anywhere, also
    where the map's edge cuts them, so that on a small map more than `rate` is dropped.

    Args:
        rate: share of a large map that is dropped.
        block_size: side of a block, in positions.
        gamma_scale: factor of the rate at which blocks start.
    """

    def __init__(self, rate: float, block_size: int = 7, gamma_scale: float = 1.0) -> None:
        super().__init__()
        self.rate = rate
        self.block_size = block_size
        self.gamma_scale = gamma_scale

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if not self.training or self.rate == 0.0:
            return x
        height, width = x.shape[-2:]
        side = min(self.block_size, height, width)
        valid = (height - side + 1) * (width - side + 1)
        gamma = self.gamma_scale * self.rate * height * width / (side * side * valid)
        starts = x.new_empty((x.shape[0], 1, height, width)).bernoulli_(min(gamma, 1.0))
        dropped = F.max_pool2d(starts, side, stride=1, padding=side // 2)[..., :height, :width]
        kept = 1.0 - dropped
        return x * kept * (kept.numel() / kept.sum().clamp(min=1.0))

    def extra_repr(self) -> str:
        """Rate and block size."""
        return f"{self.rate:.3g}, block_size={self.block_size}"
