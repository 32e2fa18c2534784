"""ResNet (https://arxiv.org/abs/1512.03385) and its descendants.

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.resnet.config import Block, BlockPlan, ResNetConfig, StagePlan, StemPlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.blur import BlurPool2d
from typedvision.layers.branch_attention import SelectiveKernel, SplitAttention
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropBlock2d, DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    zeros,
)
from typedvision.layers.map_attention import map_attention
from typedvision.layers.norm import conv_norm
from typedvision.layers.norm_act import Conv2dNormAct
from typedvision.layers.pool import shortcut_average


class ResNet(PooledModel):
    """A stem, four stages of residual blocks, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "fc"
    fc: nn.Linear | nn.Identity

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv1.6", "bn1"))

    layer1: Blocks
    layer2: Blocks
    layer3: Blocks
    layer4: Blocks

    def __init__(self, cfg: ResNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.stages[-1].channels
        self.zero_init_last: bool = cfg.zero_init_last
        self.pruned: bool = cfg.pruned is not None

        self.conv1: nn.Module = _stem(cfg, plan.stem)
        self.bn1: nn.Module = conv_norm(cfg.norm_layer, plan.stem.channels[-1])
        self.act1: nn.Module = activation(cfg.act_layer)
        self.maxpool: nn.Module = _stem_pool(cfg, plan.stem.channels[-1])
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(cfg, stage) for stage in plan.stages
        )
        self.last_norms: set[str] = {
            f"{path}.{block.last_norm}"
            for path, block in self.named_modules()
            if isinstance(block, ResidualBlock)
        }
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.act1(self.bn1(self.conv1(x)))
        yield x
        x = self.maxpool(x)
        for name in ("layer1", "layer2", "layer3", "layer4"):  # a backbone may lack the last
            x = self.get_submodule(name)(x)
            yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by their fan-out; the last normalisation of a branch by 0. A pruned network
        is there to take weights, and is initialised as PyTorch's layers are."""
        initializers = default_initializers(module)
        if self.pruned:
            return initializers
        if isinstance(module, nn.Conv2d):
            return {**initializers, "weight": kaiming_normal_fan_out()}
        if self.zero_init_last and path in self.last_norms:
            return {**initializers, "weight": zeros}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        return {
            "stem": r"^conv1|bn1|maxpool",
            "blocks": r"^layer(\d+)" if coarse else r"^layer(\d+)\.(\d+)",
        }


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (figure 5, left)."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"))

    last_norm = "bn2"
    conv1: nn.Module
    aa: nn.Module

    def __init__(self, cfg: ResNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        width = plan.first_width
        self.conv1, self.aa = _subsampling_conv(cfg, plan, plan.in_channels, width)
        self.bn1: nn.Module = conv_norm(cfg.norm_layer, width)
        self.drop_block: nn.Module = _drop_block(cfg, plan)
        self.act1: nn.Module = activation(cfg.act_layer)
        self.conv2: nn.Conv2d = conv2d(width, plan.out_channels, 3, dilation=plan.dilation)
        self.bn2: nn.Module = conv_norm(cfg.norm_layer, plan.out_channels)
        self.se: nn.Module = _attention(cfg, plan)
        self.act2: nn.Module = activation(cfg.act_layer)
        self.downsample: nn.Module = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.aa(self.act1(self.drop_block(self.bn1(self.conv1(x)))))
        branch = self.se(self.bn2(self.conv2(branch)))
        return self.act2(self.drop_path(branch) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions (figure 5, right); the 3x3 one subsamples."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))

    last_norm = "bn3"
    conv2: nn.Module
    aa: nn.Module

    def __init__(self, cfg: ResNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        first = plan.first_width
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, first, 1)
        self.bn1: nn.Module = conv_norm(cfg.norm_layer, first)
        self.act1: nn.Module = activation(cfg.act_layer)
        self.conv2, self.aa = _subsampling_conv(cfg, plan, first, plan.width)
        self.bn2: nn.Module = conv_norm(cfg.norm_layer, plan.width)
        self.drop_block: nn.Module = _drop_block(cfg, plan)
        self.act2: nn.Module = activation(cfg.act_layer)
        self.conv3: nn.Conv2d = conv2d(plan.width, plan.out_channels, 1)
        self.bn3: nn.Module = conv_norm(cfg.norm_layer, plan.out_channels)
        self.se: nn.Module = _attention(cfg, plan)
        self.act3: nn.Module = activation(cfg.act_layer)
        self.downsample: nn.Module = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act1(self.bn1(self.conv1(x)))
        branch = self.aa(self.act2(self.drop_block(self.bn2(self.conv2(branch)))))
        branch = self.se(self.bn3(self.conv3(branch)))
        return self.act3(self.drop_path(branch) + self.downsample(x))


class Res2Bottleneck(nn.Module):
    """A bottleneck whose 3x3 convolutions see one part of the channels each, and what comes from
    the part before (https://arxiv.org/abs/1904.01169, figure 2b)."""

    folds: ClassVar[Pairs] = (
        ("conv1", "bn1"),
        *((f"convs.{part}", f"bns.{part}") for part in range(8)),
        ("conv3", "bn3"),
    )

    last_norm = "bn3"

    def __init__(self, cfg: ResNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        width, scale = plan.width, cfg.block_args.scale
        self.parts: int = scale
        self.projects: bool = plan.stride > 1 or plan.project
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, plan.first_width, 1)
        self.bn1: nn.Module = conv_norm(cfg.norm_layer, plan.first_width)
        convs = [
            conv2d(
                width,
                width,
                3,
                stride=plan.stride,
                dilation=plan.first_dilation,
                groups=cfg.cardinality,
            )
            for _ in range(max(scale - 1, 1))
        ]
        self.convs: nn.ModuleList = nn.ModuleList(convs)
        self.bns: nn.ModuleList = nn.ModuleList(conv_norm(cfg.norm_layer, width) for _ in convs)
        self.pool: nn.Module = nn.Identity()
        if self.projects and scale > 1:
            self.pool = nn.AvgPool2d(3, stride=plan.stride, padding=1)
        self.conv3: nn.Conv2d = conv2d(plan.first_width, plan.out_channels, 1)
        self.bn3: nn.Module = conv_norm(cfg.norm_layer, plan.out_channels)
        self.se: nn.Module = _attention(cfg, plan)
        self.relu: nn.Module = activation(cfg.act_layer)  # one for all, as checkpoints have it
        self.downsample: nn.Module = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        parts = self.relu(self.bn1(self.conv1(x))).chunk(self.parts, dim=1)
        outputs: list[Tensor] = []
        for part, conv, bn in zip(parts, self.convs, self.bns, strict=False):
            if outputs and not self.projects:
                part = part + outputs[-1]
            outputs.append(self.relu(bn(conv(part))))
        if self.parts > 1:
            outputs.append(self.pool(parts[-1]))
        branch = self.se(self.bn3(self.conv3(torch.cat(outputs, dim=1))))
        return self.relu(self.drop_path(branch) + self.downsample(x))


class SplitAttentionBottleneck(nn.Module):
    """A bottleneck whose 3x3 convolution is a split attention
    (https://arxiv.org/abs/2004.08955, figure 2)."""

    folds: ClassVar[Pairs] = (("conv1", "bn1"), ("conv3", "bn3"))

    last_norm = "bn3"

    def __init__(self, cfg: ResNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        args, width = cfg.block_args, plan.width
        averages = args.avd and plan.stride > 1
        average = nn.AvgPool2d(3, stride=plan.stride, padding=1) if averages else nn.Identity()
        self.conv1: nn.Conv2d = conv2d(plan.in_channels, width, 1)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.act1: nn.Module = activation(cfg.act_layer)
        self.avd_first: nn.Module = average if args.avd_first else nn.Identity()
        self.conv2: SplitAttention = SplitAttention(
            width,
            plan.reduced,
            radix=args.radix,
            groups=cfg.cardinality,
            dilation=plan.first_dilation,
            normalize=True,
            stride=1 if averages else plan.stride,
        )
        self.avd_last: nn.Module = nn.Identity() if args.avd_first else average
        self.conv3: nn.Conv2d = conv2d(width, plan.out_channels, 1)
        self.bn3: nn.Module = nn.BatchNorm2d(plan.out_channels)
        self.act3: nn.Module = activation(cfg.act_layer)
        self.downsample: nn.Module = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.avd_first(self.act1(self.bn1(self.conv1(x))))
        branch = self.bn3(self.conv3(self.avd_last(self.conv2(branch))))
        return self.act3(self.drop_path(branch) + self.downsample(x))


class SelectiveKernelBasic(nn.Module):
    """A selective kernel (https://arxiv.org/abs/1903.06586), and a 3x3 convolution."""

    last_norm = "conv2.bn"

    def __init__(self, cfg: ResNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.conv1: SelectiveKernel = _selective_kernel(
            cfg, plan, plan.in_channels, plan.first_width
        )
        self.conv2: Conv2dNormAct = Conv2dNormAct(
            plan.first_width, plan.out_channels, 3, None, dilation=plan.dilation
        )
        self.se: nn.Module = _attention(cfg, plan)
        self.act: nn.Module = activation(cfg.act_layer)
        self.downsample: nn.Module = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.se(self.conv2(self.conv1(x)))
        return self.act(self.drop_path(branch) + self.downsample(x))


class SelectiveKernelBottleneck(nn.Module):
    """A 1x1 convolution, a selective kernel (https://arxiv.org/abs/1903.06586), and a 1x1 one."""

    last_norm = "conv3.bn"

    def __init__(self, cfg: ResNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        first = plan.first_width
        self.conv1: Conv2dNormAct = Conv2dNormAct(plan.in_channels, first, 1, cfg.act_layer)
        self.conv2: SelectiveKernel = _selective_kernel(cfg, plan, first, plan.width)
        self.conv3: Conv2dNormAct = Conv2dNormAct(plan.width, plan.out_channels, 1, None)
        self.se: nn.Module = _attention(cfg, plan)
        self.act: nn.Module = activation(cfg.act_layer)
        self.downsample: nn.Module = _shortcut(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.se(self.conv3(self.conv2(self.conv1(x))))
        return self.act(self.drop_path(branch) + self.downsample(x))


ResidualBlock = (
    BasicBlock
    | Bottleneck
    | Res2Bottleneck
    | SplitAttentionBottleneck
    | SelectiveKernelBasic
    | SelectiveKernelBottleneck
)
_BLOCKS: dict[Block, type[ResidualBlock]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
    "bottle2neck": Res2Bottleneck,
    "resnest": SplitAttentionBottleneck,
    "sk_basic": SelectiveKernelBasic,
    "sk_bottleneck": SelectiveKernelBottleneck,
}


def _stage(cfg: ResNetConfig, plan: StagePlan) -> Blocks:
    return Blocks(*(_BLOCKS[block.kind](cfg, block) for block in plan.blocks))


def _stem(cfg: ResNetConfig, plan: StemPlan) -> nn.Module:
    """One 7x7 convolution, or three 3x3 ones with what stands between them."""
    first, *others = plan.channels
    if not others:
        return conv2d(cfg.in_chans, first, 7, stride=2)
    layers: list[nn.Module] = [conv2d(cfg.in_chans, first, 3, stride=2)]
    for before, after in pairwise(plan.channels):
        norm = conv_norm(cfg.norm_layer, before)
        layers += [norm, activation(cfg.act_layer), conv2d(before, after, 3)]
    return nn.Sequential(*layers)


def _stem_pool(cfg: ResNetConfig, channels: int) -> nn.Module:
    """Subsamples the stem's map by two."""
    if cfg.replace_stem_pool:
        stride = 1 if cfg.aa_layer else 2
        layers = [
            conv2d(channels, channels, 3, stride=stride),
            *([_anti_alias(cfg, channels, 2)] if cfg.aa_layer else []),
            conv_norm(cfg.norm_layer, channels),
            activation(cfg.act_layer),
        ]
        return nn.Sequential(*layers)
    match cfg.aa_layer:
        case None:
            return nn.MaxPool2d(3, stride=2, padding=1)
        case "avg":
            return nn.AvgPool2d(2)
        case "blur":
            return nn.Sequential(
                nn.MaxPool2d(3, stride=1, padding=1), _anti_alias(cfg, channels, 2)
            )


def _subsampling_conv(
    cfg: ResNetConfig, plan: BlockPlan, in_channels: int, out_channels: int
) -> tuple[nn.Module, nn.Module]:
    """The block's 3x3 convolution and the low-pass filter after it, which then subsamples."""
    filtered = cfg.aa_layer and (plan.stride == 2 or plan.first_dilation != plan.dilation)
    conv = conv2d(
        in_channels,
        out_channels,
        3,
        stride=1 if filtered else plan.stride,
        dilation=plan.first_dilation,
        groups=cfg.cardinality,
    )
    return conv, _anti_alias(cfg, out_channels, plan.stride) if filtered else nn.Identity()


def _selective_kernel(
    cfg: ResNetConfig, plan: BlockPlan, in_channels: int, out_channels: int
) -> SelectiveKernel:
    return SelectiveKernel(
        in_channels,
        out_channels,
        plan.reduced,
        stride=plan.stride,
        dilation=plan.first_dilation,
        groups=cfg.cardinality,
        split_input=cfg.block_args.sk_kwargs.split_input,
        act=cfg.act_layer,
    )


def _anti_alias(cfg: ResNetConfig, channels: int, stride: int) -> nn.Module:
    return BlurPool2d(channels, stride) if cfg.aa_layer == "blur" else nn.AvgPool2d(stride)


def _shortcut(cfg: ResNetConfig, plan: BlockPlan) -> nn.Module:
    """The identity, or a projection where the shape changes."""
    if not plan.project:
        return nn.Identity()
    norm = conv_norm(cfg.norm_layer, plan.out_channels)
    if cfg.avg_down:  # ResNet-D: figure 2c of https://arxiv.org/abs/1812.01187
        conv = conv2d(plan.in_channels, plan.out_channels, 1)
        return nn.Sequential(shortcut_average(plan.stride, plan.dilation), conv, norm)
    size = cfg.down_kernel_size if plan.stride != 1 or plan.dilation != 1 else 1
    conv = conv2d(
        plan.in_channels,
        plan.out_channels,
        size,
        stride=plan.stride,
        dilation=plan.first_dilation if size > 1 else 1,
    )
    return nn.Sequential(conv, norm)


def _drop_block(cfg: ResNetConfig, plan: BlockPlan) -> nn.Module:
    if plan.drop_block is None:
        return nn.Identity()
    size, scale = plan.drop_block
    return DropBlock2d(cfg.drop_block_rate, size, scale)


def _attention(cfg: ResNetConfig, plan: BlockPlan) -> nn.Module:
    args = cfg.block_args
    if args.attn_layer is None:
        return nn.Identity()
    return map_attention(args.attn_layer, plan.attn_channels, args.rd_ratio)
