"""Inference forms: branches and normalisations that become one convolution.

A convolution and a normalisation by fixed statistics are linear, and so is their sum over parallel
branches: all of them are one convolution (https://arxiv.org/abs/2101.03697, section 3.3).
`typedvision.fuse` looks for modules that are `Fusable`, and puts what they give in their places.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.layers.conv import conv2d

Kernel = tuple[Tensor, Tensor]
"""Weight (D, C / groups, k, k) and bias (D) of a convolution."""


@runtime_checkable
class Fusable(Protocol):
    """A module that has an inference form."""

    def fused(self) -> nn.Module:
        """A module that computes in evaluation mode what this one does, with fewer layers: the one
        that a config with `inference_mode=True` builds in this place."""
        ...


class ConvBn2d(nn.Module):
    """A branch: a convolution without a bias, and a batch normalisation.

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        stride: input positions for each output position, s.
        dilation: distance of the kernel's elements.
        groups: groups of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups
        )
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.bn(self.conv(x))

    def kernel(self) -> Kernel:
        """The kernel of the convolution that both are in evaluation mode."""
        return conv_bn_kernel(self.conv, self.bn)


class FusedConv(nn.Module):
    """The inference form of a block of branches: one convolution, an attention, an activation.

    Args:
        conv: the convolution, with a bias.
        attn: what follows it.
        act: the activation.
    """

    def __init__(self, conv: nn.Conv2d, attn: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.reparam_conv = conv
        self.attn = attn
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.attn(self.reparam_conv(x)))


def fuse_conv_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """The convolution that does what `conv` and then `bn` do in evaluation mode."""
    return conv_like(conv, conv_bn_kernel(conv, bn))


def fuse_bn_linear(bn: nn.BatchNorm1d, linear: nn.Linear) -> nn.Linear:
    """The linear layer that does what `bn` and then `linear`, which has a bias, do in evaluation
    mode."""
    scale, shift = _affine(bn)
    fused = nn.Linear(linear.in_features, linear.out_features, device="meta")
    fused.weight = nn.Parameter(linear.weight * scale)
    fused.bias = nn.Parameter(linear.weight @ shift + linear.bias)
    return fused


def fuse_linear_bn(linear: nn.Linear, bn: nn.BatchNorm1d) -> nn.Linear:
    """The linear layer that does what `linear`, which has no bias, and then `bn` do in evaluation
    mode."""
    scale, shift = _affine(bn)
    fused = nn.Linear(linear.in_features, linear.out_features, device="meta")
    fused.weight = nn.Parameter(linear.weight * scale[:, None])
    fused.bias = nn.Parameter(shift)
    return fused


def conv_bn_kernel(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> Kernel:
    """The kernel of a convolution with the normalisation that follows it."""
    bias = torch.zeros_like(bn.bias) if conv.bias is None else conv.bias
    return _normalized((conv.weight, bias), bn)


def identity_bn_kernel(bn: nn.BatchNorm2d, groups: int) -> Kernel:
    """The kernel, of size 1, of a normalisation alone."""
    channels = bn.num_features
    weight = bn.weight.new_empty(channels, channels // groups, 1, 1)
    return _normalized((nn.init.dirac_(weight, groups), torch.zeros_like(bn.bias)), bn)


def sum_kernels(kernels: Iterable[Kernel], kernel_size: int) -> Kernel:
    """The kernel of parallel branches: smaller kernels of odd sizes stand in the middle."""
    weights, biases = zip(*kernels, strict=True)
    margins = [(kernel_size - weight.shape[-1]) // 2 for weight in weights]
    padded = [F.pad(weight, (m, m, m, m)) for weight, m in zip(weights, margins, strict=True)]
    return torch.stack(padded).sum(0), torch.stack(biases).sum(0)


def conv_like(conv: nn.Conv2d, kernel: Kernel) -> nn.Conv2d:
    """A convolution like another, with this kernel.

    Args:
        conv: whose channels, size, stride, padding, dilation and groups it has.
        kernel: its weight and bias.
    """
    fused = deepcopy(conv)
    fused.weight, fused.bias = (nn.Parameter(tensor) for tensor in kernel)
    return fused


def _normalized(kernel: Kernel, bn: nn.BatchNorm2d) -> Kernel:
    weight, bias = kernel
    scale, shift = _affine(bn)
    return weight * scale[:, None, None, None], bias * scale + shift


def _affine(bn: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift of each channel in evaluation mode."""
    mean, variance = bn.running_mean, bn.running_var
    if mean is None or variance is None:
        raise ValueError("a normalisation by the statistics of each batch has no inference form")
    scale = bn.weight * torch.rsqrt(variance + bn.eps)
    return scale, bn.bias - mean * scale
