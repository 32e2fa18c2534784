"""Normalisations by name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import ConvNorm, TokenNorm
from typedvision.layers.init import Initializers, ones, zeros


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a feature map (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = input.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class RMSNorm2d(nn.RMSNorm):
    """Root-mean-square normalisation over the channels of a feature map (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = x.permute(0, 2, 3, 1)
        x = F.rms_norm(x, self.normalized_shape, self.weight, self.eps)
        return x.permute(0, 3, 1, 2)


class SimpleNorm2d(nn.Module):
    """Divides each position of a feature map by the deviation of its channels; its mean stays.

    Args:
        channels: C, at least 2.
        eps: added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight: nn.Parameter = nn.Parameter(torch.empty(channels))

    def initializers(self) -> Initializers:
        """A factor of 1."""
        return {"weight": ones}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        variance = x.var(dim=1, keepdim=True)
        return x * torch.rsqrt(variance + self.eps) * self.weight[:, None, None]

    def extra_repr(self) -> str:
        """Channels and epsilon."""
        return f"{self.weight.numel()}, eps={self.eps}"


class GlobalResponseNorm(nn.Module):
    """Makes channels compete by their energy over the map (https://arxiv.org/abs/2301.00808,
    section 4).

    Args:
        channels: C.
        channels_last: whether the map is (N, H, W, C), and not (N, C, H, W).
        eps: added to the mean energy.
    """

    def __init__(self, channels: int, *, channels_last: bool, eps: float = 1e-6) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.eps = eps
        self.weight: nn.Parameter = nn.Parameter(torch.empty(channels))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(channels))

    def initializers(self) -> Initializers:
        """Zeros, which make the layer the identity at first."""
        return {"weight": zeros, "bias": zeros}

    def forward(self, x: Tensor) -> Tensor:
        """A map to the same shape."""
        channels, space = (-1, (1, 2)) if self.channels_last else (1, (2, 3))
        energy = torch.linalg.vector_norm(x, dim=space, keepdim=True)
        share = energy / (energy.mean(channels, keepdim=True) + self.eps)
        shape = (-1,) if self.channels_last else (-1, 1, 1)
        return x + self.weight.view(shape) * (x * share) + self.bias.view(shape)

    def extra_repr(self) -> str:
        """Channels, layout and epsilon."""
        return f"{self.weight.numel()}, channels_last={self.channels_last}, eps={self.eps}"


def conv_norm(name: ConvNorm, channels: int, eps: float | None = None) -> nn.Module:
    """A normalisation of feature maps (N, `channels`, H, W).

    Args:
        name: which one.
        channels: number of channels.
        eps: added to the variance; None for the usual value of the layer.
    """
    match name:
        case "batchnorm2d":
            return nn.BatchNorm2d(channels, eps=eps or 1e-5)
        case "groupnorm":
            return nn.GroupNorm(32, channels, eps=eps or 1e-5)
        case "groupnorm1":
            return nn.GroupNorm(1, channels, eps=eps or 1e-5)
        case "layernorm2d":
            return LayerNorm2d(channels, eps=eps or 1e-6)
        case "rmsnorm2d":
            return RMSNorm2d(channels, eps=eps or 1e-6)
        case "simplenorm2d":
            return SimpleNorm2d(channels, eps=eps or 1e-6)


def token_norm(name: TokenNorm, features: int, eps: float | None = None) -> nn.Module:
    """A normalisation of tokens (N, T, `features`).

    Args:
        name: which one.
        features: number of features of each token.
        eps: added to the variance; None for the usual value of the layer.
    """
    match name:
        case "layernorm":
            return nn.LayerNorm(features, eps=eps or 1e-6)
        case "rmsnorm":
            return nn.RMSNorm(features, eps=eps or 1e-6)
