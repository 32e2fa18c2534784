"""EfficientFormerV2 (https://arxiv.org/abs/2212.08059).

Shapes: N images, C channels in, D channels out, H x W positions, h x w positions that attention
sees, T = h w, A attention heads, F features of each, s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.distilled_model import DistilledStagedModel
from typedvision.architecture.image_model import LAST_GROUP
from typedvision.config.base import to_pair
from typedvision.families.efficientformer_v2.config import (
    BlockPlan,
    EfficientFormerV2Config,
    StagePlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.distance_bias import DistanceAttention
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.layer_scale import LayerScale2d
from typedvision.layers.norm import conv_norm
from typedvision.layers.patch_embed import check_fixed_size
from typedvision.layers.pool import GlobalPool

NUM_HEADS = 8
KEY_DIM = 32
"""Features of a query and of a key, in each head of a block."""
DOWN_KEY_DIM = 16
"""Features of a query and of a key, in each head of the attention that subsamples."""
VALUE_RATIO = 4
"""Features of a value, for each of a key."""


class EfficientFormerV2(DistilledStagedModel):
    """A stem, stages of blocks, a normalisation, pooling, and one or two linear classifiers
    (figure 2)."""

    distilled_by: ClassVar[str] = "distillation=True"

    def __init__(self, cfg: EfficientFormerV2Config) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.embed_dims[-1]
        self.head_hidden_size: int = self.num_features
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.distilled: bool = cfg.distillation

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.norm: nn.Module = conv_norm(cfg.norm_layer, self.num_features, cfg.norm_eps)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _embed(self, x: Tensor) -> Tensor:
        """Images of the one size that the attention is for, (N, C, H, W), to the first map."""
        check_fixed_size(x, self.img_size)
        return super()._embed(x)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _pool(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to (N, D)."""
        return self.head_drop(self.global_pool(x))

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        features = self.num_features
        self.global_pool: GlobalPool = GlobalPool("avg" if global_pool else "")
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head: nn.Module = linear_classifier(features, num_classes)
        self.head_dist: nn.Module | None = (
            linear_classifier(features, num_classes) if self.distilled else None
        )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02; convolutions as PyTorch's."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each stage."""
        return {"stem": r"^stem", "blocks": [(r"^stages\.(\d+)", None), (r"^norm", LAST_GROUP)]}


class ConvBlock(nn.Module):
    """An MLP of convolutions beside a shortcut (figure 2, c)."""

    def __init__(self, cfg: EfficientFormerV2Config, channels: int, plan: BlockPlan) -> None:
        super().__init__()
        self.mlp: nn.Sequential = _mlp(cfg, channels, plan.hidden)
        self.ls2: LayerScale2d = LayerScale2d(channels, cfg.layer_scale_init_value)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x + self.drop_path2(self.ls2(self.mlp(x)))


class AttentionBlock(nn.Module):
    """Attention and an MLP of convolutions, each beside a shortcut (figure 2, d and e)."""

    def __init__(self, cfg: EfficientFormerV2Config, stage: StagePlan, plan: BlockPlan) -> None:
        super().__init__()
        channels, value = stage.channels, cfg.layer_scale_init_value
        self.token_mixer: Attention = Attention(cfg, stage)
        self.ls1: LayerScale2d = LayerScale2d(channels, value)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: nn.Sequential = _mlp(cfg, channels, plan.hidden)
        self.ls2: LayerScale2d = LayerScale2d(channels, value)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = x + self.drop_path1(self.ls1(self.token_mixer(x)))
        return x + self.drop_path2(self.ls2(self.mlp(x)))


class Attention(DistanceAttention):
    """Attention with locality and talking heads (sections 3.2 and 3.3), of a map, or of one at half
    its resolution (section 3.3)."""

    def __init__(self, cfg: EfficientFormerV2Config, plan: StagePlan) -> None:
        super().__init__(NUM_HEADS, plan.attention_grid)
        cfg = _batch_normalized(cfg)
        channels, keys = plan.channels, NUM_HEADS * KEY_DIM
        values = VALUE_RATIO * keys
        self.stride_conv: nn.Module = nn.Identity()
        self.upsample: nn.Module = nn.Identity()
        if plan.halves:
            self.stride_conv = ConvNorm(cfg, channels, channels, 3, stride=2, groups=channels)
            self.upsample = nn.Upsample(scale_factor=2.0, mode="bilinear")
        self.q: ConvNorm = ConvNorm(cfg, channels, keys, 1)
        self.k: ConvNorm = ConvNorm(cfg, channels, keys, 1)
        self.v: ConvNorm = ConvNorm(cfg, channels, values, 1)
        self.v_local: ConvNorm = ConvNorm(cfg, values, values, 3, groups=values)
        self.talking_head1: nn.Conv2d = nn.Conv2d(NUM_HEADS, NUM_HEADS, 1)
        self.talking_head2: nn.Conv2d = nn.Conv2d(NUM_HEADS, NUM_HEADS, 1)
        self.act: nn.Module = activation(cfg.act_layer)
        self.proj: ConvNorm = ConvNorm(cfg, values, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = self.stride_conv(x)
        q, k, v = self.q(x), self.k(x), self.v(x)
        weights = self.talking_head1(_scores(q, k) + self.bias()).softmax(dim=-1)
        x = _weighed(self.talking_head2(weights), v, self.grid) + self.v_local(v)
        return self.proj(self.act(self.upsample(x)))


class Downsample(nn.Module):
    """A convolution that subsamples, and attention beside it (section 3.3)."""

    def __init__(self, cfg: EfficientFormerV2Config, plan: StagePlan) -> None:
        super().__init__()
        self.conv: ConvNorm = ConvNorm(cfg, plan.in_channels, plan.channels, 3, stride=2)
        self.attn: AttentionDownsample = AttentionDownsample(cfg, plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return self.conv(x) + self.attn(x)


class AttentionDownsample(DistanceAttention):
    """Attention to all positions of every second one in each direction, with locality (figure 2,
    f)."""

    def __init__(self, cfg: EfficientFormerV2Config, plan: StagePlan) -> None:
        super().__init__(NUM_HEADS, plan.in_grid, step=2)
        cfg = _batch_normalized(cfg)
        channels, keys = plan.in_channels, NUM_HEADS * DOWN_KEY_DIM
        values = VALUE_RATIO * keys
        self.out_grid: tuple[int, int] = plan.grid
        self.q: LocalGlobalQuery = LocalGlobalQuery(cfg, channels, keys)
        self.k: ConvNorm = ConvNorm(cfg, channels, keys, 1)
        self.v: ConvNorm = ConvNorm(cfg, channels, values, 1)
        self.v_local: ConvNorm = ConvNorm(cfg, values, values, 3, stride=2, groups=values)
        self.act: nn.Module = activation(cfg.act_layer)
        self.proj: ConvNorm = ConvNorm(cfg, values, plan.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        v = self.v(x)
        weights = (_scores(self.q(x), self.k(x)) + self.bias()).softmax(dim=-1)
        x = _weighed(weights, v, self.out_grid) + self.v_local(v)
        return self.proj(self.act(x))


class LocalGlobalQuery(nn.Module):
    """Queries of every second position in each direction, from it and from what is around it."""

    def __init__(self, cfg: EfficientFormerV2Config, channels: int, out_channels: int) -> None:
        super().__init__()
        self.pool: nn.AvgPool2d = nn.AvgPool2d(1, stride=2)
        self.local: nn.Conv2d = conv2d(channels, channels, 3, stride=2, groups=channels, bias=True)
        self.proj: ConvNorm = ConvNorm(cfg, channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return self.proj(self.local(x) + self.pool(x))


class ConvNorm(nn.Module):
    """A convolution, a normalisation and an activation.

    Args:
        cfg: says which normalisation and which activation.
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel.
        stride: input positions for each output position, s.
        groups: groups of the convolution.
        act: whether there is an activation.
    """

    folds: ClassVar[Pairs] = (("conv", "bn"),)

    def __init__(
        self,
        cfg: EfficientFormerV2Config,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        act: bool = False,
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=True
        )
        self.bn: nn.Module = conv_norm(cfg.norm_layer, out_channels, cfg.norm_eps)
        self.act: nn.Module = activation(cfg.act_layer) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.bn(self.conv(x)))


def _batch_normalized(cfg: EfficientFormerV2Config) -> EfficientFormerV2Config:
    """What attention is built by: its normalisations are of one kind in all checkpoints."""
    return cfg.replace(norm_layer="batchnorm2d", norm_eps=1e-5)


def _scores(q: Tensor, k: Tensor) -> Tensor:
    """How much each query (N, A F, ...) goes with each key (N, A F, ...), (N, A, T', T)."""
    q, k = (x.reshape(x.shape[0], NUM_HEADS, -1, x.shape[2] * x.shape[3]) for x in (q, k))
    return q.mT @ k * q.shape[2] ** -0.5


def _weighed(weights: Tensor, v: Tensor, grid: tuple[int, int]) -> Tensor:
    """The values (N, A F, ...) by the weights (N, A, T', T) of a grid of queries, as a map."""
    v = v.reshape(v.shape[0], NUM_HEADS, -1, v.shape[2] * v.shape[3])
    return (v @ weights.mT).reshape(v.shape[0], -1, *grid)


def _stem(cfg: EfficientFormerV2Config) -> nn.Sequential:
    """Two convolutions of stride 2."""
    channels = cfg.embed_dims[0]
    half = channels // 2
    layers = {
        "conv1": ConvNorm(cfg, cfg.in_chans, half, 3, stride=2, act=True),
        "conv2": ConvNorm(cfg, half, channels, 3, stride=2, act=True),
    }
    return nn.Sequential(OrderedDict(layers))


def _stage(cfg: EfficientFormerV2Config, plan: StagePlan) -> nn.Sequential:
    """A subsampling, and blocks."""
    downsample: nn.Module = nn.Identity()
    if plan.subsampling_attends:
        downsample = Downsample(cfg, plan)
    elif plan.subsamples:
        conv = ConvNorm(cfg, plan.in_channels, plan.channels, 3, stride=2)
        downsample = nn.Sequential(OrderedDict(conv=conv))
    blocks = Blocks(*(_block(cfg, plan, block) for block in plan.blocks))
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))


def _block(cfg: EfficientFormerV2Config, stage: StagePlan, plan: BlockPlan) -> nn.Module:
    return (
        AttentionBlock(cfg, stage, plan) if plan.attends else ConvBlock(cfg, stage.channels, plan)
    )


def _mlp(cfg: EfficientFormerV2Config, channels: int, hidden: int) -> nn.Sequential:
    """A depthwise convolution between pointwise ones (section 3.1)."""
    layers = {
        "fc1": ConvNorm(cfg, channels, hidden, 1, act=True),
        "mid": ConvNorm(cfg, hidden, hidden, 3, groups=hidden, act=True),
        "drop1": nn.Dropout(cfg.proj_drop_rate),
        "fc2": ConvNorm(cfg, hidden, channels, 1),
        "drop2": nn.Dropout(cfg.proj_drop_rate),
    }
    return nn.Sequential(OrderedDict(layers))
