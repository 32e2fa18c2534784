"""Visformer (https://arxiv.org/abs/2104.12533).

Shapes: N images, C channels, H x W pixels, D channels of an h x w map, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.pooled_model import PooledModel
from typedvision.config.base import to_pair
from typedvision.config.names import ConvNorm
from typedvision.families.visformer.config import StagePlan, VisformerConfig
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    kaiming_normal_fan_out,
    trunc_normal,
    zeros,
)
from typedvision.layers.norm import conv_norm
from typedvision.layers.patch_embed import check_fixed_size


class Visformer(PooledModel):
    """A stem, three stages of blocks on maps, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "head"
    head: nn.Linear | nn.Identity

    def __init__(self, cfg: VisformerConfig) -> None:
        super().__init__(cfg)
        first, second, third = cfg.plan()
        self.num_features: int = third.features
        fixed = cfg.input_size()
        self.img_size: tuple[int, int] | None = None if fixed is None else to_pair(fixed)
        self.conv_init: bool = cfg.conv_init

        self.pos_embed1: nn.Parameter | None = _positions(first)
        self.pos_embed2: nn.Parameter | None = _positions(second)
        self.pos_embed3: nn.Parameter | None = _positions(third)
        self.stem: nn.Module = _stem(cfg)
        self.patch_embed1: nn.Module = _patches(cfg, first)
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.stage1: Blocks = _blocks(cfg, first)
        self.patch_embed2: nn.Module = _patches(cfg, second)
        self.stage2: Blocks = _blocks(cfg, second)
        self.patch_embed3: nn.Module = _patches(cfg, third)
        self.stage3: Blocks = _blocks(cfg, third)
        self.norm: nn.Module = conv_norm(cfg.norm_layer, third.features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The map of each stage."""
        check_fixed_size(x, self.img_size)
        x = self._placed(self.patch_embed1(self.stem(x)), self.pos_embed1)
        yield (x := self.stage1(x))
        x = self._placed(self.patch_embed2(x), self.pos_embed2)
        yield (x := self.stage2(x))
        x = self._placed(self.patch_embed3(x), self.pos_embed3)
        yield (x := self.stage3(x))

    def _placed(self, x: Tensor, positions: Tensor | None) -> Tensor:
        """A map with its learned positions, where there are any."""
        return x if positions is None else self.pos_drop(x + positions)

    def _finish(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last map, normalised; the others have no normalisation."""
        return self.norm(x) if level == len(self.feature_info) - 1 else x

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The positions of the stages after it."""
        names = ("pos_embed1", "pos_embed2", "pos_embed3")
        late = names[int(level.removeprefix("stage")) :]
        return tuple(name for name in late if getattr(self, name) is not None)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Everything by a deviation of 0.02, or convolutions by their outputs."""
        small = trunc_normal(0.02)
        if module is self:
            return dict.fromkeys(("pos_embed1", "pos_embed2", "pos_embed3"), small)
        if isinstance(module, nn.Conv2d):
            weight = kaiming_normal_fan_out() if self.conv_init else small
            return {"weight": weight, "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": small, "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The first patches, then each block; the patches and positions of the other stages belong
        to the first block."""
        return {
            "stem": r"^patch_embed1|pos_embed1|stem",
            "blocks": [
                (r"^stage(\d+)\.(\d+)", None),
                (r"^(?:patch_embed|pos_embed)(\d+)", (0,)),
                (r"^norm", LAST_GROUP),
            ],
        }


def _positions(plan: StagePlan) -> nn.Parameter | None:
    """Learned positions of a map, (1, D, h, w)."""
    return nn.Parameter(torch.empty(1, plan.features, *plan.grid)) if plan.positions else None


def _stem(cfg: VisformerConfig) -> nn.Module:
    """A 7x7 convolution that halves the image, where it is not cut into patches itself."""
    channels = cfg.init_channels
    if cfg.vit_stem or channels is None:
        return nn.Identity()
    return nn.Sequential(
        conv2d(cfg.in_chans, channels, 7, stride=2), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


def _patches(cfg: VisformerConfig, plan: StagePlan) -> nn.Module:
    if plan.patch_size is None:
        return nn.Identity()
    return Patches(plan.in_features, plan.features, plan.patch_size, cfg.embed_norm)


def _blocks(cfg: VisformerConfig, plan: StagePlan) -> Blocks:
    return Blocks(*(VisformerBlock(cfg, plan, rate) for rate in plan.blocks))


class Patches(nn.Module):
    """A convolution of patches, and a normalisation."""

    folds: ClassVar[Pairs] = (("proj", "norm"),)

    def __init__(
        self, in_features: int, features: int, patch_size: int, norm: ConvNorm | None
    ) -> None:
        super().__init__()
        self.proj: nn.Conv2d = nn.Conv2d(in_features, features, patch_size, stride=patch_size)
        self.norm: nn.Module = conv_norm(norm, features) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self.norm(self.proj(x))


class VisformerBlock(nn.Module):
    """Attention where the stage attends, then an MLP, each normalised before and added
    (figure 2)."""

    folds: ClassVar[Pairs] = (("norm1", "attn.qkv"), ("norm2", "mlp.conv1"))

    def __init__(self, cfg: VisformerConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        self.attends: bool = plan.num_heads > 0
        self.drop_path: DropPath = DropPath(drop_path_rate)
        if self.attends:
            self.norm1: nn.Module = conv_norm(cfg.norm_layer, plan.features)
            self.attn: Attention = Attention(cfg, plan)
        self.norm2: nn.Module = conv_norm(cfg.norm_layer, plan.features)
        self.mlp: SpatialMlp = SpatialMlp(cfg, plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        if self.attends:
            x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Attention(nn.Module):
    """Multi-head self-attention over the positions of a map, without biases."""

    def __init__(self, cfg: VisformerConfig, plan: StagePlan) -> None:
        super().__init__()
        inside = plan.num_heads * plan.head_features
        self.num_heads: int = plan.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.qkv: nn.Conv2d = conv2d(plan.features, 3 * inside, 1)
        self.proj: nn.Conv2d = conv2d(inside, plan.features, 1)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        tokens = self.qkv(x).flatten(2).transpose(1, 2)
        q, k, v = tokens.chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        heads = merge_heads(attend(q, k, v, self.attn_drop if self.training else 0.0))
        x = heads.transpose(1, 2).reshape(x.shape[0], -1, x.shape[2], x.shape[3])
        return self.proj_drop(self.proj(x))


class SpatialMlp(nn.Module):
    """An MLP of 1x1 convolutions, with a 3x3 convolution by groups inside where the stage has one
    (section 3.3)."""

    def __init__(self, cfg: VisformerConfig, plan: StagePlan) -> None:
        super().__init__()
        hidden = plan.hidden
        self.convolves: bool = plan.groups > 0
        self.conv1: nn.Conv2d = conv2d(plan.features, hidden, 1)
        self.act1: nn.Module = nn.GELU()
        self.drop1: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        if self.convolves:
            self.conv2: nn.Conv2d = conv2d(hidden, hidden, 3, groups=plan.groups)
            self.act2: nn.Module = nn.GELU()
        self.conv3: nn.Conv2d = conv2d(hidden, plan.features, 1)
        self.drop3: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        x = self.drop1(self.act1(self.conv1(x)))
        if self.convolves:
            x = self.act2(self.conv2(x))
        return self.drop3(self.conv3(x))
