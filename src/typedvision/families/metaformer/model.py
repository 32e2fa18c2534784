"""MetaFormer (https://arxiv.org/abs/2210.13452) and PoolFormer (https://arxiv.org/abs/2111.11418).

Shapes: N images, C channels in, D channels, H x W positions, L = H W tokens, K classes. Blocks of a
convolution or a pooling take maps (N, D, H, W), those of an attention tokens (N, L, D).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.families.metaformer.config import (
    HEAD_DIM,
    MLP_RATIO,
    ActName,
    MetaFormerConfig,
    NormName,
    PoolName,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    ones,
    trunc_normal,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import LayerNorm2d
from typedvision.layers.pool import GlobalPool, PoolMixer


class MetaFormer(StagedModel):
    """A stem, stages of blocks, pooling, a normalisation and a classifier."""

    def __init__(self, cfg: MetaFormerConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = cfg.dims[-1]
        self.head_hidden_size: int = cfg.dims[-1]
        self.use_mlp_head: bool = cfg.use_mlp_head

        self.stem: nn.Module = Stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(Stage(cfg, stage) for stage in plan))
        self.head: Head = Head(cfg)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: PoolName) -> None:
        self.head.global_pool = GlobalPool(global_pool)
        self.head.fc = _classifier(self.num_features, num_classes, self.use_mlp_head)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and linear layers by a deviation of 0.02."""
        if isinstance(module, nn.Conv2d | nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)


class Stem(nn.Module):
    """A 7x7 convolution that subsamples by four, and a normalisation."""

    def __init__(self, cfg: MetaFormerConfig) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(cfg.in_chans, cfg.dims[0], 7, stride=4, padding=2)
        self.norm: nn.Module = _map_norm(cfg.downsample_norm, cfg.dims[0])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 4, W / 4)."""
        return self.norm(self.conv(x))


class Downsampling(nn.Module):
    """A normalisation, and a 3x3 convolution that subsamples by two."""

    def __init__(self, cfg: MetaFormerConfig, plan: StagePlan) -> None:
        super().__init__()
        self.norm: nn.Module = _map_norm(cfg.downsample_norm, plan.in_channels)
        self.conv: nn.Conv2d = nn.Conv2d(plan.in_channels, plan.channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return self.conv(self.norm(x))


class Stage(nn.Module):
    """A subsampling, then blocks."""

    def __init__(self, cfg: MetaFormerConfig, plan: StagePlan) -> None:
        super().__init__()
        self.on_tokens: bool = plan.token_mixer == "attention"
        self.downsample: nn.Module = Downsampling(cfg, plan) if plan.subsamples else nn.Identity()
        self.blocks: Blocks = Blocks(
            *(MetaFormerBlock(cfg, plan, rate) for rate in plan.drop_path_rates)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        x = self.downsample(x)
        if not self.on_tokens:
            return self.blocks(x)
        tokens = self.blocks(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape)


class MetaFormerBlock(nn.Module):
    """A mixer of tokens, then an MLP, each normalised before (PoolFormer, equations 2 and 3)."""

    def __init__(self, cfg: MetaFormerConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, maps = plan.channels, plan.token_mixer != "attention"
        norm = _map_norm if maps else _token_norm
        self.norm1: nn.Module = norm(plan.norm, channels)
        self.token_mixer: nn.Module = _token_mixer(cfg, plan)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.layer_scale1: nn.Module = _scale(channels, plan.layer_scale, maps)
        self.res_scale1: nn.Module = _scale(channels, plan.res_scale, maps)
        self.norm2: nn.Module = norm(plan.norm, channels)
        self.mlp: Mlp = Mlp(
            channels,
            plan.hidden,
            _act(cfg.mlp_act),
            bias=cfg.mlp_bias,
            drop=cfg.proj_drop_rate,
            use_conv=maps,
        )
        self.drop_path2: DropPath = DropPath(drop_path_rate)
        self.layer_scale2: nn.Module = _scale(channels, plan.layer_scale, maps)
        self.res_scale2: nn.Module = _scale(channels, plan.res_scale, maps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) or (N, L, D) to the same shape."""
        mixed = self.layer_scale1(self.drop_path1(self.token_mixer(self.norm1(x))))
        x = self.res_scale1(x) + mixed
        return self.res_scale2(x) + self.layer_scale2(self.drop_path2(self.mlp(self.norm2(x))))


class SepConv(nn.Module):
    """A 7x7 depthwise convolution between two pointwise ones (MetaFormer, equation 6)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = 2 * channels
        self.pwconv1: nn.Conv2d = nn.Conv2d(channels, hidden, 1, bias=False)
        self.act1: StarReLU = StarReLU()
        self.dwconv: nn.Conv2d = nn.Conv2d(hidden, hidden, 7, padding=3, groups=hidden, bias=False)
        self.pwconv2: nn.Conv2d = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return self.pwconv2(self.dwconv(self.act1(self.pwconv1(x))))


class StarReLU(nn.Module):
    """s relu(x)^2 + b with a learned factor and shift (MetaFormer, equation 9)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale: nn.Parameter = nn.Parameter(torch.empty(1))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(1))

    def initializers(self) -> Initializers:
        """A squared ReLU."""
        return {"scale": ones, "bias": zeros}

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return self.scale * x.relu().square() + self.bias


class SquaredReLU(nn.Module):
    """relu(x)^2 (https://arxiv.org/abs/2109.08668)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return x.relu().square()


class Scale(nn.Module):
    """Multiplies each channel by a learned factor.

    Args:
        channels: D.
        value: initial factor.
        maps: whether it takes maps, and not tokens.
    """

    def __init__(self, channels: int, value: float, maps: bool) -> None:
        super().__init__()
        self.value = value
        self.shape: tuple[int, ...] = (-1, 1, 1) if maps else (-1,)
        self.scale: nn.Parameter = nn.Parameter(torch.empty(channels))

    def initializers(self) -> Initializers:
        """One value for every channel."""
        return {"scale": constant(self.value)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) or (N, L, D) to the same shape."""
        return x * self.scale.view(self.shape)


class GroupNorm1NoBias(nn.GroupNorm):
    """Normalisation over all of a map (N, D, H, W), without a shift."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels, eps=1e-6)
        self.register_parameter("bias", None)


class Head(nn.Module):
    """Pooling, a normalisation, dropout and a classifier, which the model puts in place."""

    global_pool: GlobalPool
    fc: nn.Module

    def __init__(self, cfg: MetaFormerConfig) -> None:
        super().__init__()
        self.global_pool = GlobalPool(cfg.global_pool)
        self.norm: nn.Module = _map_norm(cfg.output_norm, cfg.dims[-1])
        self.drop: nn.Dropout = nn.Dropout(0.0 if cfg.use_mlp_head else cfg.drop_rate)
        self.fc = nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K); a map that is not pooled stays one."""
        pools, x = self.global_pool.kind != "", self.global_pool(x)
        x = self.norm(x[:, :, None, None] if pools else x)
        x = self.drop(x.flatten(1) if pools else x)
        return x if pre_logits else self.fc(x)


def _classifier(features: int, num_classes: int, use_mlp: bool) -> nn.Module:
    """A linear layer, or an MLP; the identity where there are no classes."""
    if not num_classes:
        return nn.Identity()
    if not use_mlp:
        return nn.Linear(features, num_classes)
    hidden = MLP_RATIO * features
    parts = {
        "fc1": nn.Linear(features, hidden),
        "act": SquaredReLU(),
        "norm": nn.LayerNorm(hidden, eps=1e-6),
        "fc2": nn.Linear(hidden, num_classes),
    }
    return nn.Sequential(OrderedDict(parts))


def _token_mixer(cfg: MetaFormerConfig, plan: StagePlan) -> nn.Module:
    match plan.token_mixer:
        case "pooling":
            return PoolMixer(3)
        case "sepconv":
            return SepConv(plan.channels)
        case "attention":
            return Attention(
                plan.channels,
                plan.channels // HEAD_DIM,
                qkv_bias=False,
                proj_bias=False,
                proj_drop=cfg.proj_drop_rate,
            )


def _act(name: ActName) -> nn.Module:
    match name:
        case "star_relu":
            return StarReLU()
        case "squared_relu":
            return SquaredReLU()
        case plain:
            return activation(plain)


def _scale(channels: int, value: float | None, maps: bool) -> nn.Module:
    return nn.Identity() if value is None else Scale(channels, value, maps)


def _map_norm(name: NormName | None, channels: int) -> nn.Module:
    match name:
        case "groupnorm1":
            return nn.GroupNorm(1, channels)
        case "groupnorm1_nobias":
            return GroupNorm1NoBias(channels)
        case "layernorm" | "layernorm_nobias":
            return LayerNorm2d(channels, eps=1e-6, bias=name == "layernorm")
        case None:
            return nn.Identity()


def _token_norm(name: NormName, channels: int) -> nn.Module:
    return nn.LayerNorm(channels, eps=1e-6, bias=name == "layernorm")
