"""SHViT (https://arxiv.org/abs/2401.16456).

Shapes: N images, C channels in, D channels of H x W positions, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import Activation, ConvPool
from typedvision.families.shvit.config import SHViTConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.conv import conv2d
from typedvision.layers.conv_norm import ConvNorm, NormLinear, fusable_conv
from typedvision.layers.fuse import Pairs, conv_like, sum_kernels
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import NORM, Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.norm import conv_norm
from typedvision.layers.pool import GlobalPool


class SHViT(StagedModel):
    """A stem that subsamples by 16, three stages, pooling and a classifier (figure 5)."""

    stem_name: ClassVar[str] = "patch_embed"

    head: NormLinear | nn.Linear | nn.Identity

    def __init__(self, cfg: SHViTConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.embed_dim[-1]
        self.head_hidden_size: int = self.num_features
        self.fuses: bool = cfg.inference_mode

        self.patch_embed: nn.Sequential = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.head(x)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.drop: nn.Dropout = nn.Dropout(self.drop_rate)
        if num_classes and not self.fuses:
            self.head = NormLinear(self.num_features, num_classes)
        else:
            self.head = linear_classifier(self.num_features, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """The classifier by a deviation of 0.02; the last normalisation of each branch of a block
        by 0."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if path.endswith((".conv.m.bn", ".proj.1.bn", ".pw2.bn")):
            return {**NORM, "weight": zeros}
        return default_initializers(module)


class SHViTBlock(nn.Module):
    """A depthwise convolution, attention and an MLP, each beside a shortcut (figure 5)."""

    def __init__(self, cfg: SHViTConfig, plan: StagePlan) -> None:
        super().__init__()
        self.conv: nn.Module = _residual_conv(cfg, plan.channels)
        self.mixer: nn.Module = nn.Identity()
        if plan.attends:
            self.mixer = Residual(SingleHeadAttention(cfg, plan))
        self.ffn: Residual = Residual(_mlp(cfg, plan.channels, "relu"))

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return self.ffn(self.mixer(self.conv(x)))


class SingleHeadAttention(nn.Module):
    """Attention of one head to the first channels, and a layer that mixes them with the others
    (equation 3)."""

    folds: ClassVar[Pairs] = (("pre_norm", "qkv"),)

    def __init__(self, cfg: SHViTConfig, plan: StagePlan) -> None:
        super().__init__()
        self.seen: int = plan.seen
        self.widths: tuple[int, int, int] = (plan.key_dim, plan.key_dim, plan.seen)
        self.pre_norm: nn.Module = conv_norm(cfg.norm_layer, plan.seen)
        self.qkv: nn.Module = fusable_conv(cfg, plan.seen, sum(self.widths), 1)
        self.proj: nn.Sequential = nn.Sequential(
            activation(cfg.act_layer), fusable_conv(cfg, plan.channels, plan.channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        seen, rest = x[:, : self.seen], x[:, self.seen :]
        heads = self.qkv(self.pre_norm(seen)).flatten(2).mT[:, None]
        q, k, v = heads.split_with_sizes(self.widths, dim=-1)
        mixed = attend(q, k, v)[:, 0].mT.reshape(seen.shape)
        return self.proj(torch.cat((mixed, rest), dim=1))


class PatchMerging(nn.Module):
    """An inverted residual block without a shortcut, which subsamples by 2 (section 3.2)."""

    def __init__(self, cfg: SHViTConfig, in_channels: int, channels: int) -> None:
        super().__init__()
        hidden = 4 * in_channels
        self.conv1: nn.Module = fusable_conv(cfg, in_channels, hidden, 1)
        self.act1: nn.Module = activation(cfg.act_layer)
        self.conv2: nn.Module = fusable_conv(cfg, hidden, hidden, 3, stride=2, groups=hidden)
        self.act2: nn.Module = activation(cfg.act_layer)
        self.se: SqueezeExcite = SqueezeExcite(hidden, reduced_channels(hidden, 0.25))
        self.conv3: nn.Module = fusable_conv(cfg, hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        x = self.act1(self.conv1(x))
        return self.conv3(self.se(self.act2(self.conv2(x))))


class Residual(nn.Module):
    """A branch beside a shortcut.

    Args:
        branch: the branch.
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.m = branch

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x + self.m(x)


class ResidualConv(nn.Module):
    """A depthwise convolution beside a shortcut; together one convolution, in the inference form.

    Args:
        channels: D.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.m: ConvNorm = ConvNorm(conv2d(channels, channels, 3, groups=channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x + self.m(x)

    def fused(self) -> nn.Module:
        """One depthwise convolution with a bias."""
        weight, bias = self.m.kernel()
        shortcut = torch.ones_like(weight[:, :, :1, :1]), torch.zeros_like(bias)
        return conv_like(self.m.c, sum_kernels([(weight, bias), shortcut], 3))


def _stem(cfg: SHViTConfig) -> nn.Sequential:
    """Four 3x3 convolutions, each of which subsamples by 2 and doubles the channels."""
    widths = [cfg.in_chans, *(cfg.embed_dim[0] // divisor for divisor in (8, 4, 2, 1))]
    layers: list[nn.Module] = []
    for in_channels, channels in pairwise(widths):
        layers += [fusable_conv(cfg, in_channels, channels, 3, stride=2), activation(cfg.act_layer)]
    return nn.Sequential(*layers[:-1])


def _stage(cfg: SHViTConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    downsample: nn.Module = nn.Identity()
    if plan.in_channels is not None:
        downsample = nn.Sequential(
            _residual_conv(cfg, plan.in_channels),
            Residual(_mlp(cfg, plan.in_channels, cfg.act_layer)),
            PatchMerging(cfg, plan.in_channels, plan.channels),
            _residual_conv(cfg, plan.channels),
            Residual(_mlp(cfg, plan.channels, cfg.act_layer)),
        )
    blocks = Blocks(*(SHViTBlock(cfg, plan) for _ in range(plan.depth)))
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))


def _mlp(cfg: SHViTConfig, channels: int, act: Activation) -> nn.Sequential:
    """Two pointwise convolutions."""
    layers = {
        "pw1": fusable_conv(cfg, channels, 2 * channels, 1),
        "act": activation(act),
        "pw2": fusable_conv(cfg, 2 * channels, channels, 1),
    }
    return nn.Sequential(OrderedDict(layers))


def _residual_conv(cfg: SHViTConfig, channels: int) -> nn.Module:
    """A depthwise convolution beside a shortcut, or their inference form."""
    if cfg.inference_mode:
        return conv2d(channels, channels, 3, groups=channels, bias=True)
    return ResidualConv(channels)
