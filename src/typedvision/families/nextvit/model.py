"""Next-ViT (https://arxiv.org/abs/2207.05501).

Shapes: N images, C channels, H x W pixels, D channels of an h x w map, L = h w tokens, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import ConvNorm
from typedvision.families.nextvit.config import BlockPlan, NextVitConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.norm import conv_norm


class NextViT(StagedModel, HeadModel):
    """A stem of convolutions, stages that end in a transformer block, pooling and a linear
    classifier."""

    last_layer: ClassVar[str | None] = "norm"

    def __init__(self, cfg: NextVitConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].blocks[-1].features

        self.stem: nn.Module = nn.Sequential(*_stem(cfg))
        self.stages: nn.Sequential = nn.Sequential(*(Stage(cfg, stage) for stage in plan))
        self.norm: nn.Module = conv_norm(cfg.norm_layer, self.num_features)
        self._add_head(cfg.num_classes, cfg.global_pool)

    def _finish(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last map, normalised; the others have no normalisation."""
        return self.norm(x) if level == len(self.feature_info) - 1 else x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and linear layers by a deviation of 0.02."""
        if isinstance(module, nn.Conv2d | nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)


def _stem(cfg: NextVitConfig) -> Iterator[nn.Module]:
    """Four convolutions, the first and the last of which halve the map."""
    channels = (cfg.in_chans, *cfg.stem_chs, cfg.stem_chs[-1])
    for (before, after), stride in zip(pairwise(channels), (2, 1, 1, 2), strict=True):
        yield ConvNormAct(cfg, before, after, stride)


class ConvNormAct(nn.Module):
    """A 3x3 convolution, a normalisation and an activation."""

    folds: ClassVar[Pairs] = (("conv", "norm"),)

    def __init__(self, cfg: NextVitConfig, channels: int, features: int, stride: int) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(channels, features, 3, stride=stride)
        self.norm: nn.Module = conv_norm(cfg.norm_layer, features)
        self.act: nn.Module = activation(cfg.act_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / stride, W / stride)."""
        return self.act(self.norm(self.conv(x)))


class Stage(nn.Module):
    """Blocks; transformer blocks stand behind blocks of convolutions."""

    def __init__(self, cfg: NextVitConfig, plan: StagePlan) -> None:
        super().__init__()
        self.blocks: Blocks = Blocks(
            *(
                TransformerBlock(cfg, block) if block.attending else ConvBlock(cfg, block)
                for block in plan.blocks
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self.blocks(x)


class PatchEmbed(nn.Module):
    """Halves the map and brings it to the channels of a block, where these differ."""

    folds: ClassVar[Pairs] = (("conv", "norm"),)

    def __init__(self, channels: int, features: int, stride: int, norm: ConvNorm) -> None:
        super().__init__()
        self.pool: nn.Module = nn.Identity()
        self.conv: nn.Module = nn.Identity()
        self.norm: nn.Module = nn.Identity()
        if stride == 2:
            self.pool = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
        if stride == 2 or channels != features:
            self.conv = conv2d(channels, features, 1)
            self.norm = conv_norm(norm, features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / stride, W / stride)."""
        return self.norm(self.conv(self.pool(x)))


class ConvBlock(nn.Module):
    """A convolution by heads, then an MLP, each added (figure 3)."""

    folds: ClassVar[Pairs] = (("norm", "mlp.fc1"),)

    def __init__(self, cfg: NextVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        features = plan.features
        self.patch_embed: PatchEmbed = PatchEmbed(
            plan.in_features, features, plan.stride, cfg.norm_layer
        )
        self.mhca: ConvAttention = ConvAttention(cfg, features)
        self.attn_drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.norm: nn.Module = conv_norm(cfg.norm_layer, features)
        self.mlp: ConvMlp = ConvMlp(cfg, features, 3 * features)
        self.mlp_drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        x = self.patch_embed(x)
        x = x + self.attn_drop_path(self.mhca(x))
        return x + self.mlp_drop_path(self.mlp(self.norm(x)))


class TransformerBlock(nn.Module):
    """An attention, whose output also goes through a convolution by heads; both side by side, then
    an MLP (figure 3)."""

    folds: ClassVar[Pairs] = (("norm2", "mlp.fc1"),)

    def __init__(self, cfg: NextVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        attending, convolving = plan.attending, plan.convolving
        share, features = cfg.mix_block_ratio, plan.features
        self.patch_embed: PatchEmbed = PatchEmbed(
            plan.in_features, attending, plan.stride, "batchnorm2d"
        )
        self.norm1: nn.Module = conv_norm(cfg.norm_layer, attending)
        self.e_mhsa: EfficientAttention = EfficientAttention(cfg, plan)
        self.mhsa_drop_path: DropPath = DropPath(plan.drop_path_rate * share)
        self.projection: PatchEmbed = PatchEmbed(attending, convolving, 1, cfg.norm_layer)
        self.mhca: ConvAttention = ConvAttention(cfg, convolving)
        self.mhca_drop_path: DropPath = DropPath(plan.drop_path_rate * (1.0 - share))
        self.norm2: nn.Module = conv_norm(cfg.norm_layer, features)
        self.mlp: ConvMlp = ConvMlp(cfg, features, 2 * features)
        self.mlp_drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        x = self.patch_embed(x)
        tokens = self.norm1(x).flatten(2).transpose(1, 2)
        seen = self.mhsa_drop_path(self.e_mhsa(tokens))
        x = x + seen.transpose(1, 2).reshape(x.shape)
        local = self.projection(x)
        local = local + self.mhca_drop_path(self.mhca(local))
        x = torch.cat((x, local), dim=1)
        return x + self.mlp_drop_path(self.mlp(self.norm2(x)))


class ConvAttention(nn.Module):
    """A 3x3 convolution of each head, and a projection (equation 4)."""

    folds: ClassVar[Pairs] = (("group_conv3x3", "norm"),)

    def __init__(self, cfg: NextVitConfig, features: int) -> None:
        super().__init__()
        heads = features // cfg.head_dim
        self.group_conv3x3: nn.Conv2d = conv2d(features, features, 3, groups=heads)
        self.norm: nn.Module = conv_norm(cfg.norm_layer, features)
        self.act: nn.Module = activation(cfg.act_layer)
        self.projection: nn.Conv2d = conv2d(features, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        return self.projection(self.act(self.norm(self.group_conv3x3(x))))


class EfficientAttention(nn.Module):
    """Multi-head attention to the means of neighbouring tokens (equation 6)."""

    def __init__(self, cfg: NextVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        features = plan.attending
        self.num_heads: int = features // cfg.head_dim
        self.attn_drop: float = cfg.attn_drop_rate
        self.q: nn.Linear = nn.Linear(features, features)
        self.k: nn.Linear = nn.Linear(features, features)
        self.v: nn.Linear = nn.Linear(features, features)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        self.sr: nn.Module = nn.Identity()
        self.norm: nn.Module = nn.Identity()
        if plan.reduction > 1:
            self.sr = nn.AvgPool1d(plan.reduction)
            self.norm = nn.BatchNorm1d(features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to the same shape."""
        means = self.norm(self.sr(x.transpose(1, 2))).transpose(1, 2)
        q = split_heads(self.q(x), self.num_heads)
        k, v = (
            split_heads(self.k(means), self.num_heads),
            split_heads(self.v(means), self.num_heads),
        )
        heads = merge_heads(attend(q, k, v, self.attn_drop if self.training else 0.0))
        return self.proj_drop(self.proj(heads))


class ConvMlp(nn.Module):
    """Two 1x1 convolutions."""

    def __init__(self, cfg: NextVitConfig, features: int, hidden: int) -> None:
        super().__init__()
        self.fc1: nn.Conv2d = conv2d(features, hidden, 1, bias=True)
        self.act: nn.Module = activation(cfg.act_layer)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        self.fc2: nn.Conv2d = conv2d(hidden, features, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, h, w) to the same shape."""
        return self.fc2(self.drop(self.act(self.fc1(x))))
