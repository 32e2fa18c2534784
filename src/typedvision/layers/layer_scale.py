"""LayerScale (https://arxiv.org/abs/2103.17239, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.layers.init import Initializers, constant


class LayerScale(nn.Module):
    """Multiplies each feature of tokens by a learned factor, which is initialised to `value`."""

    def __init__(self, features: int, value: float) -> None:
        super().__init__()
        self.value = value
        self.gamma: nn.Parameter = nn.Parameter(torch.empty(features))

    def initializers(self) -> Initializers:
        """One value for every factor."""
        return {"gamma": constant(self.value)}

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to the same shape."""
        return x * self.gamma

    def extra_repr(self) -> str:
        """The initial factor."""
        return f"{self.gamma.numel()}, {self.value}"


class LayerScale2d(LayerScale):
    """Multiplies each channel of a feature map by a learned factor, initialised to `value`."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x * self.gamma[:, None, None]


class ChannelScale(LayerScale):
    """`LayerScale2d` whose factors have the shape (D, 1, 1) in the checkpoint."""

    def __init__(self, features: int, value: float) -> None:
        super().__init__(features, value)
        self.gamma: nn.Parameter = nn.Parameter(torch.empty(features, 1, 1))
