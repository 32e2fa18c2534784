"""FocalNet (https://arxiv.org/abs/2203.11926).

Shapes: N images, C channels in, D channels, H x W positions, S levels of a modulation, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.image_model import LAST_GROUP
from typedvision.families.focalnet.config import FocalNetConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    scaled,
    trunc_normal,
    zeros,
)
from typedvision.layers.layer_scale import LayerScale2d
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import conv_norm


class FocalNet(HeadModel):
    """Patches, stages of modulated positions, pooling and a linear classifier (figure 2)."""

    def __init__(self, cfg: FocalNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].channels
        self.head_init_scale: float = cfg.head_init_scale
        last_norm = _norm(cfg, self.num_features)
        hidden = cfg.head_hidden_size

        self.stem: Downsample = Downsample(cfg, cfg.in_chans, cfg.embed_dim, 4)
        self.layers: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan))
        self.norm: nn.Module = nn.Identity() if hidden else last_norm
        self._add_head(
            cfg.num_classes,
            cfg.global_pool,
            norm=last_norm if hidden else None,
            hidden_size=hidden,
            hidden_act="tanh",
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.norm(self.layers(self.stem(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 4, W / 4), ..., (N, 8 D, H / 32, W / 32)."""
        x = self.stem(x)
        for stage in self.layers:
            x = stage(x)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation, where it stands before the pooling."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level as the last normalisation leaves it; the others as they are."""
        return self.norm(x) if level == len(self.layers) - 1 else x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and linear layers by a deviation of 0.02, less in the classifier."""
        if isinstance(module, nn.Conv2d | nn.Linear):
            scale = self.head_init_scale if path == "head.fc" else 1.0
            return {"weight": scaled(trunc_normal(0.02), scale), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; the last normalisation belongs to the last."""
        blocks: list[object] = [(r"^layers\.(\d+)", None)]
        if not coarse:
            blocks = [
                (r"^layers\.(\d+)\.downsample", (0,)),
                (r"^layers\.(\d+)\.\w+\.(\d+)", None),
            ]
        return {"stem": r"^stem", "blocks": [*blocks, (r"^norm", LAST_GROUP)]}


class Downsample(nn.Module):
    """A convolution that subsamples by `stride`, and a normalisation."""

    def __init__(self, cfg: FocalNetConfig, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        overlapping = (7, 2) if stride == 4 else (3, 1)
        kernel, padding = overlapping if cfg.use_overlap_down else (stride, 0)
        self.proj: nn.Conv2d = nn.Conv2d(
            in_channels, channels, kernel, stride=stride, padding=padding
        )
        self.norm: nn.Module = _norm(cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / stride, W / stride)."""
        return self.norm(self.proj(x))


class FocalNetBlock(nn.Module):
    """A modulation, then an MLP, each normalised before or behind."""

    def __init__(self, cfg: FocalNetConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, drop = plan.channels, cfg.proj_drop_rate
        before, behind = not cfg.use_post_norm, cfg.use_post_norm
        self.norm1: nn.Module = _norm(cfg, channels, before)
        self.modulation: FocalModulation = FocalModulation(cfg, plan)
        self.norm1_post: nn.Module = _norm(cfg, channels, behind)
        self.ls1: nn.Module = _layer_scale(cfg, channels)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = _norm(cfg, channels, before)
        self.mlp: Mlp = Mlp(channels, plan.hidden, activation("gelu"), drop=drop, use_conv=True)
        self.norm2_post: nn.Module = _norm(cfg, channels, behind)
        self.ls2: nn.Module = _layer_scale(cfg, channels)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        modulated = self.norm1_post(self.modulation(self.norm1(x)))
        x = x + self.drop_path1(self.ls1(modulated))
        return x + self.drop_path2(self.ls2(self.norm2_post(self.mlp(self.norm2(x)))))


class FocalModulation(nn.Module):
    """Each position times what it gathers from its surroundings (equations 4 to 6)."""

    def __init__(self, cfg: FocalNetConfig, plan: StagePlan) -> None:
        super().__init__()
        channels, levels = plan.channels, len(plan.kernels)
        self.sizes: tuple[int, int, int] = (channels, channels, levels + 1)
        self.divisor: int = levels + 1 if cfg.normalize_modulator else 1
        self.f: nn.Conv2d = nn.Conv2d(channels, sum(self.sizes), 1)
        self.h: nn.Conv2d = nn.Conv2d(channels, channels, 1)
        self.act: nn.Module = activation("gelu")
        self.proj: nn.Conv2d = nn.Conv2d(channels, channels, 1)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        self.focal_layers: nn.ModuleList = nn.ModuleList(
            nn.Sequential(conv2d(channels, channels, kernel, groups=channels), activation("gelu"))
            for kernel in plan.kernels
        )
        self.norm: nn.Module = _norm(cfg, channels, cfg.use_post_norm_in_modulation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        query, context, gates = self.f(x).split(self.sizes, dim=1)
        gathered = x.new_zeros(())
        for level, layer in enumerate(self.focal_layers):
            context = layer(context)
            gathered = gathered + context * gates[:, level : level + 1]
        gathered = gathered + self.act(context.mean((2, 3), keepdim=True)) * gates[:, -1:]
        modulated = self.norm(query * self.h(gathered / self.divisor))
        return self.proj_drop(self.proj(modulated))


def _stage(cfg: FocalNetConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    channels = plan.channels
    down = Downsample(cfg, channels // 2, channels, 2) if plan.subsamples else nn.Identity()
    blocks = Blocks(*(FocalNetBlock(cfg, plan, rate) for rate in plan.drop_path_rates))
    return nn.Sequential(OrderedDict(downsample=down, blocks=blocks))


def _layer_scale(cfg: FocalNetConfig, channels: int) -> nn.Module:
    value = cfg.layerscale_value
    return nn.Identity() if value is None else LayerScale2d(channels, value)


def _norm(cfg: FocalNetConfig, channels: int, there: bool = True) -> nn.Module:
    """The normalisation of maps; the identity where it is not there."""
    if not there:
        return nn.Identity()
    return conv_norm(cfg.norm_layer, channels, 1e-5 if cfg.norm_layer == "layernorm2d" else None)
