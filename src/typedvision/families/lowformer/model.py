"""LowFormer (https://arxiv.org/abs/2409.03460).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, h heads, F features, K
classes.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import ConvPool
from typedvision.families.lowformer.config import (
    AttentionPlan,
    ConvPlan,
    LowFormerConfig,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.norm import conv_norm
from typedvision.layers.pool import GlobalPool


class LowFormer(StagedModel):
    """A stem, four stages of blocks, a pointwise convolution, pooling, a hidden layer and a linear
    classifier (figure 3)."""

    def __init__(self, cfg: LowFormerConfig) -> None:
        super().__init__(cfg)
        plan, (wide, hidden) = cfg.plan(), cfg.head_widths
        self.num_features: int = cfg.width_list[-1]
        self.head_hidden_size: int = hidden
        self.drop_rate: float = cfg.drop_rate

        first = ConvNormAct(cfg, cfg.in_chans, cfg.width_list[0], 3, stride=2)
        blocks = (Residual(_conv_block(cfg, block), block.drop_path_rate) for block in plan.stem)
        self.stem: nn.Module = Blocks(first, *blocks)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.in_conv: ConvNormAct = ConvNormAct(cfg, self.num_features, wide, 1)
        self.pre_classifier: nn.Sequential = nn.Sequential(
            nn.Linear(wide, hidden, bias=False), nn.LayerNorm(hidden), activation(cfg.act_layer)
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        x = self.global_pool(self.in_conv(x)).movedim(1, -1)
        x = self.drop(self.pre_classifier(x))
        return (x if pre_logits else self.classifier(x)).movedim(-1, 1)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.classifier: nn.Linear | nn.Identity = linear_classifier(
            self.head_hidden_size, num_classes
        )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02; convolutions as PyTorch's."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        block = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"
        return {"stem": r"^stem\.\d+", "blocks": [(block, None)]}


class LowFormerBlock(nn.Module):
    """Attention, an MLP and a convolutional block, each beside a shortcut (figure 4)."""

    def __init__(self, cfg: LowFormerConfig, plan: AttentionPlan, conv: ConvPlan) -> None:
        super().__init__()
        channels, rate = plan.channels, conv.drop_path_rate
        self.attn: nn.Module = nn.Identity()
        if cfg.attn:
            attention: nn.Module = ConvAttention(cfg, plan)
            if cfg.attn_mlp:
                attention = nn.Sequential(nn.GroupNorm(1, channels), attention)
            self.attn = Residual(attention, rate)
        self.mlp: nn.Module = nn.Identity()
        if cfg.attn_mlp:
            hidden = cfg.attn_mlp_ratio * channels
            mlp = nn.Sequential(
                nn.GroupNorm(1, channels),
                conv2d(channels, hidden, 1, bias=True),
                nn.GELU(),
                conv2d(hidden, channels, 1, bias=True),
                nn.Dropout(cfg.proj_drop_rate),
            )
            self.mlp = Residual(mlp, rate)
        self.local: Residual = Residual(_conv_block(cfg, conv, bias=True), rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return self.local(self.mlp(self.attn(x)))


class ConvAttention(nn.Module):
    """Self-attention of half the channels at a lower resolution, between a convolution that
    subsamples and one that brings the resolution back (section 3.3)."""

    def __init__(self, cfg: LowFormerConfig, plan: AttentionPlan) -> None:
        super().__init__()
        channels, stride = plan.channels, plan.stride
        inner = plan.num_heads * plan.head_dim
        self.num_heads: int = plan.num_heads
        self.conv_proj: nn.Sequential = nn.Sequential()
        conv = conv2d(channels, channels, 2 * stride + 1, stride=stride, groups=channels)
        self.conv_proj.add_module("conv", conv)
        self.conv_proj.add_module("norm", nn.BatchNorm2d(channels))
        self.pwise: nn.Conv2d = conv2d(channels, 3 * inner, 1)
        self.o_proj: nn.Conv2d | nn.Identity = nn.Identity()
        if not cfg.fused_conv:
            self.o_proj = conv2d(inner, channels, 1, bias=True)
        self.upsampling: nn.ConvTranspose2d = nn.ConvTranspose2d(
            inner if cfg.fused_conv else channels,
            channels,
            4 if stride == 2 else 3,
            stride,
            padding=1,
            groups=1 if cfg.fused_conv else channels,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        height, width = x.shape[-2:]
        low = self.pwise(self.conv_proj(x))
        size = low.shape[2], low.shape[3]
        heads = low.reshape(low.shape[0], self.num_heads, -1, size[0] * size[1]).transpose(2, 3)
        q, k, v = heads.chunk(3, dim=-1)
        y = attend(q, k, v).transpose(2, 3).reshape(low.shape[0], -1, *size)
        return self.upsampling(self.o_proj(y))[..., :height, :width]


class MBConv(nn.Module):
    """A pointwise, a depthwise and a pointwise convolution (https://arxiv.org/abs/1801.04381)."""

    def __init__(self, cfg: LowFormerConfig, plan: ConvPlan, bias: bool) -> None:
        super().__init__()
        groups, hidden = cfg.expand_groups, plan.hidden
        self.inverted_conv: ConvNormAct = ConvNormAct(
            cfg, plan.in_channels, hidden, 1, groups=groups, bias=bias, norm=False
        )
        self.depth_conv: ConvNormAct = ConvNormAct(
            cfg,
            hidden,
            hidden,
            3,
            stride=plan.stride,
            groups=hidden,
            bias=bias,
            norm=False,
        )
        self.point_conv: ConvNormAct = ConvNormAct(
            cfg, hidden, plan.out_channels, 1, groups=groups, act=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.point_conv(self.depth_conv(self.inverted_conv(x)))


class FusedMBConv(nn.Module):
    """A full and a pointwise convolution (https://arxiv.org/abs/2104.00298, section 3.2)."""

    def __init__(self, cfg: LowFormerConfig, plan: ConvPlan, bias: bool) -> None:
        super().__init__()
        self.spatial_conv: ConvNormAct = ConvNormAct(
            cfg,
            plan.in_channels,
            plan.hidden,
            3,
            stride=plan.stride,
            groups=cfg.expand_groups,
            bias=bias,
        )
        self.point_conv: ConvNormAct = ConvNormAct(
            cfg, plan.hidden, plan.out_channels, 1, act=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.point_conv(self.spatial_conv(x))


class Residual(nn.Module):
    """A branch beside a shortcut, or in its place.

    Args:
        main: the branch.
        drop_path_rate: probability of dropping it.
        shortcut: whether there is one.
    """

    def __init__(self, main: nn.Module, drop_path_rate: float, *, shortcut: bool = True) -> None:
        super().__init__()
        self.main = main
        self.has_shortcut = shortcut
        self.drop_path: DropPath = DropPath(drop_path_rate if shortcut else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        y = self.drop_path(self.main(x))
        return x + y if self.has_shortcut else y


class ConvNormAct(nn.Module):
    """A convolution, a normalisation and an activation.

    Args:
        cfg: says which normalisation and which activation.
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        stride: input positions for each output position, s.
        groups: groups of the convolution.
        bias: whether the convolution has a bias.
        norm: whether there is a normalisation.
        act: whether there is an activation.
    """

    folds: ClassVar[Pairs] = (("conv", "norm"),)

    def __init__(
        self,
        cfg: LowFormerConfig,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = True,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=bias
        )
        self.norm: nn.Module = conv_norm(cfg.norm_layer, out_channels) if norm else nn.Identity()
        self.act: nn.Module = activation(cfg.act_layer) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.norm(self.conv(x)))


def _stage(cfg: LowFormerConfig, plan: StagePlan) -> Blocks:
    """A block that subsamples, and others."""
    down, attention = plan.down, plan.attention
    first = Residual(_conv_block(cfg, down), down.drop_path_rate, shortcut=False)
    if attention is None:
        convs = (Residual(_conv_block(cfg, conv), conv.drop_path_rate) for conv in plan.convs)
        return Blocks(first, *convs)
    return Blocks(first, *(LowFormerBlock(cfg, attention, conv) for conv in plan.convs))


def _conv_block(cfg: LowFormerConfig, plan: ConvPlan, *, bias: bool = False) -> nn.Module:
    return (FusedMBConv if plan.fused else MBConv)(cfg, plan, bias)
