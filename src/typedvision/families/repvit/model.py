"""RepViT (https://arxiv.org/abs/2307.09283).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.errors import UsageError
from typedvision.families.repvit.config import RepVitConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.conv import conv2d
from typedvision.layers.conv_norm import ConvNorm, NormLinear
from typedvision.layers.fuse import (
    conv_like,
    fuse_conv_bn,
    sum_kernels,
)
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    NORM,
    Initializers,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.pool import GlobalPool


class RepVit(StagedModel):
    """A stem, four stages of blocks, pooling and one or two classifiers."""

    head: RepVitClassifier | nn.Linear | nn.Identity

    def __init__(self, cfg: RepVitConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.embed_dim[-1]
        self.head_hidden_size: int = self.num_features
        self.drop_rate: float = cfg.drop_rate
        self.distillation: bool = cfg.distillation
        self.fuses: bool = cfg.inference_mode
        self.distilled_training: bool = False

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def set_distilled_training(self, enable: bool = True) -> None:
        """In training, let the model return the logits of both classifiers, as
        `forward_distilled` returns them, to have a loss each.

        Raises:
            UsageError: the model has one classifier.
        """
        self._check_distilled()
        self.distilled_training = enable

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K); in training after `set_distilled_training`, to two of these."""
        x = self.global_pool(x)
        if pre_logits:
            return x
        if self.distilled_training and self.training:
            # The one exception, which the caller asked for; `forward_distilled` has its type.
            return cast("Tensor", self._check_distilled().both(x))
        return self.head(x)

    def forward_distilled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of both classifiers for images (N, C, H, W).

        Raises:
            UsageError: the model has one classifier.
        """
        return self._check_distilled().both(self.global_pool(self.forward_features(x)))

    def _check_distilled(self) -> RepVitClassifier:
        if isinstance(self.head, RepVitClassifier) and self.head.head_dist is not None:
            return self.head
        raise UsageError(
            "this model has one classifier: call the model itself, or build it with "
            "distillation=True, and without inference_mode=True"
        )

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.global_pool: GlobalPool = GlobalPool("avg" if global_pool else "")
        if self.fuses:
            self.head = linear_classifier(self.num_features, num_classes)
        else:
            self.head = RepVitClassifier(
                self.num_features, num_classes, self.drop_rate, self.distillation
            )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Classifiers by a deviation of 0.02; the last normalisation of a channel mixer by 0."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if path.endswith(("channel_mixer.conv2.bn", "ffn.conv2.bn")):
            return {**NORM, "weight": zeros}
        return default_initializers(module)


class RepVitBlock(nn.Module):
    """A token mixer, an attention over channels, and a channel mixer beside a shortcut
    (figure 3c)."""

    def __init__(self, cfg: RepVitConfig, channels: int, hidden: int, use_se: bool) -> None:
        super().__init__()
        self.token_mixer: nn.Module = _token_mixer(cfg, channels)
        self.se: nn.Module = nn.Identity()
        if use_se:
            self.se = SqueezeExcite(channels, reduced_channels(channels, 0.25))
        self.channel_mixer: nn.Sequential = _mlp(cfg, channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = self.se(self.token_mixer(x))
        return x + self.channel_mixer(x)


class RepVitDownsample(nn.Module):
    """A block, a depthwise convolution that subsamples, a pointwise one, and an MLP beside a
    shortcut (figure 4d)."""

    def __init__(self, cfg: RepVitConfig, plan: StagePlan, in_channels: int) -> None:
        super().__init__()
        channels = plan.channels
        self.pre_block: RepVitBlock = RepVitBlock(cfg, in_channels, plan.in_hidden, use_se=False)
        self.spatial_downsample: nn.Module = _conv(
            cfg, in_channels, in_channels, cfg.kernel_size, stride=2, groups=in_channels
        )
        self.channel_downsample: nn.Module = _conv(cfg, in_channels, channels, 1)
        self.ffn: nn.Sequential = _mlp(cfg, channels, plan.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        x = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        return x + self.ffn(x)


class RepVggDw(nn.Module):
    """A depthwise convolution, a 1x1 one and a shortcut are added (figure 3c); together one
    convolution, in the inference form.

    Args:
        channels: C.
        kernel_size: side of the kernel.
        legacy: normalise both convolutions, and not the sum.
    """

    def __init__(self, channels: int, kernel_size: int, legacy: bool) -> None:
        super().__init__()
        self.conv: ConvNorm = ConvNorm(conv2d(channels, channels, kernel_size, groups=channels))
        self.conv1: ConvNorm | nn.Conv2d = (
            ConvNorm(conv2d(channels, channels, 1, groups=channels))
            if legacy
            else conv2d(channels, channels, 1, groups=channels, bias=True)
        )
        self.bn: nn.BatchNorm2d | None = None if legacy else nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        x = self.conv(x) + self.conv1(x) + x
        return x if self.bn is None else self.bn(x)

    def fused(self) -> nn.Module:
        """One depthwise convolution with a bias."""
        conv, small = self.conv.c, self.conv1
        bias = torch.zeros_like(self.conv.bn.bias)
        one = torch.ones_like(bias)[:, None, None, None]
        kernels = [self.conv.kernel(), (one, bias)]
        if isinstance(small, ConvNorm):
            kernels.append(small.kernel())
        elif small.bias is not None:
            kernels.append((small.weight, small.bias))
        summed = conv_like(conv, sum_kernels(kernels, conv.kernel_size[0]))
        return summed if self.bn is None else fuse_conv_bn(summed, self.bn)


class RepVitClassifier(nn.Module):
    """A classifier, or the mean of two; together one linear layer, in the inference form.

    Args:
        features: D.
        num_classes: K; 0 for no classifier.
        drop_rate: dropout probability before the classifiers.
        distillation: whether there are two.
    """

    head: NormLinear | nn.Identity
    head_dist: NormLinear | nn.Identity | None

    def __init__(
        self, features: int, num_classes: int, drop_rate: float, distillation: bool
    ) -> None:
        super().__init__()
        self.head_drop: nn.Dropout = nn.Dropout(drop_rate)
        self.head = _classifier(features, num_classes)
        self.head_dist = _classifier(features, num_classes) if distillation else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N, K)."""
        if self.head_dist is None:
            return self.head(self.head_drop(x))
        first, second = self.both(x)
        return (first + second) / 2

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) to (N, K) of each classifier."""
        x = self.head_drop(x)
        second = self.head if self.head_dist is None else self.head_dist
        return self.head(x), second(x)

    def fused(self) -> nn.Module:
        """One linear layer; the identity where there are no classes."""
        heads = [
            head.fused() for head in (self.head, self.head_dist) if isinstance(head, NormLinear)
        ]
        if not heads:
            return nn.Identity()
        first = heads[0]
        first.weight = nn.Parameter(torch.stack([head.weight for head in heads]).mean(0))
        first.bias = nn.Parameter(torch.stack([head.bias for head in heads]).mean(0))
        return first


def _classifier(features: int, num_classes: int) -> NormLinear | nn.Identity:
    return NormLinear(features, num_classes) if num_classes else nn.Identity()


def _stem(cfg: RepVitConfig) -> nn.Sequential:
    """Two 3x3 convolutions that subsample."""
    channels = cfg.embed_dim[0]
    inside = max(channels // 2, 1)
    layers = {
        "conv1": _conv(cfg, cfg.in_chans, inside, 3, stride=2),
        "act1": activation(cfg.act_layer),
        "conv2": _conv(cfg, inside, channels, 3, stride=2),
    }
    return nn.Sequential(OrderedDict(layers))


def _stage(cfg: RepVitConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    downsample: nn.Module = nn.Identity()
    if plan.in_channels is not None:
        downsample = RepVitDownsample(cfg, plan, plan.in_channels)
    blocks = Blocks(
        *(
            RepVitBlock(cfg, plan.channels, plan.hidden, use_se=index % 2 == 0)
            for index in range(plan.depth)
        )
    )
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))


def _mlp(cfg: RepVitConfig, channels: int, hidden: int) -> nn.Sequential:
    """Two pointwise convolutions."""
    layers = {
        "conv1": _conv(cfg, channels, hidden, 1),
        "act": activation(cfg.act_layer),
        "conv2": _conv(cfg, hidden, channels, 1),
    }
    return nn.Sequential(OrderedDict(layers))


def _token_mixer(cfg: RepVitConfig, channels: int) -> nn.Module:
    """The depthwise branches, or their inference form."""
    if cfg.inference_mode:
        return conv2d(channels, channels, cfg.kernel_size, groups=channels, bias=True)
    return RepVggDw(channels, cfg.kernel_size, cfg.legacy)


def _conv(
    cfg: RepVitConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Module:
    """A convolution with a normalisation, or its inference form."""
    conv = conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        groups=groups,
        bias=cfg.inference_mode,
    )
    return conv if cfg.inference_mode else ConvNorm(conv)
