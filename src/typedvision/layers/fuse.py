"""Inference forms: branches and normalisations that become one convolution.

A convolution and a normalisation by fixed statistics are linear, and so is their sum over parallel
branches: all of them are one convolution (https://arxiv.org/abs/2101.03697, section 3.3).
`typedvision.fuse` looks for modules that are `Fusable`, and puts what they give in their places.
Of what is left, it folds the batch normalisations that stand beside a convolution or a linear
layer: the children of an `nn.Sequential`, and the pairs that a module names as its `folds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy, deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.layers.conv import Conv2dSame, NarrowConv2d, conv2d

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Kernel = tuple[Tensor, Tensor]
"""Weight (D, C / groups, k, k) and bias (D) of a convolution."""


@runtime_checkable
class Fusable(Protocol):
    """A module that has an inference form."""

    def fused(self) -> nn.Module:
        """A module that computes in evaluation mode what this one does, with fewer layers: the one
        that a config with `inference_mode=True` builds in this place."""
        ...


Pairs = tuple[tuple[str, str], ...]
"""Paths of children, each of which computes right before the other."""


@runtime_checkable
class Foldable(Protocol):
    """A module that says which of its children compute one right after the other."""

    folds: ClassVar[Pairs]
    """Of each two, one is a batch normalisation in some configs; a child may be missing."""


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

    folds: ClassVar[Pairs] = (("conv", "bn"),)

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


def fold_norms(model: nn.Module) -> list[str]:
    """Fold batch normalisations into the convolutions and linear layers beside them, in place.

    An identity takes the place of each.

    Returns:
        The paths of the normalisations that are gone.
    """
    gone: list[str] = []
    for path, module in model.named_modules():
        for pair in _pairs(module):
            gone += [f"{path}.{name}".removeprefix(".") for name in _fold(module, pair)]
    return gone


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    if isinstance(module, Foldable):
        yield from module.folds
    elif isinstance(module, nn.Sequential):
        yield from pairwise(module._modules)


def _fold(module: nn.Module, pair: tuple[str, str]) -> Iterator[str]:
    """Fold the one of two layers that is a batch normalisation into the other, where that is exact.

    Returns:
        The name of the normalisation, or nothing.
    """
    first, second = (_child(module, name) for name in pair)
    if _is_linear(first) and _has_statistics(second):
        layer, norm = pair
        folded = _after(first, second)
    elif _has_statistics(first) and _is_linear(second) and not _pads(second):
        norm, layer = pair
        folded = _before(first, second)
    else:
        return
    module.set_submodule(layer, folded)
    module.set_submodule(norm, nn.Identity())
    yield norm


def _child(module: nn.Module, path: str) -> nn.Module | None:
    for name in path.split("."):
        found = module._modules.get(name)
        if found is None:
            return None
        module = found
    return module


_Linear = nn.Conv2d | nn.Linear
_BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


def _is_linear(module: nn.Module | None) -> TypeIs[_Linear]:
    """Whether this is a layer of these classes: others compute their weights first."""
    return type(module) in (nn.Conv2d, Conv2dSame, NarrowConv2d, nn.Linear)


def _has_statistics(module: nn.Module | None) -> TypeIs[_BatchNorm]:
    is_norm = type(module) in (nn.BatchNorm1d, nn.BatchNorm2d)
    return is_norm and getattr(module, "running_mean", None) is not None


def _pads(layer: _Linear) -> bool:
    """Whether a layer sees zeros around its input, which a shift before it would not reach."""
    return isinstance(layer, Conv2dSame) or (
        isinstance(layer, nn.Conv2d) and layer.padding != (0, 0)
    )


def _after(layer: _Linear, norm: _BatchNorm) -> nn.Module:
    scale, shift = _affine(norm)
    bias = shift if layer.bias is None else layer.bias * scale + shift
    return _with(layer, layer.weight * _column(scale, layer.weight), bias)


def _before(norm: _BatchNorm, layer: _Linear) -> nn.Module:
    scale, shift = _affine(norm)
    weight = layer.weight
    if isinstance(layer, nn.Linear):
        moved = weight @ shift
        scaled = weight * scale
    else:
        groups, inputs = layer.groups, weight.shape[1]
        per_group = weight.view(groups, -1, *weight.shape[1:])
        column = (groups, 1, inputs, 1, 1)
        scaled = (per_group * scale.view(column)).flatten(0, 1)
        moved = (per_group * shift.view(column)).sum((2, 3, 4)).flatten()
    return _with(layer, scaled, moved if layer.bias is None else layer.bias + moved)


def _with(layer: _Linear, weight: Tensor, bias: Tensor) -> nn.Module:
    """A layer like another with this weight and bias, and its hooks."""
    folded = copy(layer)
    folded._parameters = dict(layer._parameters)
    folded.weight, folded.bias = nn.Parameter(weight), nn.Parameter(bias)
    return folded


def _column(values: Tensor, like: Tensor) -> Tensor:
    """A value for each output of a weight (D, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))


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
    scale = torch.rsqrt(variance + bn.eps)
    if not bn.affine:
        return scale, -mean * scale
    scale = bn.weight * scale
    return scale, bn.bias - mean * scale
