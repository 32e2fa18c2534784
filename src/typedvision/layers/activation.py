"""Pointwise activations by name."""

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


_MAKERS: dict[str, Callable[[bool], nn.Module]] = {
    "celu": lambda inplace: nn.CELU(inplace=inplace),
    "elu": lambda inplace: nn.ELU(inplace=inplace),
    "gelu": lambda _: nn.GELU(),
    "gelu_tanh": lambda _: GELUTanh(),
    "hard_mish": lambda _: HardMish(),
    "hard_sigmoid": lambda inplace: nn.Hardsigmoid(inplace=inplace),
    "hard_swish": lambda inplace: nn.Hardswish(inplace=inplace),
    "leaky_relu": lambda inplace: nn.LeakyReLU(inplace=inplace),
    "mish": lambda inplace: nn.Mish(inplace=inplace),
    "prelu": lambda _: nn.PReLU(),
    "quick_gelu": lambda _: QuickGELU(),
    "relu": lambda inplace: nn.ReLU(inplace=inplace),
    "relu6": lambda inplace: nn.ReLU6(inplace=inplace),
    "selu": lambda inplace: nn.SELU(inplace=inplace),
    "sigmoid": lambda _: nn.Sigmoid(),
    "silu": lambda inplace: nn.SiLU(inplace=inplace),
    "swish": lambda inplace: nn.SiLU(inplace=inplace),
    "tanh": lambda _: nn.Tanh(),
}


def activation(name: Activation, *, inplace: bool = True) -> nn.Module:
    """A fresh module of that activation.

    Args:
        name: which one.
        inplace: overwrite the input where PyTorch can; not for one part of a split tensor.
    """
    return _MAKERS[name](inplace)
