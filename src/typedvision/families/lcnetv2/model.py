"""PP-LCNetV2 (PaddleClas).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.architecture.pooled_conv_model import PooledConvModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import Activation
from typedvision.families.lcnetv2.config import BlockPlan, LCNetV2Config
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import conv_bn_kernel, conv_like, sum_kernels
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    zeros,
)
from typedvision.layers.norm_act import Conv2dNormAct


class LCNetV2(StagedModel, PooledConvModel):
    """A stem, four stages of blocks, pooling, a hidden layer and a linear classifier."""

    def __init__(self, cfg: LCNetV2Config) -> None:
        super().__init__(cfg)
        plan, hidden = cfg.plan(), cfg.head_hidden_size
        self.num_features: int = plan.stages[-1][-1].out_channels
        self.head_hidden_size: int = hidden or self.num_features

        first, second = plan.stem
        self.stem: nn.Module = nn.Sequential(
            _conv(cfg, cfg.in_chans, first, 3, cfg.act_layer, stride=2),
            _block(cfg, BlockPlan(first, second, 1, (3,))),
        )
        self.stages: nn.Sequential = nn.Sequential(
            *(Blocks(*(_block(cfg, block) for block in stage)) for stage in plan.stages)
        )
        self.conv_head: nn.Conv2d | nn.Identity = nn.Identity()
        self.act2: nn.Module = nn.Identity()
        if hidden:
            self.conv_head = conv2d(self.num_features, hidden, 1)
            self.act2 = activation(cfg.act_layer)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their outputs; no biases."""
        if isinstance(module, nn.Conv2d):
            return {"weight": kaiming_normal_fan_out(), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {**default_initializers(module), "bias": zeros}
        return default_initializers(module)

    def _hidden(self, x: Tensor) -> Tensor:
        """The convolution and the activation, if any."""
        return self.act2(self.conv_head(x))

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)" + ("" if coarse else r"\.(\d+)")}


class DepthwiseSeparable(nn.Module):
    """A depthwise convolution, an attention over channels and pointwise convolutions, beside a
    shortcut where there is one.

    Args:
        dw_conv: the depthwise convolution.
        dw_act: what follows it.
        se: the attention.
        pw_conv: the pointwise convolutions.
        shortcut: whether there is a shortcut.
    """

    def __init__(
        self,
        dw_conv: nn.Module,
        dw_act: nn.Module,
        se: nn.Module,
        pw_conv: nn.Module,
        shortcut: bool,
    ) -> None:
        super().__init__()
        self.dw_conv = dw_conv
        self.dw_act = dw_act
        self.se = se
        self.pw_conv = pw_conv
        self.has_shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.pw_conv(self.se(self.dw_act(self.dw_conv(x))))
        return x + y if self.has_shortcut else y


class RepDepthwiseSeparable(nn.Module):
    """A block whose depthwise convolution is a sum of branches; its inference form is a
    `DepthwiseSeparable`.

    Args:
        dw_conv_list: the branches, the largest kernel first.
        dw_act: the activation.
        se: the attention over channels.
        pw_conv: the pointwise convolutions.
        shortcut: whether there is a shortcut.
    """

    def __init__(
        self,
        dw_conv_list: list[Conv2dNormAct],
        dw_act: nn.Module,
        se: nn.Module,
        pw_conv: nn.Module,
        shortcut: bool,
    ) -> None:
        super().__init__()
        self.dw_conv_list: nn.ModuleList = nn.ModuleList(dw_conv_list)
        self.dw_act = dw_act
        self.se = se
        self.pw_conv = pw_conv
        self.has_shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        largest, *others = self.dw_conv_list
        mixed = largest(x)
        for branch in others:
            mixed = mixed + branch(x)
        y = self.pw_conv(self.se(self.dw_act(mixed)))
        return x + y if self.has_shortcut else y

    def fused(self) -> nn.Module:
        """The block with one depthwise convolution."""
        convs: list[nn.Conv2d] = []
        kernels = []
        for branch in self.dw_conv_list:
            assert isinstance(branch, Conv2dNormAct)
            assert isinstance(branch.bn, nn.BatchNorm2d)  # the config refuses the others
            convs.append(branch.conv)
            kernels.append(conv_bn_kernel(branch.conv, branch.bn))
        conv = conv_like(convs[0], sum_kernels(kernels, convs[0].kernel_size[0]))
        return DepthwiseSeparable(conv, self.dw_act, self.se, self.pw_conv, self.has_shortcut)


def _block(cfg: LCNetV2Config, plan: BlockPlan) -> nn.Module:
    """A block, with branches or in their inference form."""
    channels, stride = plan.in_channels, plan.stride
    se = SqueezeExcite(channels, channels // 4, cfg.act_layer) if plan.attends else nn.Identity()
    pointwise = _pointwise(cfg, plan)
    if not plan.branches:
        conv: nn.Module = _depthwise(cfg, plan, plan.kernel_sizes[0], cfg.act_layer)
        return DepthwiseSeparable(conv, nn.Identity(), se, pointwise, plan.shortcut)
    act = activation(cfg.act_layer)
    if cfg.inference_mode:
        size = plan.kernel_sizes[0]
        conv = conv2d(channels, channels, size, stride=stride, groups=channels, bias=True)
        return DepthwiseSeparable(conv, act, se, pointwise, plan.shortcut)
    branches = [_depthwise(cfg, plan, size, None) for size in plan.kernel_sizes]
    return RepDepthwiseSeparable(branches, act, se, pointwise, plan.shortcut)


def _pointwise(cfg: LCNetV2Config, plan: BlockPlan) -> nn.Module:
    """One pointwise convolution, or two."""
    channels, inside = plan.out_channels, plan.split_channels
    if inside is None:
        return _conv(cfg, plan.in_channels, channels, 1, cfg.act_layer)
    return nn.Sequential(
        _conv(cfg, plan.in_channels, inside, 1, cfg.act_layer),
        _conv(cfg, inside, channels, 1, cfg.act_layer),
    )


def _depthwise(
    cfg: LCNetV2Config, plan: BlockPlan, kernel_size: int, act: Activation | None
) -> Conv2dNormAct:
    channels = plan.in_channels
    return _conv(cfg, channels, channels, kernel_size, act, stride=plan.stride, groups=channels)


def _conv(
    cfg: LCNetV2Config,
    in_channels: int,
    channels: int,
    kernel_size: int,
    act: Activation | None,
    *,
    stride: int = 1,
    groups: int = 1,
) -> Conv2dNormAct:
    return Conv2dNormAct(
        in_channels,
        channels,
        kernel_size,
        act,
        norm_layer=cfg.norm_layer,
        stride=stride,
        groups=groups,
    )
