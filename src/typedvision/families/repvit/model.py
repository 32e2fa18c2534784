"""RepViT (https://arxiv.org/abs/2307.09283).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from typedvision.architecture.averaged_model import AveragedModel
from typedvision.families.repvit.config import RepVitConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.conv import conv2d
from typedvision.layers.conv_norm import ConvNorm, fusable_conv
from typedvision.layers.fuse import (
    conv_like,
    fuse_conv_bn,
    sum_kernels,
)
from typedvision.layers.init import (
    NORM,
    Initializers,
    default_initializers,
    trunc_normal,
    zeros,
)


class RepVit(AveragedModel):
    """A stem, four stages of blocks, pooling and one or two classifiers."""

    def __init__(self, cfg: RepVitConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.embed_dim[-1]
        self.head_hidden_size: int = self.num_features
        self.distillation: bool = cfg.distillation
        self.fuses: bool = cfg.inference_mode

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

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
        self.spatial_downsample: nn.Module = fusable_conv(
            cfg, in_channels, in_channels, cfg.kernel_size, stride=2, groups=in_channels
        )
        self.channel_downsample: nn.Module = fusable_conv(cfg, in_channels, channels, 1)
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


def _stem(cfg: RepVitConfig) -> nn.Sequential:
    """Two 3x3 convolutions that subsample."""
    channels = cfg.embed_dim[0]
    inside = max(channels // 2, 1)
    layers = {
        "conv1": fusable_conv(cfg, cfg.in_chans, inside, 3, stride=2),
        "act1": activation(cfg.act_layer),
        "conv2": fusable_conv(cfg, inside, channels, 3, stride=2),
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
        "conv1": fusable_conv(cfg, channels, hidden, 1),
        "act": activation(cfg.act_layer),
        "conv2": fusable_conv(cfg, hidden, channels, 1),
    }
    return nn.Sequential(OrderedDict(layers))


def _token_mixer(cfg: RepVitConfig, channels: int) -> nn.Module:
    """The depthwise branches, or their inference form."""
    if cfg.inference_mode:
        return conv2d(channels, channels, cfg.kernel_size, groups=channels, bias=True)
    return RepVggDw(channels, cfg.kernel_size, cfg.legacy)
