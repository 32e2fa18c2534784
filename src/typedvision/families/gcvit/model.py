"""GCViT (https://arxiv.org/abs/2206.09959).

Shapes: N images, C channels in, D channels out, h x w positions of a map, M windows of T positions
each (M counts those of all images), A attention heads, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import Activation
from typedvision.families.gcvit.config import GCViTConfig, GCViTPlan, StagePlan, WeightInit
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    normal,
    values,
    xavier_uniform,
    zeros,
)
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import conv_norm, token_norm
from typedvision.layers.patch_embed import check_fixed_size
from typedvision.layers.position import relative_position_index, relative_position_rows
from typedvision.layers.relative_bias import RelativeBiasTable
from typedvision.layers.windows import in_blocks


class GlobalContextVit(StagedModel, HeadModel):
    """A stem, stages of attention in windows, pooling and a linear classifier (figure 2)."""

    def __init__(self, cfg: GCViTConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.stages[-1].channels
        self._weight_init: WeightInit = cfg.weight_init
        last = len(plan.stages) - 1
        self.stem: nn.Module = Stem(cfg, plan)
        self.stages: nn.Sequential = nn.Sequential(
            *(
                Stage(cfg, stage, first=index == 0, last=index == last)
                for index, stage in enumerate(plan.stages)
            )
        )
        self._add_head(cfg.num_classes, cfg.global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """By `weight_init` for what is linear."""
        if not isinstance(module, nn.Linear):
            return default_initializers(module)
        match self._weight_init:
            case "":
                return default_initializers(module)
            case "normal":
                return {"weight": normal(0.02), "bias": zeros}
            case "vit":
                bias = normal(1e-6) if "mlp" in path else zeros
                return {"weight": xavier_uniform(), "bias": bias}

    def no_weight_decay(self) -> set[str]:
        """The tables of relative positions."""
        return {key for key, _ in self.named_parameters() if ".rel_pos." in key}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each stage."""
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}


class Stem(nn.Module):
    """A convolution and a subsampling (section 2.2).

    Raises:
        UsageError: images have another size than the model is for.
    """

    def __init__(self, cfg: GCViTConfig, plan: GCViTPlan) -> None:
        super().__init__()
        self.img_size: tuple[int, int] = plan.img_size
        self.conv1: nn.Conv2d = conv2d(cfg.in_chans, cfg.embed_dim, 3, stride=2, bias=True)
        self.down: Downsample = Downsample(cfg, cfg.embed_dim, cfg.embed_dim, cfg.act_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 4, W / 4)."""
        check_fixed_size(x, self.img_size)
        return self.down(self.conv1(x))


class Stage(nn.Module):
    """A subsampling, global queries, and blocks that attend in windows: by queries of their own and
    by the global ones, alternately."""

    def __init__(self, cfg: GCViTConfig, plan: StagePlan, *, first: bool, last: bool) -> None:
        super().__init__()
        before, channels = plan.in_channels, plan.channels
        self.downsample: nn.Module = (
            nn.Identity() if first else Downsample(cfg, before, channels, "gelu")
        )
        self.global_block: GlobalQueries = GlobalQueries(plan)
        self.blocks: Blocks = Blocks(
            *(
                GCViTBlock(cfg, plan, rate, takes_queries=number % 2 == 1)
                for number, rate in enumerate(plan.drop_path_rates)
            )
        )
        self.norm: nn.Module = _norm(cfg, channels) if last else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        x = self.downsample(x)
        queries = self.global_block(x).flatten(2).transpose(1, 2)
        return self.norm(self.blocks(x.permute(0, 2, 3, 1), queries)).permute(0, 3, 1, 2)


class GlobalQueries(nn.Module):
    """Makes a query for each position of a window out of the whole map (figure 3)."""

    def __init__(self, plan: StagePlan) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number in range(1, max(plan.poolings, 1) + 1):
            layers[f"conv{number}"] = MBConv(plan.channels, "gelu")
            if plan.poolings:
                layers[f"pool{number}"] = nn.MaxPool2d(3, 2, 1)
        self.blocks: nn.Sequential = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to a map as large as a window."""
        return self.blocks(x)


class Downsample(nn.Module):
    """Convolutions between two normalisations, of which the last one subsamples (equation 1)."""

    folds: ClassVar[Pairs] = (("reduction", "norm2"),)

    def __init__(self, cfg: GCViTConfig, in_channels: int, channels: int, act: Activation) -> None:
        super().__init__()
        self.norm1: nn.Module = conv_norm(cfg.norm_layer, in_channels, cfg.norm_eps)
        self.conv_block: MBConv = MBConv(in_channels, act)
        self.reduction: nn.Conv2d = conv2d(in_channels, channels, 3, stride=2)
        self.norm2: nn.Module = conv_norm(cfg.norm_layer, channels, cfg.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, D, h / 2, w / 2)."""
        return self.norm2(self.reduction(self.conv_block(self.norm1(x))))


class MBConv(nn.Module):
    """A depthwise convolution, squeeze-and-excitation and a 1x1 convolution, added."""

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        reduced = reduced_channels(channels, 0.25)
        self.conv_dw: nn.Conv2d = conv2d(channels, channels, 3, groups=channels)
        self.act: nn.Module = activation(act, inplace=False)
        self.se: SqueezeExcite = SqueezeExcite(channels, reduced, act, bias=False)
        self.conv_pw: nn.Conv2d = conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        return x + self.conv_pw(self.se(self.act(self.conv_dw(x))))


class GCViTBlock(nn.Module):
    """Attention in windows, then an MLP, each normalised before and added (equation 3)."""

    def __init__(
        self, cfg: GCViTConfig, plan: StagePlan, drop_path_rate: float, *, takes_queries: bool
    ) -> None:
        super().__init__()
        channels, act = plan.channels, activation(cfg.act_layer, inplace=False)
        self.window: tuple[int, int] = plan.window
        self.norm1: nn.Module = _norm(cfg, channels)
        self.attn: WindowAttention = WindowAttention(cfg, plan, takes_queries=takes_queries)
        self.ls1: nn.Module = _layer_scale(cfg, channels)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = _norm(cfg, channels)
        self.mlp: Mlp = Mlp(channels, plan.hidden, act, drop=cfg.proj_drop_rate)
        self.ls2: nn.Module = _layer_scale(cfg, channels)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor, queries: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape, with the global queries, (N, T, D)."""
        attended = in_blocks(self.norm1(x), self.window, lambda each: self.attn(each, queries))
        x = x + self.drop_path1(self.ls1(attended))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class WindowAttention(nn.Module):
    """Self-attention in windows with a learned bias for each distance (equations 4 and 5).

    Args:
        cfg: the model's config.
        plan: the stage.
        takes_queries: whether queries are the global ones.
    """

    relative_position_index: Tensor

    def __init__(self, cfg: GCViTConfig, plan: StagePlan, *, takes_queries: bool) -> None:
        super().__init__()
        channels, tokens = plan.channels, plan.window[0] * plan.window[1]
        self.takes_queries = takes_queries
        self.window: tuple[int, int] = plan.window
        self.num_heads: int = plan.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        rows = relative_position_rows(plan.window)
        self.rel_pos: RelativeBiasTable = RelativeBiasTable(rows, plan.num_heads)
        index = torch.empty(tokens, tokens, dtype=torch.int64)
        self.register_buffer("relative_position_index", index, persistent=False)
        parts = 2 if takes_queries else 3
        self.qkv: nn.Linear = nn.Linear(channels, parts * channels, bias=cfg.qkv_bias)
        self.proj: nn.Linear = nn.Linear(channels, channels)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def initializers(self) -> Initializers:
        """The distance of each two positions."""
        return {"relative_position_index": values(lambda: relative_position_index(self.window))}

    def forward(self, x: Tensor, queries: Tensor) -> Tensor:
        """(M, T, D) to the same shape, with the global queries, (N, T, D)."""
        if self.takes_queries:
            k, v = self.qkv(x).chunk(2, dim=-1)
            q = queries.repeat_interleave(x.shape[0] // queries.shape[0], dim=0)
        else:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = self.rel_pos(self.relative_position_index)
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0, bias)
        return self.proj_drop(self.proj(merge_heads(heads)))


def _norm(cfg: GCViTConfig, channels: int) -> nn.Module:
    return token_norm(cfg.norm_layer_cl, channels, cfg.norm_eps)


def _layer_scale(cfg: GCViTConfig, channels: int) -> nn.Module:
    return LayerScale(channels, cfg.layer_scale) if cfg.layer_scale else nn.Identity()
