"""PNASNet-5 (https://arxiv.org/abs/1712.00559, figure 1).

Shapes: N images, C channels in, D channels out, B channels of a branch, H x W positions, s stride,
K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import ConvPool, PadType
from typedvision.families.pnasnet.config import STEM, CellPlan, PNASNetConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import linear_classifier
from typedvision.layers.norm_act import Conv2dNormAct
from typedvision.layers.pool import GlobalPool, MaxPool2dSame, pooled_features

EPS = 1e-3


class PNASNet5Large(ImageModel):
    """A convolution and a row of cells, each of which sees the two before it; pooling and a linear
    classifier."""

    def __init__(self, cfg: PNASNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].out_channels
        self.cell_names: tuple[str, ...] = tuple(cell.name for cell in plan)
        self.level_cells: tuple[str, ...] = tuple(
            cell.name for cell in plan[1:] if cell.stride == 2
        )

        self.conv_0: Conv2dNormAct = _first_conv(cfg)
        for cell in plan:
            self.add_module(cell.name, Cell(cfg, cell))
        self.act: nn.ReLU = nn.ReLU()
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        last = x = self.conv_0(x)
        yield x
        for name in self.cell_names:
            cell: Cell = getattr(self, name)
            if name in self.level_cells:
                yield cell.conv_1x1.act(x)
            last, x = x, cell(last, x)
        yield self.act(x)

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """What the cell in which the level lies makes of the map before."""
        cell, _, inside = level.partition(".")
        return (f"{cell}.conv_prev_1x1",) if inside else ()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.head_drop(self.global_pool(x))
        return x if pre_logits else self.last_linear(x)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.last_linear: nn.Module = linear_classifier(self.head_hidden_size, num_classes)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each cell."""
        return {"stem": r"^conv_0|cell_stem_[01]", "blocks": r"^cell_(\d+)"}


class Cell(nn.Module):
    """Five sums of two branches, concatenated (figure 1, left); most branches see the output of the
    cell before, some its input."""

    def __init__(self, cfg: PNASNetConfig, plan: CellPlan) -> None:
        super().__init__()
        width, stride = plan.width, plan.stride
        is_first = plan.last_channels == plan.channels == STEM
        left = plan.last_channels if is_first else width
        if plan.follows_reduction:
            self.conv_prev_1x1: nn.Module = FactorizedReduction(plan.last_channels, width)
        elif is_first:
            self.conv_prev_1x1 = nn.Identity()
        else:
            self.conv_prev_1x1 = ActConvBn(plan.last_channels, width)
        self.conv_1x1: ActConvBn = ActConvBn(plan.channels, width)
        self.comb_iter_0_left: nn.Module = BranchSeparables(cfg, left, width, 5, stride)
        self.comb_iter_0_right: nn.Module = _max_pool(stride, cfg.pad_type)
        if is_first:
            self.comb_iter_0_right = _pool_and_project(cfg, left, width)
        self.comb_iter_1_left: nn.Module = BranchSeparables(cfg, width, width, 7, stride)
        self.comb_iter_1_right: nn.Module = _max_pool(stride, cfg.pad_type)
        self.comb_iter_2_left: nn.Module = BranchSeparables(cfg, width, width, 5, stride)
        self.comb_iter_2_right: nn.Module = BranchSeparables(cfg, width, width, 3, stride)
        self.comb_iter_3_left: nn.Module = BranchSeparables(cfg, width, width, 3, 1)
        self.comb_iter_3_right: nn.Module = _max_pool(stride, cfg.pad_type)
        self.comb_iter_4_left: nn.Module = BranchSeparables(cfg, left, width, 3, stride)
        self.comb_iter_4_right: nn.Module = nn.Identity()
        if stride == 2:
            self.comb_iter_4_right = ActConvBn(width, width, stride, cfg.pad_type)

    def forward(self, last: Tensor, x: Tensor) -> Tensor:
        """The input and the output of the cell before, of C channels, to (N, D, H / s, W / s)."""
        left, right = self.conv_prev_1x1(last), self.conv_1x1(x)
        zero = self.comb_iter_0_left(left) + self.comb_iter_0_right(left)
        one = self.comb_iter_1_left(right) + self.comb_iter_1_right(right)
        two = self.comb_iter_2_left(right) + self.comb_iter_2_right(right)
        three = self.comb_iter_3_left(two) + self.comb_iter_3_right(right)
        four = self.comb_iter_4_left(left) + self.comb_iter_4_right(right)
        return torch.cat((zero, one, two, three, four), dim=1)


class ActConvBn(nn.Module):
    """A ReLU, a 1x1 convolution and a normalisation."""

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, pad_type: PadType = ""
    ) -> None:
        super().__init__()
        self.act: nn.ReLU = nn.ReLU()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, 1, stride=stride, pad_type=pad_type
        )
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / s, W / s)."""
        return self.bn(self.conv(self.act(x)))


class BranchSeparables(nn.Module):
    """Two separable convolutions, each after a ReLU and before a normalisation; the first one
    subsamples."""

    folds: ClassVar[Pairs] = (
        ("separable_1.pointwise_conv2d", "bn_sep_1"),
        ("separable_2.pointwise_conv2d", "bn_sep_2"),
    )

    def __init__(
        self, cfg: PNASNetConfig, in_channels: int, out_channels: int, kernel_size: int, stride: int
    ) -> None:
        super().__init__()
        pad_type = cfg.pad_type if stride == 2 else ""
        self.act_1: nn.ReLU = nn.ReLU()
        self.separable_1: SeparableConv2d = SeparableConv2d(
            in_channels, out_channels, kernel_size, stride, pad_type
        )
        self.bn_sep_1: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)
        self.act_2: nn.ReLU = nn.ReLU()
        self.separable_2: SeparableConv2d = SeparableConv2d(out_channels, out_channels, kernel_size)
        self.bn_sep_2: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / s, W / s)."""
        x = self.bn_sep_1(self.separable_1(self.act_1(x)))
        return self.bn_sep_2(self.separable_2(self.act_2(x)))


class SeparableConv2d(nn.Module):
    """A depthwise convolution and a 1x1 one."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        pad_type: PadType = "",
    ) -> None:
        super().__init__()
        self.depthwise_conv2d: nn.Conv2d = conv2d(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            groups=in_channels,
            pad_type=pad_type,
        )
        self.pointwise_conv2d: nn.Conv2d = conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / s, W / s)."""
        return self.pointwise_conv2d(self.depthwise_conv2d(x))


class FactorizedReduction(nn.Module):
    """Halves a map by two 1x1 convolutions, of which the second sees the positions that the first
    one leaves out."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.act: nn.ReLU = nn.ReLU()
        self.path_1: nn.Sequential = nn.Sequential(
            OrderedDict(avgpool=nn.AvgPool2d(1, 2), conv=conv2d(in_channels, half, 1))
        )
        self.path_2: nn.Sequential = nn.Sequential(
            OrderedDict(
                pad=nn.ZeroPad2d((-1, 1, -1, 1)),  # one position further
                avgpool=nn.AvgPool2d(1, 2),
                conv=conv2d(in_channels, half, 1),
            )
        )
        self.final_path_bn: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, B, H / 2, W / 2)."""
        x = self.act(x)
        return self.final_path_bn(torch.cat((self.path_1(x), self.path_2(x)), dim=1))


def _first_conv(cfg: PNASNetConfig) -> Conv2dNormAct:
    """A convolution without padding, and a normalisation."""
    conv = Conv2dNormAct(cfg.in_chans, STEM, 3, None, eps=EPS, stride=2)
    conv.conv.padding = (0, 0)
    return conv


def _pool_and_project(cfg: PNASNetConfig, in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            max_pool=_max_pool(2, cfg.pad_type),
            conv=conv2d(in_channels, out_channels, 1),
            bn=nn.BatchNorm2d(out_channels, EPS),
        )
    )


def _max_pool(stride: int, pad_type: PadType) -> nn.Module:
    """The largest of 3 x 3 positions."""
    is_same = stride == 2 and pad_type == "same"
    return MaxPool2dSame() if is_same else nn.MaxPool2d(3, stride, padding=1)
