"""Initial weights of transformers: the schemes that published code made known."""

from __future__ import annotations

import math

from torch import nn

from typedvision.config.names import WeightInit
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    lecun_normal,
    normal,
    torch_linear,
    trunc_normal,
    uniform,
    xavier_uniform,
    zeros,
)


def transformer_initializers(scheme: WeightInit, path: str, module: nn.Module) -> Initializers:
    """The initial weights of the tensors that the module at `path` itself owns.

    Args:
        scheme: normal of deviation 0.02 (`""`); as the JAX code of the Vision Transformer does
            (`jax`, or `jax_nlhb` with the classifiers' biases at -log(classes)); as that of
            MoCo v3 does (`moco`); as PyTorch does (`reset`).
        path: where the module is: those of classifiers start with `head`, and what an MLP holds has
            `mlp` in it.
        module: the module; only linear layers, and the convolutions of `jax`, follow the scheme.
    """
    if isinstance(module, nn.Linear):
        return _linear_initializers(scheme, path, module)
    if isinstance(module, nn.Conv2d) and scheme in ("jax", "jax_nlhb"):
        return {"weight": lecun_normal(), "bias": zeros}
    return default_initializers(module)


def _linear_initializers(scheme: WeightInit, path: str, layer: nn.Linear) -> Initializers:
    match scheme:
        case "":
            return {"weight": trunc_normal(0.02), "bias": zeros}
        case "jax_nlhb" if path.startswith("head"):
            return {"weight": zeros, "bias": constant(-math.log(layer.out_features))}
        case "jax" if path.startswith("head"):
            return {"weight": zeros, "bias": zeros}
        case "jax" | "jax_nlhb":
            return {"weight": xavier_uniform(), "bias": normal(1e-6) if "mlp" in path else zeros}
        case "moco" if path.endswith("qkv"):  # queries, keys and values are three layers
            bound = math.sqrt(6.0 / (layer.in_features + layer.out_features / 3))
            return {"weight": uniform(bound), "bias": zeros}
        case "moco":
            return {"weight": xavier_uniform(), "bias": zeros}
        case "reset" | "skip":
            return torch_linear(layer)
