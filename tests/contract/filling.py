"""Weights by a fixed rule, and what is left of an output: enough to compare two implementations.

The golden numbers were made by the same rule on the peer's side. A tensor's values depend on its
key and shape alone, so neither the order of modules nor any initialisation matters.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypedDict

import torch
from torch import Generator, Tensor, nn

LARGE = 300_000  # numbers
PICKS = 8  # single values that a fingerprint keeps


class Fingerprint(TypedDict):
    """What is kept of a tensor."""

    shape: list[int]
    mean: float
    rms: float
    values: list[float]


def randn(shape: tuple[int, ...], seed: int) -> Tensor:
    """Normal numbers in double precision; many are drawn in single, in a quarter of the time."""
    generator = Generator().manual_seed(seed)
    dtype = torch.float64 if math.prod(shape) < LARGE else torch.float32
    return torch.randn(shape, generator=generator, dtype=dtype).double()


@torch.no_grad()
def fill(model: nn.Module, gain: float = 1.0) -> None:
    """Overwrite every floating-point entry of the state dict.

    Args:
        model: the model, changed in place.
        gain: factor of the tensors of two or more axes. At 1, the image fades in deep gated
            networks: their output hardly depends on it.
    """
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            filling = (_kept if tensor.numel() < LARGE else _filling)(key, tensor.shape)
            tensor.copy_(filling * gain if filling.ndim >= 2 else filling)


def _filling(key: str, shape: torch.Size) -> Tensor:
    """About what training would leave: unit variance kept, norms near one, biases small."""
    noise = randn(tuple(shape), zlib.crc32(key.encode()))
    name = key.rpartition(".")[2]
    if name == "running_var":
        return 1.0 + 0.4 * noise.tanh()
    if name == "running_mean":
        return 0.1 * noise
    if len(shape) >= 2:
        return 0.3 * noise if shape[0] == 1 else noise / (shape.numel() / shape[0]) ** 0.5
    return 0.1 * noise if name.endswith("bias") else 0.8 + 0.1 * noise


# The small models of a family have most in common; what is large is of one alone.
_kept = lru_cache(maxsize=600)(_filling)


def image(shape: tuple[int, ...]) -> Tensor:
    """The one image of the golden numbers, shape (1, C, H, W)."""
    return randn((1, *shape), 20240316)


def branches(output: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """The features of a model, of each branch where it has several."""
    return [output] if isinstance(output, Tensor) else list(output)


def fingerprint(output: Tensor) -> Fingerprint:
    """Shape, mean, root mean square and some values, evenly spaced."""
    flat = output.detach().double().flatten()
    picks = torch.linspace(0, flat.numel() - 1, min(PICKS, flat.numel())).long()
    return {
        "shape": list(output.shape),
        "mean": flat.mean().item(),
        "rms": flat.square().mean().sqrt().item(),
        "values": flat[picks].tolist(),
    }


def state_digest(model: nn.Module) -> str:
    """One digest for all keys and shapes of the state dict."""
    state = model.state_dict()
    lines = sorted(f"{key} {tuple(tensor.shape)}" for key, tensor in state.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
