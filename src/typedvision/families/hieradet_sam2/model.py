"""The image encoder of SAM 2 (https://arxiv.org/abs/2408.00714), a Hiera
(https://arxiv.org/abs/2306.00989).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, M windows, D features, K
classes. Maps are (N, h, w, D).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.families.hieradet_sam2.config import BlockPlan, HieraDetConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    scaled,
    trunc_normal,
    zeros,
)
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import OverlappingPatches
from typedvision.layers.pool import GlobalPool
from typedvision.layers.windows import join_windows, pad_to_windows, split_windows

for _function in ("join_windows", "pad_to_windows", "split_windows"):
    torch.fx.wrap(_function)  # they look at sizes, which a symbolic trace cannot


class HieraDet(ImageModel):
    """Patches with positions, blocks of attention, pooling and a linear classifier."""

    def __init__(self, cfg: HieraDetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].features
        self.head_hidden_size: int = plan[-1].features
        self.head_init_scale: float = cfg.head_init_scale
        self._ends: tuple[bool, ...] = tuple(block.ends for block in plan)
        self._fixes: bool = cfg.fix_init
        self._resets: bool = cfg.weight_init == "reset"
        side = cfg.window_spec[0]

        self.patch_embed: OverlappingPatches = OverlappingPatches(
            cfg.in_chans, cfg.embed_dim, cfg.patch_kernel, cfg.patch_stride, cfg.patch_padding
        )
        self.pos_embed: nn.Parameter = nn.Parameter(
            torch.empty(1, cfg.embed_dim, *cfg.global_pos_size)
        )
        self.pos_embed_window: nn.Parameter = nn.Parameter(
            torch.empty(1, cfg.embed_dim, side, side)
        )
        self.blocks: Blocks = Blocks(*(MultiScaleBlock(cfg, block) for block in plan))
        self.head: Head = Head(cfg, self.num_features)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 32, W / 32, 8 D)."""
        return self.blocks(self._embed(x))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, H / 4, W / 4, D), ..., (N, H / 32, W / 32, 8 D)."""
        outputs = self.blocks.outputs(self._embed(x))
        return (x for x, ends in zip(outputs, self._ends, strict=False) if ends)

    def _embed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, h, w, D)."""
        x = self.patch_embed(x)
        return x + _positions(self.pos_embed, self.pos_embed_window, x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, h, w, D) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(
        self, num_classes: int, global_pool: Literal["", "avg", "max", "avgmax"]
    ) -> None:
        self.head.global_pool = GlobalPool(global_pool, channels_last=True)
        self.head.fc = linear_classifier(self.num_features, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02, less with depth at the end of branches; the
        classifier by zeros, or with `reset` by small values."""
        if path == "":
            return dict.fromkeys(("pos_embed", "pos_embed_window"), trunc_normal(0.02))
        scale = self._scale(path)
        if self._resets or not isinstance(module, nn.Linear | nn.Conv2d):
            own = default_initializers(module)
        elif isinstance(module, nn.Conv2d):
            own = {**default_initializers(module), "weight": trunc_normal(0.02)}
        elif path == "head.fc":
            return {"weight": zeros, "bias": zeros}
        else:
            own = {"weight": trunc_normal(0.02), "bias": constant(0.02)}
        if scale == 1.0:
            return own
        scales_bias = path == "head.fc"
        return {
            name: scaled(init, scale) if name == "weight" or scales_bias else init
            for name, init in own.items()
        }

    def _scale(self, path: str) -> float:
        """The factor of a layer's initial weights."""
        if path == "head.fc":
            return self.head_init_scale
        if self._fixes and path.endswith((".attn.proj", ".mlp.fc2")):
            return (2.0 * (int(path.split(".")[1]) + 1)) ** -0.5
        return 1.0

    def no_weight_decay(self) -> set[str]:
        """The tables of positions."""
        return {"pos_embed", "pos_embed_window"}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block."""
        return {
            "stem": r"^pos_embed|pos_embed_window|patch_embed",
            "blocks": [(r"^blocks\.(\d+)", None)],
        }


class MultiScaleBlock(nn.Module):
    """Attention in windows, whose queries may be fewer, then an MLP."""

    def __init__(self, cfg: HieraDetConfig, plan: BlockPlan) -> None:
        super().__init__()
        features, drop_path_rate = plan.features, plan.drop_path_rate
        self.window: int | None = plan.window
        self.stride: tuple[int, int] | None = plan.stride
        self.widens: bool = plan.in_features != features
        self.proj: nn.Module = (
            nn.Linear(plan.in_features, features) if self.widens else nn.Identity()
        )
        self.norm1: nn.Module = token_norm(cfg.norm_layer, plan.in_features)
        self.attn: MultiScaleAttention = MultiScaleAttention(plan)
        self.ls1: nn.Module = _layer_scale(cfg, features)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, features)
        act = activation(cfg.act_layer)
        self.mlp: Mlp = Mlp(features, plan.hidden, act)
        self.ls2: nn.Module = _layer_scale(cfg, features)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, C) to (N, h / stride, w / stride, D)."""
        y = self.norm1(x)
        shortcut = _pooled(self.proj(y), self.stride) if self.widens else x
        x = shortcut + self.drop_path1(self.ls1(self._attended(y, shortcut)))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    def _attended(self, x: Tensor, like: Tensor) -> Tensor:
        """Attention in each window, with the size of `like`."""
        if self.window is None:
            return self.attn(x)
        down, right = self.stride or (1, 1)
        window, small = (self.window, self.window), (self.window // down, self.window // right)
        x = pad_to_windows(x, window)
        size = x.shape[1] // down, x.shape[2] // right
        tokens = split_windows(x, window)
        tokens = tokens.reshape(-1, *window, tokens.shape[2])
        x = join_windows(self.attn(tokens).flatten(1, 2), size, small)
        return x[:, : like.shape[1], : like.shape[2]]


class MultiScaleAttention(nn.Module):
    """Self-attention in a map, with the maxima of its queries where it subsamples."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        self.num_heads: int = plan.num_heads
        self.stride: tuple[int, int] | None = plan.stride
        self.qkv: nn.Linear = nn.Linear(plan.in_features, 3 * plan.features)
        self.proj: nn.Linear = nn.Linear(plan.features, plan.features)

    def forward(self, x: Tensor) -> Tensor:
        """(M, h, w, C) to (M, h / stride, w / stride, D)."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = _pooled(q, self.stride)
        shape = q.shape
        q, k, v = (split_heads(part.flatten(1, 2), self.num_heads) for part in (q, k, v))
        heads = attend(q, k, v)
        return self.proj(merge_heads(heads)).reshape(shape)


class Head(nn.Module):
    """Pooling, a normalisation, dropout and a linear classifier."""

    def __init__(self, cfg: HieraDetConfig, features: int) -> None:
        super().__init__()
        self.global_pool: GlobalPool = GlobalPool(cfg.global_pool, channels_last=True)
        self.norm: nn.Module = token_norm(cfg.norm_layer, features)
        self.drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.fc: nn.Linear | nn.Identity = linear_classifier(features, cfg.num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, h, w, D) to (N, K)."""
        x = self.drop(self.norm(self.global_pool(x)))
        return x if pre_logits else self.fc(x)


def _layer_scale(cfg: HieraDetConfig, features: int) -> nn.Module:
    value = cfg.init_values
    return nn.Identity() if value is None else LayerScale(features, value)


def _pooled(x: Tensor, stride: tuple[int, int] | None) -> Tensor:
    """The maxima of a map (N, h, w, D) over separate fields of that size."""
    if stride is None:
        return x
    return F.max_pool2d(x.permute(0, 3, 1, 2), stride).permute(0, 2, 3, 1)


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def _positions(table: Tensor, window: Tensor, x: Tensor) -> Tensor:
    """The positions of a map x (N, h, w, D): those in the whole map, and those in each window, over
    and over, (1, h, w, D)."""
    rows, columns = x.shape[1], x.shape[2]
    tiles = -(-rows // window.shape[2]), -(-columns // window.shape[3])
    everywhere = F.interpolate(table, (rows, columns), mode="bicubic")
    within = window.tile((1, 1, *tiles))[:, :, :rows, :columns]
    return (everywhere + within).permute(0, 2, 3, 1)
