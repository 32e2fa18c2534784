"""Pointwise non-linearities by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import Activation


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), CLIP's approximation of GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return x * torch.sigmoid(1.702 * x)


class HardMish(nn.Module):
    """x / 2 * clamp(x + 2, 0, 2), a piecewise approximation of Mish."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return 0.5 * x * (x + 2.0).clamp(0.0, 2.0)


class GELUTanh(nn.Module):
    """GELU by its tanh approximation (https://arxiv.org/abs/1606.08415)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.gelu(x, approximate="tanh")


_MAKERS: dict[str, Callable[[], nn.Module]] = {
    "celu": lambda: nn.CELU(inplace=True),
    "elu": lambda: nn.ELU(inplace=True),
    "gelu": nn.GELU,
    "gelu_tanh": GELUTanh,
    "hard_mish": HardMish,
    "hard_sigmoid": lambda: nn.Hardsigmoid(inplace=True),
    "hard_swish": lambda: nn.Hardswish(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(inplace=True),
    "mish": lambda: nn.Mish(inplace=True),
    "prelu": nn.PReLU,
    "quick_gelu": QuickGELU,
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "selu": lambda: nn.SELU(inplace=True),
    "sigmoid": nn.Sigmoid,
    "silu": lambda: nn.SiLU(inplace=True),
    "swish": lambda: nn.SiLU(inplace=True),
    "tanh": nn.Tanh,
}


def activation(name: Activation) -> nn.Module:
    """A fresh module of that non-linearity; overwrites its input where PyTorch can."""
    return _MAKERS[name]()
