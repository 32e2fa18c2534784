"""PNASNet-5 (https://arxiv.org/abs/1712.00559, figure 1).

Shapes: N images, C channels in, D channels out, B channels of a branch, H x W positions, s stride.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from typedvision.architecture.cell_model import CellModel
from typedvision.config.cells import CellPlan
from typedvision.config.names import PadType
from typedvision.families.pnasnet.config import PNASNetConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.nas import EPS, ActConvBn, BranchSeparables, FactorizedReduction, max_pool


class PNASNet5Large(CellModel):
    """A convolution and a row of cells, each of which sees the two before it; pooling and a linear
    classifier."""

    first_conv = "conv_0"

    def __init__(self, cfg: PNASNetConfig) -> None:
        super().__init__(cfg, cfg.plan(), partial(Cell, cfg), cfg.global_pool)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each cell."""
        return {"stem": r"^conv_0|cell_stem_[01]", "blocks": r"^cell_(\d+)"}


class Cell(nn.Module):
    """Five sums of two branches, concatenated (figure 1, left); most branches see the output of the
    cell before, some its input."""

    def __init__(self, cfg: PNASNetConfig, plan: CellPlan) -> None:
        super().__init__()
        width, stride, pad_type = plan.width, plan.stride, cfg.pad_type
        left = plan.last_channels if plan.is_first else width
        if plan.follows_reduction:
            self.conv_prev_1x1: nn.Module = FactorizedReduction(plan.last_channels, width)
        elif plan.is_first:
            self.conv_prev_1x1 = nn.Identity()
        else:
            self.conv_prev_1x1 = ActConvBn(plan.last_channels, width)
        self.conv_1x1: ActConvBn = ActConvBn(plan.channels, width)
        self.comb_iter_0_left: nn.Module = BranchSeparables(left, width, 5, stride, pad_type)
        self.comb_iter_0_right: nn.Module = max_pool(stride, pad_type)
        if plan.is_first:
            self.comb_iter_0_right = _pool_and_project(left, width, pad_type)
        self.comb_iter_1_left: nn.Module = BranchSeparables(width, width, 7, stride, pad_type)
        self.comb_iter_1_right: nn.Module = max_pool(stride, pad_type)
        self.comb_iter_2_left: nn.Module = BranchSeparables(width, width, 5, stride, pad_type)
        self.comb_iter_2_right: nn.Module = BranchSeparables(width, width, 3, stride, pad_type)
        self.comb_iter_3_left: nn.Module = BranchSeparables(width, width, 3)
        self.comb_iter_3_right: nn.Module = max_pool(stride, pad_type)
        self.comb_iter_4_left: nn.Module = BranchSeparables(left, width, 3, stride, pad_type)
        self.comb_iter_4_right: nn.Module = nn.Identity()
        if stride == 2:
            self.comb_iter_4_right = ActConvBn(width, width, stride, pad_type)

    def forward(self, last: Tensor, x: Tensor) -> Tensor:
        """The input and the output of the cell before, of C channels, to (N, D, H / s, W / s)."""
        left, right = self.conv_prev_1x1(last), self.conv_1x1(x)
        zero = self.comb_iter_0_left(left) + self.comb_iter_0_right(left)
        one = self.comb_iter_1_left(right) + self.comb_iter_1_right(right)
        two = self.comb_iter_2_left(right) + self.comb_iter_2_right(right)
        three = self.comb_iter_3_left(two) + self.comb_iter_3_right(right)
        four = self.comb_iter_4_left(left) + self.comb_iter_4_right(right)
        return torch.cat((zero, one, two, three, four), dim=1)


def _pool_and_project(in_channels: int, out_channels: int, pad_type: PadType) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            max_pool=max_pool(2, pad_type),
            conv=conv2d(in_channels, out_channels, 1),
            bn=nn.BatchNorm2d(out_channels, EPS),
        )
    )
