"""Swin Transformer V2 (https://arxiv.org/abs/2111.09883, version 1), by Christoph Reich.

Shapes: N images, C channels, H x W pixels, h x w positions of a map, M windows of A tokens each
(M counts those of all images), D features, K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import ClassVar, Final

import torch
from torch import Tensor, nn

from typedvision.architecture.window_model import ShiftedBlock, WindowModel
from typedvision.config.names import OutputFormat
from typedvision.config.windows import WindowBlock, WindowStage
from typedvision.families.swinv2_cr.config import SwinV2CrConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.cosine_attention import INITIAL_LOGIT_SCALE, attend_by_cosine
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    uniform,
    values,
    xavier_uniform,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.windows import PatchMerging, in_each_window, in_windows

BIAS_HIDDEN = 384
"""Hidden features of the MLP that makes the biases of distances."""
BIAS_DROP: Final = 0.125
"""Dropout probability of these hidden features."""


class SwinTransformerV2Cr(WindowModel):
    """Patches as tokens, stages of attention in windows, pooling and a linear classifier."""

    output_fmt: OutputFormat = "NCHW"
    stages_path: ClassVar[str] = "stages"

    def __init__(self, cfg: SwinV2CrConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        self._init_values: float | None = cfg.init_values
        self._resets: bool = cfg.weight_init == "reset"
        extra = [cfg.extra_norms(index) for index in range(len(plan.stages))]
        stages = zip(plan.stages, extra, strict=True)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, *stage) for stage in stages))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _finish(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Any level as it is: the last one ends with a normalisation."""
        return x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Branches add nothing at first (section 3.1), unless `init_values` says otherwise; linear
        layers by `weight_init`."""
        if path.endswith((".norm1", ".norm2")) and self._init_values is not None:
            return {"weight": constant(self._init_values), "bias": zeros}
        if self._resets or not isinstance(module, nn.Linear):
            return default_initializers(module)
        if path.startswith("head"):
            return {"weight": zeros, "bias": zeros}
        if path.endswith("qkv"):  # queries, keys and values are three layers
            bound = math.sqrt(6.0 / (module.in_features + module.out_features // 3))
            return {"weight": uniform(bound), "bias": zeros}
        return {"weight": xavier_uniform(), "bias": zeros}


class SwinV2CrBlock(ShiftedBlock):
    """Attention in windows, then an MLP, each normalised behind and added (figure 1).

    Args:
        cfg: the model's config.
        plan: its numbers.
        extra_norm: whether it ends with a normalisation.
    """

    def __init__(self, cfg: SwinV2CrConfig, plan: WindowBlock, extra_norm: bool) -> None:
        super().__init__(plan)
        features, drop = plan.features, cfg.proj_drop_rate
        self.attn: WindowAttention = WindowAttention(cfg, plan)
        self.norm1: nn.Module = _norm(cfg, features)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: Mlp = Mlp(features, plan.hidden, activation("gelu"), drop=drop)
        self.norm2: nn.Module = _norm(cfg, features)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)
        self.norm3: nn.Module = _norm(cfg, features) if extra_norm else nn.Identity()

    def set_window(self, window: tuple[int, int], shift: tuple[int, int]) -> None:
        """Attend in other windows."""
        self.attn.set_window(window)
        self.window: tuple[int, int] = window
        self.shift: tuple[int, int] = shift

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        attended = in_windows(x, self.window, self.shift, self.attn)
        x = x + self.drop_path1(self.norm1(attended))
        x = x + self.drop_path2(self.norm2(self.mlp(x)))
        return self.norm3(x)


class WindowAttention(nn.Module):
    """Attention by cosines among the tokens of each window, with a bias that an MLP makes of each
    distance (equations 2 and 3)."""

    relative_coordinates_log: Tensor

    def __init__(self, cfg: SwinV2CrConfig, plan: WindowBlock) -> None:
        super().__init__()
        features, tokens = plan.features, math.prod(plan.window)
        self.window: tuple[int, int] = plan.window
        self.num_heads: int = plan.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.logit_scale: nn.Parameter = nn.Parameter(torch.empty(plan.num_heads))
        self.qkv: nn.Linear = nn.Linear(features, 3 * features)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        self.meta_mlp: BiasMlp = BiasMlp(plan.num_heads)
        distances = torch.empty(tokens, tokens, 2)
        self.register_buffer("relative_coordinates_log", distances, persistent=False)

    def initializers(self) -> Initializers:
        """A temperature of 1 / 10; the distances."""
        return {
            "logit_scale": constant(INITIAL_LOGIT_SCALE),
            "relative_coordinates_log": values(lambda: log_distances(self.window)),
        }

    def set_window(self, window: tuple[int, int]) -> None:
        """Attend in windows of another size; the biases of its distances are made again."""
        distances = log_distances(window).to(self.relative_coordinates_log)
        self.relative_coordinates_log = distances
        self.window = window

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(M, A, D) to the same shape.

        Args:
            x: the tokens of each window.
            mask: what is added to the attention in each window of one image, (windows, A, A).
        """
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = self.meta_mlp(self.relative_coordinates_log).permute(2, 0, 1)[None]
        bias = in_each_window(bias, mask, x.shape[0])
        drop = self.attn_drop if self.training else 0.0
        heads = attend_by_cosine(q, k, v, self.logit_scale[:, None, None], bias, drop)
        return self.proj_drop(self.proj(merge_heads(heads)))


class BiasMlp(nn.Module):
    """The biases of each head for a distance (equation 3)."""

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.fc1: nn.Linear = nn.Linear(2, BIAS_HIDDEN)
        self.act: nn.ReLU = nn.ReLU()
        self.drop1: nn.Dropout = nn.Dropout(BIAS_DROP)
        self.fc2: nn.Linear = nn.Linear(BIAS_HIDDEN, num_heads)

    def forward(self, x: Tensor) -> Tensor:
        """(A, A, 2) to (A, A, heads)."""
        return self.fc2(self.drop1(self.act(self.fc1(x))))


def log_distances(window: tuple[int, int]) -> Tensor:
    """The distance of each two tokens of a window, (A, A, 2), logarithmic (equation 4)."""
    axes = [torch.arange(side, dtype=torch.float32) for side in window]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 1)
    distances = places[:, None] - places[None]
    return distances.sign() * torch.log1p(distances.abs())


def _stage(cfg: SwinV2CrConfig, plan: WindowStage, extra_norms: tuple[bool, ...]) -> nn.Sequential:
    merge: nn.Module = nn.Identity()
    if plan.merges:
        before = plan.features // 2
        merge = PatchMerging(before, _norm(cfg, 4 * before))
    blocks = zip(plan.blocks, extra_norms, strict=True)
    rows = Blocks(*(SwinV2CrBlock(cfg, *block) for block in blocks))
    return nn.Sequential(OrderedDict(downsample=merge, blocks=rows))


def _norm(cfg: SwinV2CrConfig, features: int) -> nn.Module:
    return token_norm(cfg.norm_layer, features, cfg.norm_eps)
