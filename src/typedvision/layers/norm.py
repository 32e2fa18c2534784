"""Normalisations by name."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import ConvNorm, TokenNorm


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a feature map, (N, C, H, W) to the same."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each position over its channels."""
        x = input.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class RMSNorm2d(nn.RMSNorm):
    """Root-mean-square normalisation over the channels of a feature map, (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale each position by the root mean square of its channels."""
        x = x.permute(0, 2, 3, 1)
        x = F.rms_norm(x, self.normalized_shape, self.weight, self.eps)
        return x.permute(0, 3, 1, 2)


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
