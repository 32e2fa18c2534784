"""LeViT (https://arxiv.org/abs/2104.01136).

Shapes: N images, C channels of H x W pixels, T = h w positions, D features, K classes; tokens are
(N, T, D), or with `use_conv` maps, (N, D, h, w).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from typedvision.architecture.distilled_model import DistilledStagedModel
from typedvision.config.base import to_pair
from typedvision.config.names import OutputFormat
from typedvision.families.levit.config import (
    DOWNSAMPLE_RATIO,
    DOWNSAMPLE_VALUES,
    DownsamplePlan,
    LevitConfig,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.distance_bias import DistanceAttention
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import fuse_bn_linear, fuse_conv_bn, fuse_linear_bn
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    NORM,
    Initializers,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.patch_embed import check_fixed_size
from typedvision.layers.token_map import MapTokens


class Levit(DistilledStagedModel):
    """Convolutions, stages of attention, pooling, and one or two classifiers (figure 4)."""

    def __init__(self, cfg: LevitConfig) -> None:
        super().__init__(cfg)
        stages = cfg.plan()
        self._cfg: LevitConfig = cfg
        self.num_features: int = cfg.embed_dim[-1]
        self.head_hidden_size: int = self.num_features
        self.output_fmt: OutputFormat = "NCHW" if cfg.use_conv else "NLC"
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.grids: dict[int, tuple[int, int]] = {
            stage.grid[0] * stage.grid[1]: stage.grid for stage in stages
        }

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in stages))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _embed(self, x: Tensor) -> Tensor:
        """Images of the one size that the attention is for, (N, C, H, W), to the first map."""
        check_fixed_size(x, self.img_size)
        return super()._embed(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, T, D) as a map, (N, D, h, w)."""
        return x if x.ndim == 4 else x.mT.reshape(x.shape[0], -1, *self.grids[x.shape[1]])

    def _pool(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, D)."""
        return x.mean((2, 3) if self.output_fmt == "NCHW" else 1) if self.pools else x

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        cfg = self._cfg
        self.pools: bool = global_pool == "avg"
        self.head: nn.Module = _classifier(cfg, num_classes)
        self.head_dist: nn.Module | None = _classifier(cfg, num_classes) if cfg.distilled else None

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Layers by a deviation of 0.02; the last normalisation of residual branches by 0."""
        if path.startswith("head") and isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if path.endswith(("attn.proj.ln.bn", "mlp.ln2.bn")):
            return {**NORM, "weight": zeros}
        return default_initializers(module)


class LevitBlock(nn.Module):
    """Attention and an MLP (figure 5, left)."""

    def __init__(self, cfg: LevitConfig, plan: StagePlan) -> None:
        super().__init__()
        self.attn: Attention = Attention(cfg, plan)
        self.drop_path1: DropPath = DropPath(cfg.drop_path_rate)
        self.mlp: nn.Sequential = _mlp(cfg, plan.features, plan.hidden)
        self.drop_path2: DropPath = DropPath(cfg.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.attn(x))
        return x + self.drop_path2(self.mlp(x))


class LevitDownsample(nn.Module):
    """Attention of every second position in each direction, and an MLP (figure 5, right)."""

    def __init__(self, cfg: LevitConfig, plan: DownsamplePlan, features: int) -> None:
        super().__init__()
        self.attn_downsample: AttentionDownsample = AttentionDownsample(cfg, plan, features)
        self.mlp: nn.Sequential = _mlp(cfg, features, DOWNSAMPLE_RATIO * features)
        self.drop_path: DropPath = DropPath(cfg.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T / 4, E)."""
        x = self.attn_downsample(x)
        return x + self.drop_path(self.mlp(x))


class Attention(DistanceAttention):
    """Attention whose values are wider than its keys, with a bias for each distance."""

    def __init__(self, cfg: LevitConfig, plan: StagePlan) -> None:
        super().__init__(plan.num_heads, plan.grid)
        self.use_conv: bool = cfg.use_conv
        self.widths: tuple[int, int, int] = (cfg.key_dim, cfg.key_dim, plan.value_dim)
        self.qkv: nn.Module = _dense(cfg, plan.features, plan.num_heads * sum(self.widths))
        self.proj: nn.Sequential = _projection(cfg, plan.num_heads * plan.value_dim, plan.features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        heads = _heads(self.qkv(x), self.num_heads, self.use_conv)
        q, k, v = heads.split_with_sizes(self.widths, dim=-1)
        return self.proj(_joined(_attend(q, k, v, self.bias()), self.use_conv, self.grid))


class AttentionDownsample(DistanceAttention):
    """Attention to all positions of every second one in each direction (section 4.3)."""

    def __init__(self, cfg: LevitConfig, plan: DownsamplePlan, features: int) -> None:
        super().__init__(plan.num_heads, plan.grid, step=2)
        value_dim = DOWNSAMPLE_VALUES * cfg.key_dim
        self.use_conv: bool = cfg.use_conv
        self.widths: tuple[int, int] = (cfg.key_dim, value_dim)
        self.out_grid: tuple[int, int] = ((plan.grid[0] + 1) // 2, (plan.grid[1] + 1) // 2)
        self.kv: nn.Module = _dense(cfg, plan.in_features, plan.num_heads * sum(self.widths))
        down = nn.AvgPool2d(1, stride=2) if cfg.use_conv else EverySecond(plan.grid)
        query = _dense(cfg, plan.in_features, plan.num_heads * cfg.key_dim)
        self.q: nn.Sequential = nn.Sequential(OrderedDict(down=down, ln=query))
        self.proj: nn.Sequential = _projection(cfg, plan.num_heads * value_dim, features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T / 4, E)."""
        heads = _heads(self.kv(x), self.num_heads, self.use_conv)
        k, v = heads.split_with_sizes(self.widths, dim=-1)
        q = _heads(self.q(x), self.num_heads, self.use_conv)
        return self.proj(_joined(_attend(q, k, v, self.bias()), self.use_conv, self.out_grid))


class EverySecond(nn.Module):
    """Every second row and column of tokens.

    Args:
        grid: h and w.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T / 4, D)."""
        x = x.reshape(x.shape[0], *self.grid, x.shape[-1])
        return x[:, ::2, ::2].flatten(1, 2)


class ConvNorm(nn.Module):
    """A convolution and a batch normalisation; together one convolution, in the inference form.

    Args:
        conv: the convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.linear = conv
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self.bn(self.linear(x))

    def fused(self) -> nn.Module:
        """One convolution with a bias."""
        return fuse_conv_bn(self.linear, self.bn)


class LinearNorm(nn.Module):
    """A linear layer and a batch normalisation; together one layer, in the inference form.

    Args:
        linear: the layer.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.bn: nn.BatchNorm1d = nn.BatchNorm1d(linear.out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T, E)."""
        x = self.linear(x)
        return self.bn(x.flatten(0, 1)).view_as(x)

    def fused(self) -> nn.Module:
        """One linear layer with a bias."""
        return fuse_linear_bn(self.linear, self.bn)


class NormLinear(nn.Module):
    """A batch normalisation and a classifier; together one layer, in the inference form.

    Args:
        features: D.
        num_classes: K.
        drop_rate: dropout probability before the classifier.
    """

    def __init__(self, features: int, num_classes: int, drop_rate: float) -> None:
        super().__init__()
        self.bn: nn.BatchNorm1d = nn.BatchNorm1d(features)
        self.drop: nn.Dropout = nn.Dropout(drop_rate)
        self.linear: nn.Linear = nn.Linear(features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N, K)."""
        return self.linear(self.drop(self.bn(x)))

    def fused(self) -> nn.Module:
        """One linear layer."""
        return fuse_bn_linear(self.bn, self.linear)


def _heads(x: Tensor, num_heads: int, use_conv: bool) -> Tensor:
    """Tokens or a map, as the features of each head, (N, heads, T, d)."""
    if use_conv:
        return x.reshape(x.shape[0], num_heads, -1, x.shape[2] * x.shape[3]).mT
    return torch.unflatten(x, 2, (num_heads, -1)).transpose(1, 2)


def _joined(x: Tensor, use_conv: bool, grid: tuple[int, int]) -> Tensor:
    """The features of each head, (N, heads, T, d), as tokens or a map."""
    if use_conv:
        return x.mT.reshape(x.shape[0], -1, *grid)
    return x.transpose(1, 2).flatten(2)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Softmax attention (section 4.2); with the bias of each two positions."""
    return (q @ k.mT * q.shape[-1] ** -0.5 + bias).softmax(dim=-1) @ v


def _stem(cfg: LevitConfig) -> nn.Sequential:
    """3x3 convolutions of stride 2, each with twice the channels of the last."""
    count = 3 if cfg.stem_type == "s8" else 4
    layers: dict[str, nn.Module] = {}
    channels = cfg.in_chans
    for index in range(1, count + 1):
        width = cfg.embed_dim[0] // 2 ** (count - index)
        conv = conv2d(channels, width, 3, stride=2, bias=cfg.inference_mode)
        layers[f"conv{index}"] = conv if cfg.inference_mode else ConvNorm(conv)
        if index < count:
            layers[f"act{index}"] = activation(cfg.act_layer)
        channels = width
    if not cfg.use_conv:
        layers["tokens"] = MapTokens()
    return nn.Sequential(OrderedDict(layers))


def _stage(cfg: LevitConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    downsample: nn.Module = nn.Identity()
    if plan.downsample is not None:
        downsample = LevitDownsample(cfg, plan.downsample, plan.features)
    blocks = Blocks(*(LevitBlock(cfg, plan) for _ in range(plan.depth)))
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))


def _mlp(cfg: LevitConfig, features: int, hidden: int) -> nn.Sequential:
    """Two layers, and an activation between them."""
    layers = {
        "ln1": _dense(cfg, features, hidden),
        "act": activation(cfg.act_layer),
        "ln2": _dense(cfg, hidden, features),
    }
    return nn.Sequential(OrderedDict(layers))


def _projection(cfg: LevitConfig, in_features: int, features: int) -> nn.Sequential:
    """What follows attention: an activation, and a layer."""
    act = activation(cfg.attn_act_layer or cfg.act_layer)
    return nn.Sequential(OrderedDict(act=act, ln=_dense(cfg, in_features, features)))


def _dense(cfg: LevitConfig, in_features: int, features: int) -> nn.Module:
    """A linear layer of tokens or a 1x1 convolution of maps with a normalisation, or the inference
    form of these."""
    bias = cfg.inference_mode
    if cfg.use_conv:
        conv = conv2d(in_features, features, 1, bias=bias)
        return conv if cfg.inference_mode else ConvNorm(conv)
    linear = nn.Linear(in_features, features, bias=bias)
    return linear if cfg.inference_mode else LinearNorm(linear)


def _classifier(cfg: LevitConfig, num_classes: int) -> nn.Module:
    """A normalisation and a linear layer, or the inference form of these."""
    features = cfg.embed_dim[-1]
    if cfg.inference_mode or not num_classes:
        return linear_classifier(features, num_classes)
    return NormLinear(features, num_classes, cfg.drop_rate)
