"""Normalizer-free networks (https://arxiv.org/abs/2101.08692, https://arxiv.org/abs/2102.06171).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.image_model import LAST_GROUP
from typedvision.families.nfnet.config import (
    GAMMAS,
    BlockPlan,
    NormFreeNetConfig,
    NormFreeNetPlan,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import channel_attention
from typedvision.layers.conv import pad_same
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    fan_in,
    normal,
    ones,
    zeros,
)
from typedvision.layers.pool import shortcut_average


class NormFreeNet(HeadModel):
    """A stem, four stages of scaled residual blocks, a last convolution, and a classifier."""

    def __init__(self, cfg: NormFreeNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.num_features
        self.stem_level: str = plan.stem[plan.stem_level].name
        self.zero_init_fc: bool = cfg.zero_init_fc
        self.last_stage: int = len(plan.stages) - 1

        self.stem: nn.Sequential = nn.Sequential(OrderedDict(_stem(cfg, plan)))
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.final_conv: nn.Module = (
            _conv(cfg, plan.stages[-1].channels, self.num_features, 1)
            if cfg.num_features
            else nn.Identity()
        )
        self.final_act: nn.Module = _act(cfg)
        self._add_head(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.final_act(self.final_conv(self.stages(self.stem(x))))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        for name, module in self.stem.named_children():
            x = module(x)
            if name == self.stem_level:
                yield x
        for index, stage in enumerate(self.stages):
            x = stage(x)
            yield self.final_conv(x) if index == self.last_stage else x

    def _finish(self, x: Tensor) -> Tensor:
        """The last activation."""
        return self.final_act(x)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-in, the classifier by a deviation of 0.01; biases by 0."""
        if isinstance(module, nn.Linear):
            return {"weight": zeros if self.zero_init_fc else normal(0.01), "bias": zeros}
        if isinstance(module, nn.Conv2d):
            std = fan_in(module.weight) ** -0.5
            return {**default_initializers(module), "weight": normal(std), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; the last convolution belongs to the last."""
        return {
            "stem": r"^stem",
            "blocks": [
                (r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)", None),
                (r"^final_conv", LAST_GROUP),
            ],
        }


class NormFreeBlock(nn.Module):
    """A bottleneck before whose convolutions stand activations (NF-ResNet, section 3; NFNet,
    figure 5): x + alpha * f(beta * x)."""

    def __init__(self, cfg: NormFreeNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        width, groups = plan.width, plan.groups
        self.alpha: float = cfg.alpha
        self.beta: float = plan.beta
        self.attn_gain: float = cfg.attn_gain

        self.downsample: Shortcut | None = Shortcut(cfg, plan) if plan.project else None
        self.act1: nn.Module = _act(cfg)
        self.conv1: ScaledStdConv2d = _conv(cfg, plan.in_channels, width, 1)
        self.act2: nn.Module = _act(cfg)
        self.conv2: ScaledStdConv2d = _conv(
            cfg, width, width, 3, stride=plan.stride, dilation=plan.first_dilation, groups=groups
        )
        self.act2b: nn.Module | None = None
        self.conv2b: ScaledStdConv2d | None = None
        if cfg.extra_conv:
            self.act2b = _act(cfg)
            self.conv2b = _conv(cfg, width, width, 3, dilation=plan.dilation, groups=groups)
        self.attn: nn.Module | None = _attention(cfg, width) if cfg.reg else None
        self.act3: nn.Module = _act(cfg)
        self.conv3: ScaledStdConv2d = _conv(
            cfg, width, plan.out_channels, 1, gain=1.0 if cfg.skipinit else 0.0
        )
        self.attn_last: nn.Module | None = None if cfg.reg else _attention(cfg, plan.out_channels)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skipinit_gain: nn.Parameter | None = (
            nn.Parameter(torch.empty(())) if cfg.skipinit else None
        )

    def initializers(self) -> Initializers:
        """The gain of the branch, which is the identity at first (https://arxiv.org/abs/2002.10444)."""
        return {} if self.skipinit_gain is None else {"skipinit_gain": zeros}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(x) * self.beta
        shortcut = x if self.downsample is None else self.downsample(branch)
        branch = self.conv2(self.act2(self.conv1(branch)))
        if self.act2b is not None and self.conv2b is not None:
            branch = self.conv2b(self.act2b(branch))
        if self.attn is not None:
            branch = self.attn_gain * self.attn(branch)
        branch = self.conv3(self.act3(branch))
        if self.attn_last is not None:
            branch = self.attn_gain * self.attn_last(branch)
        branch = self.drop_path(branch)
        if self.skipinit_gain is not None:
            branch = branch * self.skipinit_gain
        return branch * self.alpha + shortcut


class Shortcut(nn.Module):
    """An average and a 1x1 convolution (https://arxiv.org/abs/1812.01187)."""

    def __init__(self, cfg: NormFreeNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.pool: nn.Module = shortcut_average(plan.stride, plan.dilation)
        self.conv: ScaledStdConv2d = _conv(cfg, plan.in_channels, plan.out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.conv(self.pool(x))


class ScaledStdConv2d(nn.Conv2d):
    """A convolution whose weights have mean 0 and variance 1 / fan-in for each output channel,
    times a learned gain (NF-ResNet, equation 5).

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: height and width of the kernel.
        stride: s.
        dilation: distance of neighbours in the kernel.
        groups: groups of channels.
        gamma: factor of the activation before it.
        gain: initial gain.
        eps: added to the variance of the weights.
        same: pad as TensorFlow does, by what the input's size takes.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        dilation: int,
        groups: int,
        gamma: float,
        gain: float,
        eps: float,
        same: bool,
    ) -> None:
        at_run_time = same and stride > 1
        padding = 0 if at_run_time else dilation * (kernel_size // 2)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=True
        )
        self.gain: nn.Parameter = nn.Parameter(torch.empty(out_channels, 1, 1, 1))
        self.initial_gain = gain
        self.scale: float = gamma * fan_in(self.weight) ** -0.5
        self.eps = eps
        self.at_run_time = at_run_time

    def initializers(self) -> Initializers:
        """The gain."""
        return {"gain": constant(self.initial_gain) if self.initial_gain != 1.0 else ones}

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        weight = F.layer_norm(self.weight, self.weight.shape[1:], eps=self.eps)
        weight = weight * (self.gain * self.scale)
        if self.at_run_time:
            input = pad_same(input, self.kernel_size[0], self.stride[0], self.dilation[0])
        return self._conv_forward(input, weight, self.bias)


class ScaledActivation(nn.Module):
    """An activation times the factor that gives its output a variance of 1."""

    def __init__(self, act: nn.Module, gamma: float) -> None:
        super().__init__()
        self.act = act
        self.gamma = gamma

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return self.act(x) * self.gamma


def _stem(cfg: NormFreeNetConfig, plan: NormFreeNetPlan) -> Iterator[tuple[str, nn.Module]]:
    """Convolutions with activations between them, and perhaps a pooling."""
    channels = cfg.in_chans
    for index, conv in enumerate(plan.stem):
        if index:
            yield f"act{index + 1}", _act(cfg)
        layer = _conv(cfg, channels, conv.channels, conv.kernel_size, stride=conv.stride)
        yield conv.name, layer
        channels = conv.channels
    if plan.pools:
        yield "pool", nn.MaxPool2d(3, stride=2, padding=1)


def _stage(cfg: NormFreeNetConfig, plan: StagePlan) -> Blocks:
    return Blocks(*(NormFreeBlock(cfg, block) for block in plan.blocks))


def _attention(cfg: NormFreeNetConfig, channels: int) -> nn.Module | None:
    if cfg.attn_layer is None:
        return None
    return channel_attention(cfg.attn_layer, channels, cfg.attn_kwargs.rd_ratio)


def _act(cfg: NormFreeNetConfig) -> nn.Module:
    # Not in place: the input is the shortcut, too.
    act = activation(cfg.act_layer, inplace=False)
    return ScaledActivation(act, GAMMAS[cfg.act_layer]) if cfg.gamma_in_act else act


def _conv(
    cfg: NormFreeNetConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    gain: float = 1.0,
) -> ScaledStdConv2d:
    return ScaledStdConv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        dilation=dilation,
        groups=groups,
        gamma=1.0 if cfg.gamma_in_act else GAMMAS[cfg.act_layer],
        gain=gain,
        eps=cfg.std_conv_eps,
        same=cfg.same_padding,
    )
