"""InceptionNeXt (https://arxiv.org/abs/2303.16900).

Shapes: N images, C channels in, D channels, H x W positions, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import ConvPool
from typedvision.families.inception_next.config import InceptionNeXtConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import conv_norm
from typedvision.layers.pool import GlobalPool, pooled_features

HEAD_RATIO = 3
"""Features of the head's hidden layer for each channel of the last map."""


class MetaNeXt(ImageModel):
    """Patches, four stages of blocks, pooling and an MLP that classifies (figure 3)."""

    def __init__(self, cfg: InceptionNeXtConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.dims[-1]
        self.head_hidden_size: int = HEAD_RATIO * cfg.dims[-1]

        self.stem: nn.Sequential = nn.Sequential(
            nn.Conv2d(cfg.in_chans, cfg.dims[0], 4, stride=4),
            conv_norm(cfg.norm_layer, cfg.dims[0]),
        )
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in cfg.plan()))
        self.head: MlpHead = MlpHead(
            self.num_features, cfg.num_classes, cfg.global_pool, cfg.drop_rate
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.stages(self.stem(x))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 4, W / 4), ..., (N, D, H / 32, W / 32)."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            yield x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head.reset(num_classes, global_pool)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and linear layers by a deviation of 0.02."""
        if isinstance(module, nn.Conv2d | nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        if coarse:
            return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}
        return {
            "stem": r"^stem",
            "blocks": [
                (r"^stages\.(\d+)\.downsample", (0,)),
                (r"^stages\.(\d+)\.blocks\.(\d+)", None),
            ],
        }


class MetaNeXtBlock(nn.Module):
    """A mixer of positions, a normalisation and an MLP (equation 1)."""

    def __init__(self, cfg: InceptionNeXtConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, act = plan.channels, activation(cfg.act_layer)
        self.ls_init_value: float | None = cfg.ls_init_value
        self.token_mixer: InceptionConv2d = InceptionConv2d(cfg, plan)
        self.norm: nn.Module = conv_norm(cfg.norm_layer, channels)
        self.mlp: Mlp = Mlp(channels, plan.hidden, act, use_conv=True)
        self.gamma: nn.Parameter | None = (
            None if cfg.ls_init_value is None else nn.Parameter(torch.empty(channels))
        )
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def initializers(self) -> Initializers:
        """LayerScale's factor."""
        return {} if self.ls_init_value is None else {"gamma": constant(self.ls_init_value)}

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        branch = self.mlp(self.norm(self.token_mixer(x)))
        if self.gamma is not None:
            branch = branch * self.gamma[:, None, None]
        return x + self.drop_path(branch)


class InceptionConv2d(nn.Module):
    """Depthwise convolutions of a square, a wide and a tall kernel, of a part of the channels each;
    the others stay (equations 3 to 6)."""

    def __init__(self, cfg: InceptionNeXtConfig, plan: StagePlan) -> None:
        super().__init__()
        branch, dilation = plan.branch, plan.dilation
        square, band = cfg.square_kernel_size, cfg.band_kernel_size
        reach = dilation * (band - 1) // 2
        self.sizes: list[int] = [plan.channels - 3 * branch, branch, branch, branch]
        self.dwconv_hw: nn.Conv2d = conv2d(
            branch, branch, square, dilation=dilation, groups=branch, bias=True
        )
        self.dwconv_w: nn.Conv2d = nn.Conv2d(
            branch,
            branch,
            (1, band),
            padding=(0, reach),
            dilation=(1, dilation),
            groups=branch,
        )
        self.dwconv_h: nn.Conv2d = nn.Conv2d(
            branch,
            branch,
            (band, 1),
            padding=(reach, 0),
            dilation=(dilation, 1),
            groups=branch,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        kept, square, wide, tall = torch.split(x, self.sizes, dim=1)
        mixed = self.dwconv_hw(square), self.dwconv_w(wide), self.dwconv_h(tall)
        return torch.cat((kept, *mixed), dim=1)


class MlpHead(nn.Module):
    """Pooling, a hidden layer, a normalisation, dropout and a linear classifier.

    Args:
        channels: channels D of the map.
        num_classes: classes K; 0 for no classifier.
        global_pool: how the map becomes a vector.
        drop_rate: dropout probability before the classifier.
    """

    def __init__(
        self, channels: int, num_classes: int, global_pool: ConvPool, drop_rate: float
    ) -> None:
        super().__init__()
        hidden = HEAD_RATIO * channels
        self.channels = channels
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.fc1: nn.Linear = nn.Linear(pooled_features(global_pool, channels), hidden)
        self.act: nn.GELU = nn.GELU()
        self.norm: nn.LayerNorm = nn.LayerNorm(hidden, eps=1e-6)
        self.drop: nn.Dropout = nn.Dropout(drop_rate)
        self.fc2: nn.Linear | nn.Identity = linear_classifier(hidden, num_classes)

    def reset(self, num_classes: int, global_pool: ConvPool) -> None:
        """Put another pooling and an uninitialised classifier in place; the hidden layer stays
        where it takes as many features."""
        features, hidden = pooled_features(global_pool, self.channels), self.fc1.out_features
        if features != self.fc1.in_features:
            self.fc1 = nn.Linear(features, hidden)
        self.global_pool = GlobalPool(global_pool)
        self.fc2 = linear_classifier(hidden, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.drop(self.norm(self.act(self.fc1(self.global_pool(x)))))
        return x if pre_logits else self.fc2(x)


def _stage(cfg: InceptionNeXtConfig, plan: StagePlan) -> nn.Sequential:
    """A subsampling, then blocks."""
    blocks = Blocks(*(MetaNeXtBlock(cfg, plan, rate) for rate in plan.drop_path_rates))
    return nn.Sequential(OrderedDict(downsample=_downsample(cfg, plan), blocks=blocks))


def _downsample(cfg: InceptionNeXtConfig, plan: StagePlan) -> nn.Module:
    """A normalisation and a 2x2 convolution, which dilates where it does not subsample."""
    if not plan.subsamples:
        return nn.Identity()
    conv = conv2d(
        plan.in_channels,
        plan.channels,
        2,
        stride=plan.stride,
        dilation=plan.first_dilation,
        bias=True,
        pad_type="valid" if plan.stride == 2 else "same",
    )
    return nn.Sequential(conv_norm(cfg.norm_layer, plan.in_channels), conv)
