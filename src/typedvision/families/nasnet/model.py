"""NASNet-A (https://arxiv.org/abs/1707.07012, figure 4).

Shapes: N images, C channels in, D channels out, B channels of a branch, H x W positions, s stride.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from typedvision.architecture.cell_model import CellModel
from typedvision.config.cells import CellPlan
from typedvision.config.names import PadType
from typedvision.families.nasnet.config import CELLS, NASNetConfig
from typedvision.layers.nas import (
    EPS,
    ActConvBn,
    BranchSeparables,
    average_pool,
    halving_paths,
    max_pool,
)


class NASNetALarge(CellModel):
    """A convolution, two reduction cells, and normal cells at three resolutions with a reduction
    cell between; pooling and a linear classifier."""

    first_conv = "conv0"

    def __init__(self, cfg: NASNetConfig) -> None:
        super().__init__(cfg, cfg.plan(), partial(_cell, cfg.pad_type), cfg.global_pool)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each normal cell; a reduction cell goes with the next one."""
        return {
            "stem": r"^conv0|cell_stem_[01]",
            "blocks": [
                (r"^cell_(\d+)", None),
                (r"^reduction_cell_0", (CELLS,)),
                (r"^reduction_cell_1", (2 * CELLS,)),
            ],
        }


class CellInputs(nn.Module):
    """What a cell makes of the two maps it sees: two of its own width and of one size."""

    def __init__(self, plan: CellPlan) -> None:
        super().__init__()
        self.halves_last: bool = plan.follows_reduction
        if plan.follows_reduction:
            self.conv_1x1: ActConvBn = ActConvBn(plan.channels, plan.width)
            self.act: nn.ReLU = nn.ReLU()
            self.path_1: nn.Sequential
            self.path_2: nn.Sequential
            self.path_1, self.path_2 = halving_paths(plan.last_channels, plan.width // 2)
            self.final_path_bn: nn.BatchNorm2d = nn.BatchNorm2d(plan.width, EPS)
            return
        self.conv_prev_1x1: nn.Module = nn.Identity()
        if not plan.is_first:
            self.conv_prev_1x1 = ActConvBn(plan.last_channels, plan.width)
        self.conv_1x1 = ActConvBn(plan.channels, plan.width)

    def inputs(self, last: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map before, of C channels, and the last one, (N, C, H, W), each to (N, B, H, W)."""
        x = self.conv_1x1(x)
        if not self.halves_last:
            return self.conv_prev_1x1(last), x
        last = self.act(last)
        return self.final_path_bn(torch.cat((self.path_1(last), self.path_2(last)), dim=1)), x


class NormalCell(CellInputs):
    """Five sums of two branches, concatenated with the map before (figure 4, left)."""

    def __init__(self, plan: CellPlan) -> None:
        super().__init__(plan)
        width = plan.width
        self.comb_iter_0_left: BranchSeparables = BranchSeparables(width, width, 5)
        self.comb_iter_0_right: BranchSeparables = BranchSeparables(width, width, 3)
        self.comb_iter_1_left: BranchSeparables = BranchSeparables(width, width, 5)
        self.comb_iter_1_right: BranchSeparables = BranchSeparables(width, width, 3)
        self.comb_iter_2_left: nn.Module = average_pool(1)
        self.comb_iter_3_left: nn.Module = average_pool(1)
        self.comb_iter_3_right: nn.Module = average_pool(1)
        self.comb_iter_4_left: BranchSeparables = BranchSeparables(width, width, 3)

    def forward(self, last: Tensor, x: Tensor) -> Tensor:
        """The map before, of C channels, and the last one, (N, C, H, W), to (N, D, H, W)."""
        last, x = self.inputs(last, x)
        zero = self.comb_iter_0_left(x) + self.comb_iter_0_right(last)
        one = self.comb_iter_1_left(last) + self.comb_iter_1_right(last)
        two = self.comb_iter_2_left(x) + last
        three = self.comb_iter_3_left(last) + self.comb_iter_3_right(last)
        four = self.comb_iter_4_left(x) + x
        return torch.cat((last, zero, one, two, three, four), dim=1)


class ReductionCell(CellInputs):
    """Three sums of two branches that subsample, of which two serve others, and two sums more; four
    of the five are concatenated (figure 4, right)."""

    def __init__(self, plan: CellPlan, pad_type: PadType) -> None:
        super().__init__(plan)
        width = plan.width
        before = plan.last_channels if plan.is_first else width
        self.comb_iter_0_left: BranchSeparables = BranchSeparables(width, width, 5, 2, pad_type)
        self.comb_iter_0_right: BranchSeparables = BranchSeparables(before, width, 7, 2, pad_type)
        self.comb_iter_1_left: nn.Module = max_pool(2, pad_type)
        self.comb_iter_1_right: BranchSeparables = BranchSeparables(before, width, 7, 2, pad_type)
        self.comb_iter_2_left: nn.Module = average_pool(2, pad_type)
        self.comb_iter_2_right: BranchSeparables = BranchSeparables(before, width, 5, 2, pad_type)
        self.comb_iter_3_right: nn.Module = average_pool(1)
        self.comb_iter_4_left: BranchSeparables = BranchSeparables(width, width, 3)
        self.comb_iter_4_right: nn.Module = max_pool(2, pad_type)

    def forward(self, last: Tensor, x: Tensor) -> Tensor:
        """The map before, of C channels, and the last one, (N, C, H, W), to (N, D, H/s, W/s)."""
        last, x = self.inputs(last, x)
        zero = self.comb_iter_0_left(x) + self.comb_iter_0_right(last)
        one = self.comb_iter_1_left(x) + self.comb_iter_1_right(last)
        two = self.comb_iter_2_left(x) + self.comb_iter_2_right(last)
        three = one + self.comb_iter_3_right(zero)
        four = self.comb_iter_4_left(zero) + self.comb_iter_4_right(x)
        return torch.cat((one, two, three, four), dim=1)


def _cell(pad_type: PadType, plan: CellPlan) -> nn.Module:
    return NormalCell(plan) if plan.stride == 1 else ReductionCell(plan, pad_type)
