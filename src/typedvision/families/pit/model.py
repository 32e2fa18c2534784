"""PiT (https://arxiv.org/abs/2103.16302).

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from typedvision.architecture.distilled_model import DistilledModel
from typedvision.architecture.image_model import LAST_GROUP
from typedvision.config.base import to_pair
from typedvision.families.pit.config import PitConfig, StagePlan
from typedvision.layers.attention import Attention
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, trunc_normal
from typedvision.layers.mlp import Mlp
from typedvision.layers.patch_embed import check_fixed_size


class PoolingVisionTransformer(DistilledModel):
    """Overlapping patches, stages of transformer blocks with a pooling between them, and a linear
    classifier of the class token (figure 1c).

    A distilled one has a second token and a second classifier (https://arxiv.org/abs/2012.12877,
    figure 2).
    """

    def __init__(self, cfg: PitConfig) -> None:
        super().__init__(cfg)
        self._cfg: PitConfig = cfg
        plan = cfg.plan()
        first, last = plan.stages[0], plan.stages[-1]
        self.num_features: int = last.features
        self.head_hidden_size: int = last.features
        self.num_prefix_tokens: int = plan.prefix
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.grids: dict[int, tuple[int, int]] = {
            stage.grid[0] * stage.grid[1]: stage.grid for stage in plan.stages
        }

        self.pos_embed: nn.Parameter = nn.Parameter(torch.empty(1, first.features, *first.grid))
        self.cls_token: nn.Parameter = nn.Parameter(torch.empty(1, plan.prefix, first.features))
        self.patch_embed: PatchConv = PatchConv(cfg, first.features)
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.transformers: nn.Sequential = nn.Sequential(
            *(Stage(cfg, stage, plan.prefix) for stage in plan.stages)
        )
        self.norm: nn.LayerNorm = nn.LayerNorm(last.features, eps=1e-6)
        self._add_classifier()

    def _add_classifier(self) -> None:
        cfg, features = self._cfg, self.num_features
        self.pools: bool = cfg.global_pool == "token"
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.head: nn.Linear | nn.Identity = linear_classifier(features, cfg.num_classes)
        self.head_dist: nn.Linear | nn.Identity | None = (
            linear_classifier(features, cfg.num_classes) if cfg.distilled else None
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the tokens in front of the patches, (N, P, D)."""
        return self._finish(self.transformers(self._embed(x)))

    def _embed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to tokens with learned positions, (N, T, D)."""
        check_fixed_size(x, self.img_size)
        patches = self.pos_drop(self.patch_embed(x) + self.pos_embed)
        tokens = self.cls_token.expand(x.shape[0], -1, -1)
        return torch.cat((tokens, patches.flatten(2).transpose(1, 2)), dim=1)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, T, D) after each stage."""
        x = self._embed(x)
        for stage in self.transformers:
            x = stage(x)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The normalised tokens in front of the patches, (N, P, D)."""
        return self.norm(x[:, : self.num_prefix_tokens])

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        patches = x[:, self.num_prefix_tokens :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], *self.grids[patches.shape[2]])

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, P, D) to (N, K); to a pair of these after `set_distilled_training`, in training."""
        if self.head_dist is None:
            x = self.head_drop(x[:, 0] if self.pools else x)
            return x if pre_logits else self.head(x)
        return self.head_drop(x).mean(1) if pre_logits else self._distilled_logits(x)

    def _is_distilled(self) -> bool:
        return self.head_dist is not None

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, P, D) to the logits of both tokens, (N, K) each."""
        first, second = self.head_drop(x).unbind(1)
        return self.head(first), cast("nn.Module", self.head_dist)(second)

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self._cfg = self._cfg.replace(num_classes=num_classes, global_pool=global_pool)
        self._add_classifier()

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Small random tokens and positions."""
        if module is self:
            return dict.fromkeys(("pos_embed", "cls_token"), trunc_normal(0.02))
        return super().initializers(path, module)

    def no_weight_decay(self) -> set[str]:
        """The learned tokens and positions."""
        return {"pos_embed", "cls_token"}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, a pooling with the one behind it, or each stage; the
        normalisation belongs to the last one."""
        stem = r"^(?:pos_embed|cls_token|patch_embed)"
        if coarse:
            return {"stem": stem, "blocks": [(r"^transformers\.(\d+)", None), _LAST_NORM]}
        block = (r"^transformers\.(\d+)\.blocks\.(\d+)", None)
        pool = (r"^transformers\.(\d+)\.pool", (0,))
        return {"stem": stem, "blocks": [block, pool, _LAST_NORM]}


_LAST_NORM = (r"^norm", LAST_GROUP)


class PatchConv(nn.Module):
    """Projects patches, which may overlap, by a convolution."""

    def __init__(self, cfg: PitConfig, features: int) -> None:
        super().__init__()
        size = to_pair(cfg.patch_size)
        self.conv: nn.Conv2d = nn.Conv2d(cfg.in_chans, features, size, stride=cfg.stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self.conv(x)


class Stage(nn.Module):
    """A pooling, except in the first stage, and transformer blocks."""

    def __init__(self, cfg: PitConfig, plan: StagePlan, prefix: int) -> None:
        super().__init__()
        self.pool: nn.Module = (
            nn.Identity() if plan.in_features is None else Pooling(plan.in_features, plan, prefix)
        )
        self.blocks: Blocks = Blocks(*(Block(cfg, plan, rate) for rate in plan.rates))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T', D')."""
        return self.blocks(self.pool(x))


class Pooling(nn.Module):
    """A depthwise 3x3 convolution with stride 2 of the patches, and a linear layer for the tokens
    in front of them (figure 3).

    Args:
        in_features: D.
        plan: the numbers of the stage that starts with it.
        prefix: P.
    """

    def __init__(self, in_features: int, plan: StagePlan, prefix: int) -> None:
        super().__init__()
        self.prefix = prefix
        self.in_grid: tuple[int, int] = plan.in_grid
        self.conv: nn.Conv2d = nn.Conv2d(
            in_features, plan.features, 3, stride=2, padding=1, groups=in_features
        )
        self.fc: nn.Linear = nn.Linear(in_features, plan.features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, P + L / 4, D')."""
        tokens, patches = x[:, : self.prefix], x[:, self.prefix :].transpose(1, 2)
        pooled = self.conv(torch.unflatten(patches, 2, self.in_grid))
        return torch.cat((self.fc(tokens), pooled.flatten(2).transpose(1, 2)), dim=1)


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added."""

    def __init__(self, cfg: PitConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        features, drop = plan.features, cfg.proj_drop_rate
        self.norm1: nn.LayerNorm = nn.LayerNorm(features, eps=1e-6)
        self.attn: Attention = Attention(
            features, plan.num_heads, attn_drop=cfg.attn_drop_rate, proj_drop=drop
        )
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.LayerNorm = nn.LayerNorm(features, eps=1e-6)
        self.mlp: Mlp = Mlp(features, plan.hidden, nn.GELU(), drop=drop)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.attn(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))
