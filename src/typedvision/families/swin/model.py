"""Swin Transformer (https://arxiv.org/abs/2103.14030).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, M windows of A tokens each
(M counts those of all images), D features, K classes.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from typedvision.architecture.window_model import ShiftedBlock, WindowModel
from typedvision.config.names import WeightInit
from typedvision.config.windows import WindowBlock, WindowStage
from typedvision.families.swin.config import SwinConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, trunc_normal, values
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.position import (
    relative_position_index,
    relative_position_rows,
    resample_relative_table,
)
from typedvision.layers.transformer_init import transformer_initializers
from typedvision.layers.windows import PatchMerging, in_each_window, in_windows


class SwinTransformer(WindowModel):
    """Patches as tokens, stages of attention in windows, pooling and a linear classifier
    (figure 3)."""

    def __init__(self, cfg: SwinConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        self._weight_init: WeightInit = cfg.weight_init
        self.layers: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.norm: nn.Module = _norm(cfg, self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """By `weight_init` for what is linear."""
        return transformer_initializers(self._weight_init, path, module)

    def no_weight_decay(self) -> set[str]:
        """The tables of relative positions."""
        return {
            f"{path}.relative_position_bias_table"
            for path, module in self.named_modules()
            if isinstance(module, WindowAttention)
        }


class SwinBlock(ShiftedBlock):
    """Attention in windows, then an MLP, each normalised before and added (equation 3)."""

    def __init__(self, cfg: SwinConfig, plan: WindowBlock) -> None:
        super().__init__(plan)
        self.norm1: nn.Module = _norm(cfg, plan.features)
        self.attn: WindowAttention = WindowAttention(cfg, plan)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = _norm(cfg, plan.features)
        self.mlp: Mlp = Mlp(plan.features, plan.hidden, activation("gelu"), drop=cfg.proj_drop_rate)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def set_window(self, window: tuple[int, int], shift: tuple[int, int]) -> None:
        """Attend in other windows."""
        self.attn.set_window(window)
        self.window: tuple[int, int] = window
        self.shift: tuple[int, int] = shift

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        attended = in_windows(self.norm1(x), self.window, self.shift, self.attn)
        x = x + self.drop_path1(attended)
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class WindowAttention(nn.Module):
    """Self-attention among the tokens of each window, with a learned bias for each distance
    (equation 4)."""

    relative_position_index: Tensor

    def __init__(self, cfg: SwinConfig, plan: WindowBlock) -> None:
        super().__init__()
        inner = plan.num_heads * (cfg.head_dim or plan.features // plan.num_heads)
        self.window: tuple[int, int] = plan.window
        self.num_heads: int = plan.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        rows, columns = plan.window
        self.relative_position_bias_table: nn.Parameter = nn.Parameter(
            torch.empty(relative_position_rows(plan.window), plan.num_heads)
        )
        index = torch.empty(rows * columns, rows * columns, dtype=torch.int64)
        self.register_buffer("relative_position_index", index, persistent=False)
        self.qkv: nn.Linear = nn.Linear(plan.features, 3 * inner, bias=cfg.qkv_bias)
        self.proj: nn.Linear = nn.Linear(inner, plan.features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def initializers(self) -> Initializers:
        """A small random bias for each distance."""
        return {
            "relative_position_bias_table": trunc_normal(0.02),
            "relative_position_index": values(lambda: relative_position_index(self.window)),
        }

    def set_window(self, window: tuple[int, int]) -> None:
        """Attend in windows of another size; the table of biases is resampled."""
        old = self.relative_position_bias_table
        table = resample_relative_table(old.detach(), self.window, window)
        self.relative_position_bias_table = nn.Parameter(table, old.requires_grad)
        self.relative_position_index = relative_position_index(window).to(old.device)
        self.window = window

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(M, A, D) to the same shape.

        Args:
            x: the tokens of each window.
            mask: what is added to the attention in each window of one image, (windows, A, A).
        """
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = in_each_window(bias.permute(2, 0, 1)[None], mask, x.shape[0])
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0, bias)
        return self.proj_drop(self.proj(merge_heads(heads)))


def _stage(cfg: SwinConfig, plan: WindowStage) -> nn.Sequential:
    merge: nn.Module = nn.Identity()
    if plan.merges:
        before = plan.features // 2
        merge = PatchMerging(before, _norm(cfg, 4 * before))
    blocks = Blocks(*(SwinBlock(cfg, block) for block in plan.blocks))
    return nn.Sequential(OrderedDict(downsample=merge, blocks=blocks))


def _norm(cfg: SwinConfig, features: int) -> nn.Module:
    return token_norm(cfg.norm_layer, features, cfg.norm_eps)
