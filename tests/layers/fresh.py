"""A layer on its own, with the initial weights that it would have in a model."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from typedvision.layers.init import default_initializers, initialize

LayerT = TypeVar("LayerT", bound=nn.Module)


def fresh(layer: LayerT, seed: int = 0) -> LayerT:
    """The layer, initialised, in double precision, for evaluation."""
    initialize(layer, seed, lambda _, module: default_initializers(module))
    return layer.double().eval()


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
