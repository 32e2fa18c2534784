"""ByobNet, residual networks whose stages have blocks of any kind.

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes, T positions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.final_conv_model import FinalConvModel
from typedvision.config.names import ConvPool
from typedvision.families.byobnet.config import (
    HEAD_DIM,
    AttentionPlan,
    Block,
    BlockPlan,
    ByobNetConfig,
    ByobNetPlan,
    StemPlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.blur import FilteredConv, anti_alias
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropBlock2d, DropPath
from typedvision.layers.head import ClassifierHead, linear_classifier
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    normal,
    trunc_normal,
    zeros,
)
from typedvision.layers.map_attention import map_attention
from typedvision.layers.norm_act import Conv2dNormAct, norm_act
from typedvision.layers.pool import shortcut_average
from typedvision.layers.rotary import AxialRotaryEmbedding, apply_rope
from typedvision.layers.spatial_attention import (
    BottleneckAttention,
    HaloAttention,
    LambdaAttention,
)


class ByobNet(FinalConvModel):
    """A stem, stages of residual blocks, a convolution and a head."""

    def __init__(self, cfg: ByobNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.features
        self.zero_init_last: bool = cfg.zero_init_last
        self.level_names: frozenset[str] = frozenset(level.name for level in self.feature_info)
        self.depth: int = len(plan.stages)

        self.stem: nn.Module = _stem(cfg, plan.stem)
        self.stages: nn.Sequential = nn.Sequential(
            *(
                Blocks(*(_BLOCKS[block.kind](cfg, block) for block in stage.blocks))
                for stage in plan.stages
            )
        )
        self.final_conv: nn.Module = _final_conv(cfg, plan)
        self.head: ClassifierHead | AttentionPool2d = _head(cfg, plan)
        self.head_hidden_size: int = self.head.features

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to the last map of each resolution, the last (N, D, H / 32, W / 32)."""
        if isinstance(self.stem, nn.Sequential):
            for name, layer in self.stem.named_children():
                x = layer(x)
                if f"stem.{name}" in self.level_names:
                    yield x
        else:
            x = self.stem(x)
        if "stem" in self.level_names:
            yield x
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index == self.depth - 1:
                yield self.final_conv(x)
            elif f"stages.{index}" in self.level_names:
                yield x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head.reset(num_classes, global_pool)
        self.head_hidden_size = self.head.features

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by the fan-out of each group, linear layers by a deviation of 0.01, biases
        and the last normalisation of a branch beside a shortcut by 0; projections of an attention
        by their fan-in; a global context pools by its fan-in, and adds nothing at first."""
        if isinstance(module, nn.Conv2d):
            fan = module.weight[:, 0].numel() // module.groups
            if path.endswith(".conv_attn"):
                fan = module.in_channels
            parent = self.get_submodule(path.rpartition(".")[0])
            if isinstance(parent, BottleneckAttention | HaloAttention | LambdaAttention):
                return {"weight": normal(module.in_channels**-0.5), "bias": zeros}
            adds = path.endswith(".mlp_add.fc2")
            return {"weight": zeros if adds else normal(math.sqrt(2.0 / fan)), "bias": zeros}
        if isinstance(module, nn.Linear):
            reads = path in ("head.q", "head.k", "head.v")
            return {"weight": normal(module.in_features**-0.5 if reads else 0.01), "bias": zeros}
        initializers = default_initializers(module)
        block, _, name = path.removesuffix(".bn").rpartition(".")
        if self.zero_init_last and path.endswith(".bn"):
            parent = self.get_submodule(block)
            if isinstance(parent, ResidualBlock) and parent.shortcut and name == parent.last_conv:
                return {**initializers, "weight": zeros}
        return initializers


class ResidualBlock(nn.Module, ABC):
    """A branch of convolutions beside a shortcut, which may be missing."""

    last_conv: ClassVar[str]
    """Name of the branch's last convolution."""
    shortcut: nn.Module | None
    drop_path: DropPath
    act: nn.Module

    @abstractmethod
    def branch(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.drop_path(self.branch(x))
        return self.act(y if self.shortcut is None else y + self.shortcut(x))


class BasicBlock(ResidualBlock):
    """Two kxk convolutions."""

    last_conv = "conv2_kxk"

    def __init__(self, cfg: ByobNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.shortcut: nn.Module | None = _shortcut(cfg, plan)
        self.conv1_kxk: nn.Module = _subsampling_conv(cfg, plan, plan.in_channels, plan.width)
        self.conv2_kxk: nn.Module = _conv(
            cfg,
            plan.width,
            plan.out_channels,
            3,
            dilation=plan.dilation,
            groups=plan.groups,
            act=False,
            drop=plan.drop_block,
        )
        self.attn_last: nn.Module = _attention(cfg, plan.out_channels)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.act: nn.Module = _last_act(cfg)

    def branch(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.attn_last(self.conv2_kxk(self.conv1_kxk(x)))


class BottleneckBlock(ResidualBlock):
    """1x1, kxk and 1x1 convolutions; the kxk one subsamples."""

    last_conv = "conv3_1x1"

    def __init__(self, cfg: ByobNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        width = plan.width
        self.shortcut: nn.Module | None = _shortcut(cfg, plan)
        self.conv1_1x1: nn.Module = _conv(cfg, plan.in_channels, width, 1)
        self.conv2_kxk: nn.Module = _subsampling_conv(
            cfg, plan, width, width, groups=plan.groups, drop=plan.drop_block
        )
        self.conv2b_kxk: nn.Module = nn.Identity()
        if cfg.block_kwargs.extra_conv:
            self.conv2b_kxk = _conv(
                cfg, width, width, 3, dilation=plan.dilation, groups=plan.groups
            )
        self.attn: nn.Module = _attention(cfg, width)
        self.conv3_1x1: nn.Module = _conv(cfg, width, plan.out_channels, 1, act=False)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.act: nn.Module = _last_act(cfg)

    def branch(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        x = self.conv2b_kxk(self.conv2_kxk(self.conv1_1x1(x)))
        return self.conv3_1x1(self.attn(x))


class DarkBlock(ResidualBlock):
    """1x1 and kxk convolutions, as in DarkNet (https://arxiv.org/abs/1804.02767, table 1)."""

    last_conv = "conv2_kxk"

    def __init__(self, cfg: ByobNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.shortcut: nn.Module | None = _shortcut(cfg, plan)
        self.conv1_1x1: nn.Module = _conv(cfg, plan.in_channels, plan.width, 1)
        self.conv2_kxk: nn.Module = _subsampling_conv(
            cfg,
            plan,
            plan.width,
            plan.out_channels,
            groups=plan.groups,
            act=False,
            drop=plan.drop_block,
        )
        self.attn_last: nn.Module = _attention(cfg, plan.out_channels)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.act: nn.Module = _last_act(cfg)

    def branch(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.attn_last(self.conv2_kxk(self.conv1_1x1(x)))


class EdgeBlock(ResidualBlock):
    """kxk and 1x1 convolutions, as in EfficientNet-EdgeTPU."""

    last_conv = "conv2_1x1"

    def __init__(self, cfg: ByobNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.shortcut: nn.Module | None = _shortcut(cfg, plan)
        self.conv1_kxk: nn.Module = _subsampling_conv(
            cfg, plan, plan.in_channels, plan.width, groups=plan.groups, drop=plan.drop_block
        )
        self.attn: nn.Module = _attention(cfg, plan.width)
        self.conv2_1x1: nn.Module = _conv(cfg, plan.width, plan.out_channels, 1, act=False)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.act: nn.Module = _last_act(cfg)

    def branch(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.conv2_1x1(self.attn(self.conv1_kxk(x)))


class SelfAttentionBlock(ResidualBlock):
    """1x1 convolutions around an attention over positions, which subsamples."""

    last_conv = "conv3_1x1"

    def __init__(self, cfg: ByobNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        assert plan.attention is not None  # by the kind of the block
        width = plan.width
        self.shortcut: nn.Module | None = _shortcut(cfg, plan)
        self.conv1_1x1: nn.Module = _conv(cfg, plan.in_channels, width, 1)
        self.conv2_kxk: nn.Module = nn.Identity()
        if cfg.block_kwargs.extra_conv:
            self.conv2_kxk = _subsampling_conv(
                cfg, plan, width, width, groups=plan.groups, drop=plan.drop_block
            )
        self.self_attn: nn.Module = _self_attention(width, plan.attention)
        self.post_attn: nn.Module
        self.post_act: nn.Module
        self.post_attn, self.post_act = norm_act(
            cfg.norm_layer, width, cfg.act_layer, group_size=cfg.norm_group_size
        )
        self.conv3_1x1: nn.Module = _conv(cfg, width, plan.out_channels, 1, act=False)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.act: nn.Module = _last_act(cfg)

    def branch(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        x = self.self_attn(self.conv2_kxk(self.conv1_1x1(x)))
        return self.conv3_1x1(self.post_act(self.post_attn(x)))


_BLOCKS: dict[Block, Callable[[ByobNetConfig, BlockPlan], ResidualBlock]] = {
    "basic": BasicBlock,
    "bottle": BottleneckBlock,
    "dark": DarkBlock,
    "edge": EdgeBlock,
    "self_attn": SelfAttentionBlock,
}


class AttentionPool2d(nn.Module):
    """The mean of all positions attends to them and to itself
    (https://arxiv.org/abs/2103.00020, section 2.4).

    Where nothing is pooled, every position does.

    Args:
        channels: channels D of the map.
        features: features F of queries, keys and values, a multiple of 64.
        grid: its rows and columns; with rotary positions, those that other maps are stretched to.
        num_classes: classes K; 0 for no classifier.
        global_pool: `""` for no pooling.
        drop_rate: dropout probability before the classifier.
        rotary: whether queries and keys have a rotary embedding of their position
            (https://arxiv.org/abs/2104.09864), and the map no learned table.
    """

    def __init__(
        self,
        channels: int,
        features: int,
        grid: tuple[int, int],
        num_classes: int,
        global_pool: ConvPool,
        drop_rate: float,
        *,
        rotary: bool = False,
    ) -> None:
        super().__init__()
        self.features = features
        self.pos_embed: nn.Parameter | None = None
        self.rope: AxialRotaryEmbedding | None = None
        if rotary:
            self.rope = AxialRotaryEmbedding(HEAD_DIM, 10_000.0, reference=grid)
        else:
            self.pos_embed = nn.Parameter(torch.empty(1 + grid[0] * grid[1], channels))
        self.q: nn.Linear = nn.Linear(channels, features)
        self.k: nn.Linear = nn.Linear(channels, features)
        self.v: nn.Linear = nn.Linear(channels, features)
        self.drop: nn.Dropout = nn.Dropout(drop_rate)
        self.reset(num_classes, global_pool)

    def initializers(self) -> Initializers:
        """Position embeddings of about unit length."""
        return {"pos_embed": trunc_normal(self.q.in_features**-0.5)}

    def reset(self, num_classes: int, global_pool: ConvPool) -> None:
        """Pool or not, and put an uninitialised classifier in place."""
        self.pools: bool = global_pool != ""
        self.proj: nn.Linear | nn.Identity = linear_classifier(self.features, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, F, H, W) where nothing is pooled."""
        rows, columns = x.shape[2:]
        x = x.flatten(2).transpose(1, 2)  # (N, T, D)
        x = torch.cat((x.mean(1, keepdim=True), x), dim=1)
        if self.pos_embed is not None:
            x = x + self.pos_embed
        heads = self.features // HEAD_DIM
        parts = (self.q(x[:, :1] if self.pools else x), self.k(x), self.v(x))
        q, k, v = (split_heads(part, heads) for part in parts)
        if self.rope is not None:  # the mean has no position
            rope = self.rope((rows, columns), x)
            q = q if self.pools else apply_rope(q, rope, halves=False)
            k = apply_rope(k, rope, halves=False)
        x = self.drop(merge_heads(attend(q, k, v)))
        if not self.pools:
            return x[:, 1:].transpose(1, 2).reshape(-1, self.features, rows, columns)
        return x[:, 0] if pre_logits else self.proj(x[:, 0])


def _stem(cfg: ByobNetConfig, plan: StemPlan) -> nn.Sequential | Conv2dNormAct:
    """One convolution that subsamples; or several, and a pooling."""
    in_channels, size = cfg.in_chans, plan.kernel_size
    if plan.stride == 2:
        return _conv(cfg, in_channels, plan.channels[0], size, stride=2)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (channels, stride) in enumerate(
        zip(plan.channels, plan.strides, strict=True), start=1
    ):
        layers[f"conv{number}"] = (
            conv2d(in_channels, channels, size, stride=stride)
            if number <= plan.plain
            else _conv(cfg, in_channels, channels, size, stride=stride)
        )
        in_channels = channels
    match plan.pool:
        case "maxpool":
            layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
        case "max2":
            layers["pool"] = nn.MaxPool2d(2)
        case "avg2":
            layers["pool"] = nn.AvgPool2d(2)
        case None:
            pass
    return nn.Sequential(layers)


def _final_conv(cfg: ByobNetConfig, plan: ByobNetPlan) -> nn.Module:
    """A pointwise convolution after the stages, where there is one."""
    if not plan.last_channels:
        return nn.Identity()
    return _conv(cfg, plan.stages[-1].channels, plan.last_channels, 1)


def _head(cfg: ByobNetConfig, plan: ByobNetPlan) -> ClassifierHead | AttentionPool2d:
    if cfg.attention_pools:
        return AttentionPool2d(
            plan.features,
            cfg.head_hidden_size or plan.features,
            cfg.grid(),
            cfg.num_classes,
            cfg.global_pool,
            cfg.drop_rate,
            rotary=cfg.head_type == "attn_rot",
        )
    return ClassifierHead(
        plan.features,
        cfg.num_classes,
        cfg.global_pool,
        drop_rate=cfg.drop_rate,
        norm=nn.BatchNorm2d(plan.features) if cfg.head_type == "mlp" else None,
        hidden_size=cfg.head_hidden_size,
        hidden_act=cfg.act_layer,
    )


def _conv(
    cfg: ByobNetConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    act: bool = True,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    drop: tuple[int, float] | None = None,
) -> Conv2dNormAct:
    return Conv2dNormAct(
        in_channels,
        out_channels,
        kernel_size,
        cfg.act_layer if act else None,
        norm_layer=cfg.norm_layer,
        norm_group_size=cfg.norm_group_size,
        stride=stride,
        dilation=dilation,
        groups=groups,
        drop=None if drop is None else DropBlock2d(cfg.drop_block_rate, *drop),
    )


def _subsampling_conv(
    cfg: ByobNetConfig,
    plan: BlockPlan,
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    groups: int = 1,
    act: bool = True,
    drop: tuple[int, float] | None = None,
) -> nn.Module:
    """The convolution that subsamples, or a low-pass filter after it."""
    filtered = cfg.aa_layer is not None and plan.stride == 2
    conv = _conv(
        cfg,
        in_channels,
        out_channels,
        kernel_size,
        act=act,
        stride=1 if filtered else plan.stride,
        dilation=plan.first_dilation,
        groups=groups,
        drop=drop,
    )
    if cfg.aa_layer is None or not filtered:
        return conv
    return FilteredConv(conv, anti_alias(cfg.aa_layer, out_channels, plan.stride))


def _shortcut(cfg: ByobNetConfig, plan: BlockPlan) -> nn.Module | None:
    """The identity, a projection where the shape changes, or none there."""
    if not plan.projects:
        return nn.Identity()
    match cfg.downsample:
        case "":
            return None
        case "conv1x1":
            return _subsampling_conv(
                cfg, plan, plan.in_channels, plan.out_channels, kernel_size=1, act=False
            )
        case "avg":
            layers = {
                "pool": shortcut_average(plan.stride, plan.first_dilation),
                "conv": _conv(cfg, plan.in_channels, plan.out_channels, 1, act=False),
            }
            return nn.Sequential(OrderedDict(layers))


def _attention(cfg: ByobNetConfig, channels: int) -> nn.Module:
    if cfg.attn_layer is None:
        return nn.Identity()
    args = cfg.attn_kwargs
    return map_attention(cfg.attn_layer, channels, args.rd_ratio, block_size=args.block_size)


def _self_attention(channels: int, plan: AttentionPlan) -> nn.Module:
    args = plan.args
    match plan.kind:
        case "halo":
            return HaloAttention(
                channels,
                num_heads=plan.num_heads,
                key_dim=plan.key_dim,
                block_size=args.block_size,
                halo_size=args.halo_size,
                stride=plan.stride,
                averages=plan.averages,
                bias=args.qkv_bias,
                scale_positions=args.scale_pos_embed,
            )
        case "lambda":
            return LambdaAttention(
                channels,
                num_heads=plan.num_heads,
                key_dim=plan.key_dim,
                reach=None if args.r is None else args.r // 2,
                grid=plan.grid if args.r is None else None,
                stride=plan.stride,
                bias=args.qkv_bias,
            )
        case "bottleneck":
            return BottleneckAttention(
                channels,
                plan.grid,
                num_heads=plan.num_heads,
                key_dim=plan.key_dim,
                stride=plan.stride,
                bias=args.qkv_bias,
                scale_positions=args.scale_pos_embed,
            )


def _last_act(cfg: ByobNetConfig) -> nn.Module:
    return nn.Identity() if cfg.block_kwargs.linear_out else activation(cfg.act_layer)
