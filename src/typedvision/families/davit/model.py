"""DaViT (https://arxiv.org/abs/2204.03645).

Shapes: N images, C channels in, D features, H x W positions, L = H W tokens, K classes. Blocks take
maps (N, D, H, W).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.davit.config import AttnName, DaViTConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention, attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import conv_norm, token_norm
from typedvision.layers.windows import in_windows


class DaViT(StagedModel, HeadModel):
    """A stem, stages of blocks, pooling, a normalisation and a linear classifier (figure 2)."""

    last_layer: ClassVar[str | None] = "norm_pre"

    def __init__(self, cfg: DaViTConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.embed_dims[-1]
        last_norm = conv_norm(cfg.norm_layer, self.num_features, cfg.norm_eps)

        self.stem: nn.Module = Stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.norm_pre: nn.Module = last_norm if cfg.head_norm_first else nn.Identity()
        self._add_head(
            cfg.num_classes, cfg.global_pool, norm=None if cfg.head_norm_first else last_norm
        )

    def _finish(self, x: Tensor) -> Tensor:
        """The normalisation, where it stands before the pooling."""
        return self.norm_pre(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level by the normalisation before the pooling; no other level has one."""
        return self.norm_pre(x) if level == len(self.stages) - 1 else x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02; convolutions as PyTorch does."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)


class Stem(nn.Module):
    """A 7x7 convolution that subsamples by four, and a normalisation."""

    def __init__(self, cfg: DaViTConfig) -> None:
        super().__init__()
        channels = cfg.embed_dims[0]
        self.conv: nn.Conv2d = nn.Conv2d(cfg.in_chans, channels, 7, stride=4, padding=3)
        self.norm: nn.Module = conv_norm(cfg.norm_layer, channels, cfg.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 4, W / 4), rounded up."""
        return self.norm(self.conv(_whole(x, 4)))


class Downsample(nn.Module):
    """A normalisation, and a convolution that subsamples by two."""

    def __init__(self, cfg: DaViTConfig, plan: StagePlan) -> None:
        super().__init__()
        kernel = cfg.down_kernel_size
        self.norm: nn.Module = conv_norm(cfg.norm_layer, plan.in_features, cfg.norm_eps)
        self.conv: nn.Conv2d = nn.Conv2d(
            plan.in_features, plan.features, kernel, stride=2, padding=kernel // 3
        )
        self.even: bool = kernel == 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2), rounded up."""
        x = self.norm(x)
        return self.conv(_whole(x, 2) if self.even else x)


class DaViTBlock(nn.Module):
    """Attention, then an MLP, each after a convolution that encodes positions (section 3.3)."""

    def __init__(
        self, cfg: DaViTConfig, plan: StagePlan, kind: AttnName, drop_path_rate: float
    ) -> None:
        super().__init__()
        features = plan.features
        self.cpe1: ConvPosEnc = ConvPosEnc(features, cfg.cpe_act)
        self.norm1: nn.Module = token_norm(cfg.norm_layer_cl, features, cfg.norm_eps)
        self.attn: nn.Module = _attention(cfg, plan, kind)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.cpe2: ConvPosEnc = ConvPosEnc(features, cfg.cpe_act)
        self.norm2: nn.Module = token_norm(cfg.norm_layer_cl, features, cfg.norm_eps)
        self.mlp: Mlp = Mlp(features, plan.hidden, activation("gelu"))
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = self.cpe1(x).permute(0, 2, 3, 1)
        x = x + self.drop_path1(self.attn(self.norm1(x)))
        x = self.cpe2(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self.drop_path2(self.mlp(self.norm2(x)))
        return x.permute(0, 3, 1, 2)


class ConvPosEnc(nn.Module):
    """A depthwise convolution, added."""

    def __init__(self, features: int, act: bool) -> None:
        super().__init__()
        self.proj: nn.Conv2d = conv2d(features, features, 3, groups=features, bias=True)
        self.act: nn.Module = nn.GELU() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x + self.act(self.proj(x))


class WindowAttention(Attention):
    """Self-attention among the tokens of each window (section 3.1).

    Args:
        plan: the stage's numbers.
        qkv_bias: whether queries, keys and values have a bias.
    """

    def __init__(self, plan: StagePlan, qkv_bias: bool) -> None:
        super().__init__(plan.features, plan.num_heads, qkv_bias=qkv_bias)
        self.window: tuple[int, int] = plan.window

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, D) to the same shape."""
        return in_windows(x, self.window, (0, 0), self._attended)

    def _attended(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The tokens of each window, (M, A, D), to the same shape."""
        return super().forward(x)


class ChannelAttention(nn.Module):
    """Self-attention among the channels of each group (section 3.2).

    Args:
        plan: the stage's numbers.
        qkv_bias: whether queries, keys and values have a bias.
        by_positions: scale by the number of positions, and not by that of a group's channels.
    """

    def __init__(self, plan: StagePlan, qkv_bias: bool, by_positions: bool) -> None:
        super().__init__()
        self.num_heads: int = plan.num_heads
        self.by_positions: bool = by_positions
        width = plan.features // plan.num_heads
        self.scale: float | None = None if by_positions else width**-0.5
        self.qkv: nn.Linear = nn.Linear(plan.features, 3 * plan.features, bias=qkv_bias)
        self.proj: nn.Linear = nn.Linear(plan.features, plan.features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, D) to the same shape."""
        q, k, v = self.qkv(x.flatten(1, 2)).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads).transpose(2, 3) for part in (q, k, v))
        if not self.by_positions:  # each channel's key asks all values, to weigh the queries
            q, k, v = k, v, q
        heads = attend(q, k, v, scale=self.scale)
        return self.proj(merge_heads(heads.transpose(2, 3))).reshape(x.shape)


def _stage(cfg: DaViTConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks of an attention of each kind."""
    down = Downsample(cfg, plan) if plan.subsamples else nn.Identity()
    blocks = Blocks(*(_block(cfg, plan, rate) for rate in plan.drop_path_rates))
    return nn.Sequential(OrderedDict(downsample=down, blocks=blocks))


def _block(cfg: DaViTConfig, plan: StagePlan, rate: float) -> nn.Sequential:
    parts = [
        (f"{kind}_block" if cfg.named_blocks else str(index), DaViTBlock(cfg, plan, kind, rate))
        for index, kind in enumerate(cfg.attn_types)
    ]
    return nn.Sequential(OrderedDict(parts))


def _attention(cfg: DaViTConfig, plan: StagePlan, kind: AttnName) -> nn.Module:
    match kind:
        case "spatial":
            return WindowAttention(plan, cfg.qkv_bias)
        case "channel":
            return ChannelAttention(plan, cfg.qkv_bias, cfg.channel_attn_v2)


@torch.fx.wrap  # what it pads depends on the size: a traced graph calls it as a whole
def _whole(x: Tensor, stride: int) -> Tensor:
    """(N, C, H, W), padded with zeros below and right to a multiple of the stride."""
    return F.pad(x, (0, -x.shape[3] % stride, 0, -x.shape[2] % stride))
