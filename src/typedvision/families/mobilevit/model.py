"""MobileViT (https://arxiv.org/abs/2110.02178) and MobileViTv2 (https://arxiv.org/abs/2206.02680).

Shapes: N images, C channels in, D channels or features out, H x W positions, P positions of a
patch, T patches, s stride, K classes.
"""

from __future__ import annotations

import math

import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.final_conv_model import FinalConvModel, final_conv
from typedvision.architecture.head_model import HeadModel
from typedvision.config.names import Activation
from typedvision.families.mobilevit.config import (
    MLP_RATIO,
    MobileViTConfig,
    ResidualPlan,
    StagePlan,
    TransformerPlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, default_initializers, normal, zeros
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm_act import Conv2dNormAct


class MobileViT(FinalConvModel, HeadModel):
    """A stem, five stages, of which the last three end in a transformer, and a classifier."""

    def __init__(self, cfg: MobileViTConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.features
        self.zero_init_last: bool = cfg.zero_init_last

        self.stem: nn.Module = Conv2dNormAct(cfg.in_chans, cfg.stem_chs, 3, cfg.act_layer, stride=2)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.final_conv: nn.Module = final_conv(
            plan.stages[-1].channels, cfg.num_features, cfg.act_layer
        )
        self._add_head(cfg.num_classes, cfg.global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by the fan-out of each group, linear layers by a deviation of 0.01, biases
        and the last normalisation of an inverted residual beside a shortcut by 0."""
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel() // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": normal(0.01), "bias": zeros}
        initializers = default_initializers(module)
        if self.zero_init_last and path.endswith(".conv3_1x1.bn"):
            block = self.get_submodule(path.removesuffix(".conv3_1x1.bn"))
            if isinstance(block, InvertedResidual) and block.skip:
                return {**initializers, "weight": zeros}
        return initializers


class InvertedResidual(nn.Module):
    """Pointwise expansion, depthwise convolution and pointwise projection
    (https://arxiv.org/abs/1801.04381, figure 4d)."""

    def __init__(self, plan: ResidualPlan, act: Activation) -> None:
        super().__init__()
        width = plan.width
        self.skip: bool = plan.skip
        self.conv1_1x1: Conv2dNormAct = Conv2dNormAct(plan.in_channels, width, 1, act)
        self.conv2_kxk: Conv2dNormAct = Conv2dNormAct(
            width, width, 3, act, stride=plan.stride, dilation=plan.dilation, groups=width
        )
        self.conv3_1x1: Conv2dNormAct = Conv2dNormAct(width, plan.out_channels, 1, None)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.conv3_1x1(self.conv2_kxk(self.conv1_1x1(x)))
        return x + self.drop_path(branch) if self.skip else branch


class MobileVitBlock(nn.Module):
    """A transformer between convolutions, and a convolution that joins its output with its input
    (figure 1b)."""

    def __init__(self, cfg: MobileViTConfig, plan: TransformerPlan) -> None:
        super().__init__()
        channels, dim, act = plan.channels, plan.dim, cfg.act_layer
        self.patch_size: int = cfg.patch_size
        self.conv_kxk: Conv2dNormAct = Conv2dNormAct(
            channels, channels, 3, act, dilation=plan.dilation
        )
        self.conv_1x1: nn.Conv2d = nn.Conv2d(channels, dim, 1, bias=False)
        self.transformer: nn.Sequential = nn.Sequential(
            *(TransformerBlock(cfg, plan) for _ in range(plan.depth))
        )
        self.norm: nn.LayerNorm = nn.LayerNorm(dim)
        self.conv_proj: Conv2dNormAct = Conv2dNormAct(dim, channels, 1, act)
        self.conv_fusion: Conv2dNormAct = Conv2dNormAct(2 * channels, channels, 3, act)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        local = self.conv_1x1(self.conv_kxk(x))
        patches = to_patches(_stretched(local, self.patch_size), self.patch_size)  # (N, D, P, T)
        tokens = patches.permute(0, 2, 3, 1).flatten(0, 1)  # (N P, T, D)
        tokens = self.norm(self.transformer(tokens))
        patches = tokens.unflatten(0, (x.shape[0], -1)).permute(0, 3, 1, 2)
        y = _resized(_stretched_map(patches, local, self.patch_size), x)
        return self.conv_fusion(torch.cat((x, self.conv_proj(y)), dim=1))


class TransformerBlock(nn.Module):
    """Self-attention and an MLP, each after a normalisation and beside a shortcut."""

    def __init__(self, cfg: MobileViTConfig, plan: TransformerPlan) -> None:
        super().__init__()
        dim = plan.dim
        self.norm1: nn.LayerNorm = nn.LayerNorm(dim)
        self.attn: Attention = Attention(dim, cfg.num_heads)
        self.norm2: nn.LayerNorm = nn.LayerNorm(dim)
        self.mlp: Mlp = Mlp(dim, MLP_RATIO * dim, activation(cfg.act_layer, inplace=False))
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class MobileVitV2Block(nn.Module):
    """A transformer of linear cost between convolutions (MobileViTv2, section 3.3)."""

    def __init__(self, cfg: MobileViTConfig, plan: TransformerPlan) -> None:
        super().__init__()
        channels, dim = plan.channels, plan.dim
        self.patch_size: int = cfg.patch_size
        self.conv_kxk: Conv2dNormAct = Conv2dNormAct(
            channels, channels, 3, cfg.act_layer, dilation=plan.dilation, groups=channels
        )
        self.conv_1x1: nn.Conv2d = nn.Conv2d(channels, dim, 1, bias=False)
        self.transformer: nn.Sequential = nn.Sequential(
            *(LinearTransformerBlock(cfg, plan) for _ in range(plan.depth))
        )
        self.norm: nn.GroupNorm = nn.GroupNorm(1, dim)
        self.conv_proj: Conv2dNormAct = Conv2dNormAct(dim, channels, 1, None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W'), whole patches."""
        x = _stretched(x, self.patch_size, align_corners=True)
        x = self.conv_1x1(self.conv_kxk(x))
        patches = self.norm(self.transformer(to_patches(x, self.patch_size)))
        return self.conv_proj(_stretched_map(patches, x, self.patch_size))


class LinearTransformerBlock(nn.Module):
    """A separable attention and an MLP, each after a normalisation and beside a shortcut."""

    def __init__(self, cfg: MobileViTConfig, plan: TransformerPlan) -> None:
        super().__init__()
        dim = plan.dim
        self.norm1: nn.GroupNorm = nn.GroupNorm(1, dim)
        self.attn: LinearSelfAttention = LinearSelfAttention(dim)
        self.norm2: nn.GroupNorm = nn.GroupNorm(1, dim)
        act = activation(cfg.act_layer, inplace=False)
        self.mlp: Mlp = Mlp(dim, MLP_RATIO * dim, act, use_conv=True)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, P, T) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class LinearSelfAttention(nn.Module):
    """Every position's value is scaled by one sum over all keys, which is weighted by one score
    for each position (MobileViTv2, section 3.2)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.sizes: tuple[int, int, int] = (1, dim, dim)
        self.qkv_proj: nn.Conv2d = nn.Conv2d(dim, sum(self.sizes), 1)
        self.out_proj: nn.Conv2d = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, P, T) to the same shape."""
        q, k, v = self.qkv_proj(x).split(self.sizes, dim=1)
        context = (k * q.softmax(-1)).sum(-1, keepdim=True)  # (N, D, P, 1)
        return self.out_proj(v.relu() * context)


def to_patches(x: Tensor, size: int) -> Tensor:
    """(N, D, H, W) to (N, D, P, T): the patches, of `size` x `size` positions."""
    batch, dim, height, width = x.shape
    x = x.reshape(batch, dim, height // size, size, width // size, size)
    return x.permute(0, 1, 3, 5, 2, 4).flatten(4).flatten(2, 3)


def from_patches(patches: Tensor, size: int, columns: int) -> Tensor:
    """(N, D, P, T) to (N, D, H, W): the map of patches, so many in a row."""
    batch, dim = patches.shape[:2]
    x = patches.reshape(batch, dim, size, size, -1, columns)
    return x.permute(0, 1, 4, 2, 5, 3).flatten(4).flatten(2, 3)


def _stretched_map(patches: Tensor, like: Tensor, size: int) -> Tensor:
    """The map of patches that a map like this one was stretched to."""
    return from_patches(patches, size, -(-like.shape[3] // size))


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def _stretched(x: Tensor, size: int, align_corners: bool = False) -> Tensor:
    """(N, C, H, W) to whole patches."""
    height, width = (math.ceil(side / size) * size for side in x.shape[-2:])
    if (height, width) == tuple(x.shape[-2:]):
        return x
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=align_corners)


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def _resized(x: Tensor, like: Tensor) -> Tensor:
    """(N, C, H', W') to the height and width of another map."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


_TRANSFORMERS = {"mobilevit": MobileVitBlock, "mobilevit2": MobileVitV2Block}


def _stage(cfg: MobileViTConfig, plan: StagePlan) -> Blocks:
    """Inverted residuals, and a transformer in the last stages."""
    blocks: list[nn.Module] = [
        InvertedResidual(residual, cfg.act_layer) for residual in plan.residuals
    ]
    if plan.transformer is not None:
        blocks.append(_TRANSFORMERS[cfg.block](cfg, plan.transformer))
    return Blocks(*blocks)
