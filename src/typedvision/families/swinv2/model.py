"""Swin Transformer V2 (https://arxiv.org/abs/2111.09883).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, M windows of A tokens each
(M counts those of all images), D features, K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.window_model import ShiftedBlock, WindowModel
from typedvision.config.windows import WindowBlock, WindowStage
from typedvision.families.swinv2.config import SwinV2Config
from typedvision.layers.activation import activation
from typedvision.layers.attention import keyless_bias, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.cosine_attention import INITIAL_LOGIT_SCALE, attend_by_cosine
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, constant, values, zeros
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.position import relative_position_index
from typedvision.layers.transformer_init import transformer_initializers
from typedvision.layers.windows import in_each_window, in_windows, merge_corners

BIAS_HIDDEN = 512
"""Hidden features of the MLP that makes the biases of distances."""
BIAS_BOUND = 16.0
"""What the biases stay below."""
DISTANCE_UNIT = 8.0
"""The largest distance before its logarithm is taken (section 3.3)."""


class SwinTransformerV2(WindowModel):
    """Patches as tokens, stages of attention in windows, pooling and a linear classifier."""

    def __init__(self, cfg: SwinV2Config) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        stages = zip(plan.stages, cfg.old_windows(), strict=False)
        self.layers: nn.Sequential = nn.Sequential(*(_stage(cfg, *stage) for stage in stages))
        self.norm: nn.Module = _norm(cfg, self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 32, W / 32, 8 D)."""
        return self._finish(self.layers(self._patches(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, H / 4, W / 4, D), ..., (N, H / 32, W / 32, 8 D)."""
        x = self._patches(x)
        for stage in self.layers:
            x = stage(x)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level as the last normalisation leaves it; the others as they are."""
        return self.norm(x) if level == len(self.layers) - 1 else x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02; branches add nothing at first (section 3.2)."""
        if path.endswith((".norm1", ".norm2")):
            return {"weight": zeros, "bias": zeros}
        return transformer_initializers("", path, module)

    def no_weight_decay(self) -> set[str]:
        """What makes the biases of distances, and the temperatures."""
        alone = (".logit_scale", ".cpb_mlp.0.weight", ".cpb_mlp.0.bias", ".cpb_mlp.2.weight")
        return {key for key, _ in self.named_parameters() if key.endswith(alone)}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, or each stage, then the last normalisation."""
        if coarse:
            return {"stem": r"^patch_embed", "blocks": r"^layers\.(\d+)"}
        return {
            "stem": r"^patch_embed",
            "blocks": [
                (r"^layers\.(\d+)\.downsample", (0,)),
                (r"^layers\.(\d+)\.\w+\.(\d+)", None),
                (r"^norm", LAST_GROUP),
            ],
        }


class PatchMerging(nn.Module):
    """Each 2 x 2 tokens become one of twice the features.

    Args:
        cfg: the model's config.
        features: D, of the tokens that are merged.
    """

    def __init__(self, cfg: SwinV2Config, features: int) -> None:
        super().__init__()
        self.reduction: nn.Linear = nn.Linear(4 * features, 2 * features, bias=False)
        self.norm: nn.Module = _norm(cfg, 2 * features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, h / 2, w / 2, 2 D); the halves are rounded up."""
        return self.norm(self.reduction(merge_corners(x)))


class SwinV2Block(ShiftedBlock):
    """Attention in windows, then an MLP, each normalised behind and added (figure 1)."""

    def __init__(self, cfg: SwinV2Config, plan: WindowBlock, old_window: tuple[int, int]) -> None:
        super().__init__(plan)
        act, drop = activation(cfg.act_layer, inplace=False), cfg.proj_drop_rate
        self.attn: WindowAttention = WindowAttention(cfg, plan, old_window)
        self.norm1: nn.Module = _norm(cfg, plan.features)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: Mlp = Mlp(plan.features, plan.hidden, act, drop=drop)
        self.norm2: nn.Module = _norm(cfg, plan.features)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def set_window(self, window: tuple[int, int], shift: tuple[int, int]) -> None:
        """Attend in other windows."""
        self.attn.set_window(window)
        self.window: tuple[int, int] = window
        self.shift: tuple[int, int] = shift

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        attended = in_windows(x, self.window, self.shift, self.attn)
        x = x + self.drop_path1(self.norm1(attended))
        return x + self.drop_path2(self.norm2(self.mlp(x)))


class WindowAttention(nn.Module):
    """Attention by cosines among the tokens of each window, with a bias that an MLP makes of each
    distance (equations 2 and 3)."""

    relative_coords_table: Tensor
    relative_position_index: Tensor

    def __init__(self, cfg: SwinV2Config, plan: WindowBlock, old_window: tuple[int, int]) -> None:
        super().__init__()
        features, heads = plan.features, plan.num_heads
        (rows, columns), tokens = plan.window, math.prod(plan.window)
        self.window: tuple[int, int] = plan.window
        self.old_window: tuple[int, int] = old_window
        self.num_heads: int = heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.logit_scale: nn.Parameter = nn.Parameter(torch.empty(heads, 1, 1))
        self.q_bias: nn.Parameter | None = None
        self.v_bias: nn.Parameter | None = None
        if cfg.qkv_bias:
            self.q_bias = nn.Parameter(torch.empty(features))
            self.v_bias = nn.Parameter(torch.empty(features))
        self.cpb_mlp: nn.Sequential = nn.Sequential(
            nn.Linear(2, BIAS_HIDDEN),
            nn.ReLU(),
            nn.Linear(BIAS_HIDDEN, heads, bias=False),
        )
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=False)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        table = torch.empty(2 * rows - 1, 2 * columns - 1, 2)
        self.register_buffer("relative_coords_table", table, persistent=False)
        index = torch.empty(tokens, tokens, dtype=torch.int64)
        self.register_buffer("relative_position_index", index, persistent=False)

    def initializers(self) -> Initializers:
        """A temperature of 1 / 10; the tables of distances."""
        return {
            "logit_scale": constant(INITIAL_LOGIT_SCALE),
            "q_bias": zeros,
            "v_bias": zeros,
            "relative_coords_table": values(lambda: log_distances(self.window, self.old_window)),
            "relative_position_index": values(lambda: relative_position_index(self.window)),
        }

    def set_window(self, window: tuple[int, int]) -> None:
        """Attend in windows of another size; the biases of its distances are made again."""
        like = self.relative_coords_table
        self.relative_coords_table = log_distances(window, self.old_window).to(like)
        self.relative_position_index = relative_position_index(window).to(like.device)
        self.window = window

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(M, A, D) to the same shape.

        Args:
            x: the tokens of each window.
            mask: what is added to the attention in each window of one image, (windows, A, A).
        """
        qkv = nn.functional.linear(x, self.qkv.weight, keyless_bias(self.q_bias, self.v_bias))
        q, k, v = qkv.chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = in_each_window(self._bias(), mask, x.shape[0])
        drop = self.attn_drop if self.training else 0.0
        heads = attend_by_cosine(q, k, v, self.logit_scale, bias, drop)
        return self.proj_drop(self.proj(merge_heads(heads)))

    def _bias(self) -> Tensor:
        """The bias of each two tokens of a window, (1, heads, A, A)."""
        table = self.cpb_mlp(self.relative_coords_table).flatten(0, 1)
        bias = table[self.relative_position_index].permute(2, 0, 1)
        return BIAS_BOUND * torch.sigmoid(bias)[None]


def log_distances(window: tuple[int, int], old_window: tuple[int, int]) -> Tensor:
    """Every distance of two tokens of a window, (2h - 1, 2w - 1, 2), logarithmic, in the unit of
    the window that the weights were trained with, 0 for the same window (equation 4)."""
    axes = [
        torch.arange(1 - side, side, dtype=torch.float32)
        * DISTANCE_UNIT
        / max((old or side) - 1, 1)
        for side, old in zip(window, old_window, strict=True)
    ]
    distances = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return distances.sign() * torch.log2(distances.abs() + 1.0) / math.log2(DISTANCE_UNIT)


def _stage(cfg: SwinV2Config, plan: WindowStage, old_window: tuple[int, int]) -> nn.Sequential:
    merge = PatchMerging(cfg, plan.features // 2) if plan.merges else nn.Identity()
    blocks = Blocks(*(SwinV2Block(cfg, block, old_window) for block in plan.blocks))
    return nn.Sequential(OrderedDict(downsample=merge, blocks=blocks))


def _norm(cfg: SwinV2Config, features: int) -> nn.Module:
    return token_norm(cfg.norm_layer, features, cfg.norm_eps)
