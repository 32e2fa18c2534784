"""iFormer (https://arxiv.org/abs/2501.15369).

Shapes: N images, C channels in, D channels out, H x W positions, L = H W, Q channels of queries, V
channels of values.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from typedvision.architecture.averaged_model import AveragedModel
from typedvision.families.iformer.config import BlockKind, IFormerConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.conv_norm import ConvNorm, fusable_conv
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import conv_like
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    trunc_normal,
    zeros,
)

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class IFormer(AveragedModel):
    """A stem, stages of convolutions and of attention, pooling and one or two classifiers."""

    last_layer: ClassVar[str | None] = "head"

    def __init__(self, cfg: IFormerConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.dims[-1]
        self.head_hidden_size: int = self.num_features
        self.distillation: bool = cfg.distillation
        self.fuses: bool = cfg.inference_mode

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and classifiers by a deviation of 0.02."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)


class Residual(nn.Module, Generic[ModuleT]):
    """A branch beside a shortcut.

    Args:
        channels: C.
        module: the branch, (N, C, H, W) to the same shape.
        scale: initial factor of LayerScale; 0 for no LayerScale.
        drop_path_rate: probability of dropping the branch.
    """

    def __init__(
        self, channels: int, module: ModuleT, scale: float = 0.0, drop_path_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.scale = scale
        self.gamma: nn.Parameter | None = (
            nn.Parameter(torch.empty(1, channels, 1, 1)) if scale else None
        )
        self.module: ModuleT = module
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def initializers(self) -> Initializers:
        """One value for every factor."""
        return {"gamma": constant(self.scale)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = self.module(x)
        return x + self.drop_path(y if self.gamma is None else y * self.gamma)


class Mixer(nn.Module):
    """A block: a branch of convolutions, of attention, or an MLP, beside a shortcut."""

    def __init__(
        self, cfg: IFormerConfig, plan: StagePlan, branch: nn.Module, drop_path_rate: float
    ) -> None:
        super().__init__()
        self.mixer: Residual[nn.Module] = Residual(
            plan.channels, branch, cfg.layer_scale_init_value, drop_path_rate
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.mixer(x)


class RepPositions(nn.Module):
    """A block that tells positions: a depthwise convolution beside a shortcut
    (https://arxiv.org/abs/2102.10882); together one convolution, in the inference form.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        conv = ConvNorm(conv2d(channels, channels, 3, groups=channels))
        self.cpe: Residual[ConvNorm] = Residual(channels, conv)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.cpe(x)

    def fused(self) -> nn.Module:
        """One depthwise convolution with a bias."""
        conv = self.cpe.module
        weight, bias = conv.kernel()
        shortcut = nn.init.dirac_(torch.empty_like(weight), groups=len(bias))
        return conv_like(conv.c, (weight + shortcut, bias))


class ModulationAttention(nn.Module):
    """Attention of one head, whose output a gate multiplies (section 3.3)."""

    def __init__(self, cfg: IFormerConfig, plan: StagePlan) -> None:
        super().__init__()
        channels = plan.channels
        self.q: nn.Module = fusable_conv(cfg, channels, plan.query_channels, 1)
        self.k: nn.Module = fusable_conv(cfg, channels, plan.query_channels, 1)
        self.v_gate: nn.Module = fusable_conv(cfg, channels, 2 * plan.value_channels, 1)
        self.gate_act: nn.Sigmoid = nn.Sigmoid()
        self.proj: nn.Module = fusable_conv(cfg, plan.value_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        v, gate = self.gate_act(self.v_gate(x)).chunk(2, dim=1)
        q, k, tokens = (part.flatten(2).mT[:, None] for part in (self.q(x), self.k(x), v))
        x = attend(q, k, tokens)[:, 0].mT.reshape(v.shape)
        return self.proj(x * gate)


def _stem(cfg: IFormerConfig) -> nn.Sequential:
    """Two 5x5 convolutions that subsample, and a pointwise one."""
    channels = cfg.dims[0]
    inside, wide = max(channels // 2, 1), 2 * channels
    layers = {
        "conv1": fusable_conv(cfg, cfg.in_chans, inside, 5, stride=2),
        "act1": activation(cfg.act_layer),
        "conv2": fusable_conv(cfg, inside, wide, 5, stride=2),
        "act2": activation(cfg.act_layer),
        "conv3": fusable_conv(cfg, wide, channels, 1),
    }
    return nn.Sequential(OrderedDict(layers))


def _stage(cfg: IFormerConfig, plan: StagePlan) -> nn.Sequential:
    """A convolution that subsamples, then blocks."""
    downsample: nn.Module = nn.Identity()
    if plan.in_channels is not None:
        downsample = fusable_conv(cfg, plan.in_channels, plan.channels, 3, stride=2)
    blocks = Blocks(*(_block(cfg, plan, kind, rate) for kind, rate in plan.blocks))
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))


def _block(cfg: IFormerConfig, plan: StagePlan, kind: BlockKind, rate: float) -> nn.Module:
    """A block, or its inference form."""
    channels = plan.channels
    match kind:
        case "positions" if cfg.inference_mode:
            return fusable_conv(cfg, channels, channels, 3, groups=channels)
        case "positions":
            return RepPositions(channels)
        case "attention":
            return Mixer(cfg, plan, ModulationAttention(cfg, plan), rate)
        case "mlp":
            return Mixer(cfg, plan, nn.Sequential(*_mlp(cfg, channels, plan.mlp_hidden)), rate)
        case "conv":
            depthwise = fusable_conv(cfg, channels, channels, 7, groups=channels)
            mlp = _mlp(cfg, channels, plan.conv_hidden)
            return Mixer(cfg, plan, nn.Sequential(depthwise, *mlp), rate)


def _mlp(cfg: IFormerConfig, channels: int, hidden: int) -> tuple[nn.Module, ...]:
    """The layers of an MLP of each position."""
    return (
        fusable_conv(cfg, channels, hidden, 1),
        activation(cfg.act_layer),
        fusable_conv(cfg, hidden, channels, 1),
    )
