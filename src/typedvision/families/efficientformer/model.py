"""EfficientFormer (https://arxiv.org/abs/2206.01191).

Shapes: N images, C channels of H x W pixels, D channels of a map of h x w positions, T = h w
tokens, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.distilled_model import DistilledStagedModel
from typedvision.architecture.image_model import LAST_GROUP
from typedvision.config.base import to_pair
from typedvision.config.names import OutputFormat
from typedvision.families.efficientformer.config import EfficientFormerConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.distance_bias import DistanceAttention
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.layer_scale import LayerScale, LayerScale2d
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import conv_norm, token_norm
from typedvision.layers.patch_embed import check_fixed_size
from typedvision.layers.pool import PoolMixer
from typedvision.layers.token_map import MapTokens

NUM_HEADS, KEY_DIM, VALUE_DIM = 8, 32, 128
"""Attention heads, and the features that a key and a value have in each (section 4)."""


class EfficientFormer(DistilledStagedModel):
    """A stem, stages of blocks, a normalisation, pooling and two linear classifiers (figure 3)."""

    def __init__(self, cfg: EfficientFormerConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.embed_dims[-1]
        self.head_hidden_size: int = self.num_features
        self.output_fmt: OutputFormat = "NLC"
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.grid: tuple[int, int] = cfg.grid()

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.norm: nn.Module = _token_norm(cfg, self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _embed(self, x: Tensor) -> Tensor:
        """Images of the one size that the attention is for, (N, C, H, W), to the first map."""
        check_fixed_size(x, self.img_size)
        return super()._embed(x)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, T, D) as a map, (N, D, h, w)."""
        return x if x.ndim == 4 else x.mT.reshape(x.shape[0], -1, *self.grid)

    def _pool(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, D)."""
        return self.head_drop(x.mean(1) if self.pools else x)

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.pools: bool = global_pool == "avg"
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head: nn.Module = linear_classifier(self.num_features, num_classes)
        self.head_dist: nn.Module | None = linear_classifier(self.num_features, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02; convolutions as PyTorch's."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each stage."""
        return {"stem": r"^stem", "blocks": [(r"^stages\.(\d+)", None), (r"^norm", LAST_GROUP)]}


class MetaBlock2d(nn.Module):
    """Pooling and an MLP, of maps (equation 3)."""

    def __init__(self, cfg: EfficientFormerConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, value = plan.channels, cfg.layer_scale_init_value
        self.token_mixer: PoolMixer = PoolMixer(cfg.pool_size)
        self.ls1: LayerScale2d = LayerScale2d(channels, value)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.mlp: ConvMlp = ConvMlp(cfg, plan)
        self.ls2: LayerScale2d = LayerScale2d(channels, value)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = x + self.drop_path1(self.ls1(self.token_mixer(x)))
        return x + self.drop_path2(self.ls2(self.mlp(x)))


class MetaBlock1d(nn.Module):
    """Attention and an MLP, of tokens (equation 4)."""

    def __init__(self, cfg: EfficientFormerConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, value = plan.channels, cfg.layer_scale_init_value
        act = activation(cfg.act_layer, inplace=False)
        self.norm1: nn.Module = _token_norm(cfg, channels)
        self.token_mixer: Attention = Attention(channels, cfg.grid())
        self.ls1: LayerScale = LayerScale(channels, value)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = _token_norm(cfg, channels)
        self.mlp: Mlp = Mlp(channels, plan.hidden, act, drop=cfg.proj_drop_rate)
        self.ls2: LayerScale = LayerScale(channels, value)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.ls1(self.token_mixer(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class Attention(DistanceAttention):
    """Attention whose values are wider than its keys, with a bias for each distance (equation 5).

    Args:
        features: D.
        grid: h and w.
    """

    def __init__(self, features: int, grid: tuple[int, int]) -> None:
        super().__init__(NUM_HEADS, grid, saved=True)
        self.widths: tuple[int, int, int] = (KEY_DIM, KEY_DIM, VALUE_DIM)
        self.qkv: nn.Linear = nn.Linear(features, NUM_HEADS * sum(self.widths))
        self.proj: nn.Linear = nn.Linear(NUM_HEADS * VALUE_DIM, features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        heads = self.qkv(x).unflatten(-1, (NUM_HEADS, -1)).transpose(1, 2)
        q, k, v = heads.split_with_sizes(self.widths, dim=-1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias())
        return self.proj(x.transpose(1, 2).flatten(2))


class ConvMlp(nn.Module):
    """Two pointwise convolutions, each with a normalisation."""

    folds: ClassVar[Pairs] = (("fc1", "norm1"), ("fc2", "norm2"))

    def __init__(self, cfg: EfficientFormerConfig, plan: StagePlan) -> None:
        super().__init__()
        channels, hidden = plan.channels, plan.hidden
        self.fc1: nn.Conv2d = conv2d(channels, hidden, 1, bias=True)
        self.norm1: nn.Module = conv_norm(cfg.norm_layer, hidden)
        self.act: nn.Module = activation(cfg.act_layer)
        self.fc2: nn.Conv2d = conv2d(hidden, channels, 1, bias=True)
        self.norm2: nn.Module = conv_norm(cfg.norm_layer, channels)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = self.drop(self.act(self.norm1(self.fc1(x))))
        return self.drop(self.norm2(self.fc2(x)))


def _stem(cfg: EfficientFormerConfig) -> nn.Sequential:
    """Two convolutions of stride 2."""
    channels = cfg.embed_dims[0]
    half = channels // 2
    layers = {
        "conv1": conv2d(cfg.in_chans, half, 3, stride=2, bias=True),
        "norm1": conv_norm(cfg.norm_layer, half),
        "act1": activation("relu"),
        "conv2": conv2d(half, channels, 3, stride=2, bias=True),
        "norm2": conv_norm(cfg.norm_layer, channels),
        "act2": activation("relu"),
    }
    return nn.Sequential(OrderedDict(layers))


def _stage(cfg: EfficientFormerConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, blocks that pool, and blocks with attention."""
    downsample: nn.Module = nn.Identity()
    if plan.subsamples:
        conv = conv2d(plan.in_channels, plan.channels, 3, stride=2, bias=True)
        norm = conv_norm(cfg.norm_layer, plan.channels)
        downsample = nn.Sequential(OrderedDict(conv=conv, norm=norm))
    blocks = Blocks(*(MetaBlock2d(cfg, plan, rate) for rate in plan.pooling_rates))
    if plan.attention_rates:
        blocks.append(MapTokens())
        blocks.extend(MetaBlock1d(cfg, plan, rate) for rate in plan.attention_rates)
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))


def _token_norm(cfg: EfficientFormerConfig, features: int) -> nn.Module:
    return token_norm(
        cfg.norm_layer_cl, features, 1e-5 if cfg.norm_layer_cl == "layernorm" else None
    )
