"""Pyramid Vision Transformer V2 (https://arxiv.org/abs/2106.13797).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, L = h w tokens, S tokens of
the smaller map, D features, K classes. Maps are (N, h, w, D) within a stage.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.families.pvt_v2.config import PvtV2Config, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    normal,
    trunc_normal,
    zeros,
)
from typedvision.layers.norm import token_norm
from typedvision.layers.pool import GlobalPool
from typedvision.layers.reduced_attention import ReducedAttention

POOLED = 7
"""Height and width of the map that a linear attention takes keys and values from."""


class PyramidVisionTransformerV2(StagedModel):
    """Overlapping patches, stages of attention, pooling and a linear classifier."""

    stem_name: ClassVar[str] = "patch_embed"

    def __init__(self, cfg: PvtV2Config) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.embed_dims[-1]
        self.head_hidden_size: int = cfg.embed_dims[-1]

        self.patch_embed: OverlapPatchEmbed = OverlapPatchEmbed(
            cfg.in_chans, cfg.embed_dims[0], kernel_size=7, stride=4
        )
        self.stages: nn.Sequential = nn.Sequential(*(Stage(cfg, stage) for stage in cfg.plan()))
        self.global_pool: GlobalPool = GlobalPool(cfg.global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, h, w) to (N, K)."""
        x = self.head_drop(self.global_pool(x))
        return x if pre_logits else self.head(x)

    def _replace_classifier(self, num_classes: int, global_pool: Literal["", "avg"]) -> None:
        self.global_pool = GlobalPool(global_pool)
        self.head: nn.Linear | nn.Identity = linear_classifier(self.num_features, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02, convolutions by their outputs
        (https://arxiv.org/abs/1502.01852, equation 14)."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each stage."""
        return {"stem": r"^patch_embed", "blocks": r"^stages\.(\d+)"}


class OverlapPatchEmbed(nn.Module):
    """A convolution that subsamples by `stride`, and a normalisation (section 3.3)."""

    def __init__(self, in_features: int, features: int, *, kernel_size: int, stride: int) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.proj: nn.Conv2d = nn.Conv2d(
            in_features, features, kernel_size, stride=stride, padding=padding
        )
        self.norm: nn.LayerNorm = nn.LayerNorm(features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / stride, W / stride, D)."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class Stage(nn.Module):
    """A subsampling, blocks and a normalisation."""

    def __init__(self, cfg: PvtV2Config, plan: StagePlan) -> None:
        super().__init__()
        self.subsamples: bool = plan.subsamples
        if plan.subsamples:
            self.downsample: OverlapPatchEmbed = OverlapPatchEmbed(
                plan.in_features, plan.features, kernel_size=3, stride=2
            )
        self.blocks: Blocks = Blocks(
            *(PvtV2Block(cfg, plan, rate) for rate in plan.drop_path_rates)
        )
        self.norm: nn.Module = token_norm(cfg.norm_layer, plan.features)

    def forward(self, x: Tensor) -> Tensor:
        """A map (N, C, H, W), or patches (N, h, w, D) where nothing is subsampled, to (N, D, h,
        w)."""
        x = self.downsample(x) if self.subsamples else x
        return self.norm(self.blocks(x)).permute(0, 3, 1, 2).contiguous()


class PvtV2Block(nn.Module):
    """Attention, then an MLP, each normalised before and added."""

    def __init__(self, cfg: PvtV2Config, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        self.norm1: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.attn: ReducedAttention = ReducedAttention(
            plan.features,
            plan.num_heads,
            reduction=plan.reduction,
            pooled=POOLED if cfg.linear else None,
            qkv_bias=cfg.qkv_bias,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=cfg.proj_drop_rate,
        )
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.mlp: ConvMlp = ConvMlp(cfg, plan)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = x + self.drop_path1(self.attn(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class ConvMlp(nn.Module):
    """An MLP whose hidden features a depthwise convolution mixes (section 3.4)."""

    def __init__(self, cfg: PvtV2Config, plan: StagePlan) -> None:
        super().__init__()
        hidden = plan.hidden
        self.fc1: nn.Linear = nn.Linear(plan.features, hidden)
        self.relu: nn.Module = nn.ReLU() if cfg.linear else nn.Identity()
        self.dwconv: nn.Conv2d = conv2d(hidden, hidden, 3, groups=hidden, bias=True)
        self.act: nn.Module = activation("gelu")
        self.fc2: nn.Linear = nn.Linear(hidden, plan.features)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = self.relu(self.fc1(x)).permute(0, 3, 1, 2)
        x = self.act(self.dwconv(x).permute(0, 2, 3, 1))
        return self.drop(self.fc2(self.drop(x)))
