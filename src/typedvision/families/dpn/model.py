"""DPN (https://arxiv.org/abs/1707.01629).

Shapes: N images, C channels in, D channels out, R channels of the residual path, H x W positions,
s stride, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.config.names import ConvPool
from typedvision.families.dpn.config import BlockPlan, DPNConfig
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.head import conv_classifier
from typedvision.layers.norm_act import norm_act
from typedvision.layers.pool import GlobalPool, pooled_features

EPS = 1e-3
"""Added to the variance by every normalisation."""


class DPN(ImageModel):
    """A stem, four stages of dual path blocks, a normalisation, pooling and a classifier."""

    def __init__(self, cfg: DPNConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.plan()[-1][-1].out_channels
        self.levels: set[str] = {info.name.removeprefix("features.") for info in self.feature_info}

        self.features: Blocks = Blocks(OrderedDict(_features(cfg)))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.features(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        names = (name for name, _ in self.features.named_children())
        for name, output in zip(names, self.features.outputs(x), strict=True):
            if name in self.levels:
                yield output

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation, and its activation."""
        return self.features.get_submodule("conv5_bn_ac")(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        x = self.head_drop(self.global_pool(x))
        if pre_logits:
            return x
        if self.global_pool.kind:
            return self.classifier(x[:, :, None, None]).flatten(1)
        return self.classifier(x)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.classifier: nn.Module = conv_classifier(self.head_hidden_size, num_classes)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; the normalisation belongs to the last block."""
        blocks = r"^features\.conv(\d+)" if coarse else r"^features\.conv(\d+)_(\d+)"
        return {
            "stem": r"^features\.conv1",
            "blocks": [(blocks, None), (r"^features\.conv5_bn_ac", LAST_GROUP)],
        }


class DualPathBlock(nn.Module):
    """A bottleneck whose output is added to the first channels of the input, the residual path,
    and concatenated to the others, the dense path (section 3.2, equations 5 to 7)."""

    folds: ClassVar[Pairs] = (("c1x1_a.conv", "c3x3_b.bn"), ("c3x3_b.conv", "c1x1_c.bn"))

    def __init__(self, cfg: DPNConfig, plan: BlockPlan) -> None:
        super().__init__()
        width, residual, added = plan.width, plan.residual, plan.added
        self.residual: int = residual
        self.project: str | None = None
        if plan.project:
            self.project = f"c1x1_w_s{plan.stride}"
            paths = _conv(plan.in_channels, residual + 2 * added, stride=plan.stride)
            self.add_module(self.project, paths)
        self.c1x1_a: nn.Module = _conv(plan.in_channels, width)
        self.c3x3_b: nn.Module = _conv(
            width, width, kernel_size=3, stride=plan.stride, groups=cfg.groups
        )
        self.c1x1_c: nn.Module
        if cfg.b:
            self.c1x1_c = nn.Sequential(OrderedDict(_norm_relu(width)))
            self.c1x1_c1: nn.Conv2d = conv2d(width, residual, 1)
            self.c1x1_c2: nn.Conv2d = conv2d(width, added, 1)
        else:
            self.c1x1_c = _conv(width, residual + added)
        self.b: bool = cfg.b

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s), whose first R channels are the residual path."""
        paths = x if self.project is None else self.get_submodule(self.project)(x)
        residual, dense = paths.tensor_split((self.residual,), dim=1)
        x = self.c1x1_c(self.c3x3_b(self.c1x1_a(x)))
        if self.b:
            sum_part, dense_part = self.c1x1_c1(x), self.c1x1_c2(x)
        else:
            sum_part, dense_part = x.tensor_split((self.residual,), dim=1)
        return torch.cat((residual + sum_part, dense, dense_part), dim=1)


def _features(cfg: DPNConfig) -> Iterator[tuple[str, nn.Module]]:
    """What comes before the head, one module after the other."""
    channels = cfg.num_init_features
    yield "conv1_1", _stem(cfg, channels)
    yield "conv1_pool", nn.MaxPool2d(3, stride=2, padding=1)
    for stage, blocks in enumerate(cfg.plan(), start=2):
        for number, block in enumerate(blocks, start=1):
            yield f"conv{stage}_{number}", DualPathBlock(cfg, block)
            channels = block.out_channels
    norm, act = norm_act(cfg.norm_layer, channels, cfg.act_layer, eps=EPS)
    yield "conv5_bn_ac", nn.Sequential(OrderedDict({"bn": norm, "act": act}))


def _stem(cfg: DPNConfig, channels: int) -> nn.Sequential:
    """A convolution, a normalisation and an activation."""
    conv = conv2d(cfg.in_chans, channels, 3 if cfg.small else 7, stride=2)
    norm, act = norm_act(cfg.norm_layer, channels, cfg.act_layer, eps=EPS)
    return nn.Sequential(OrderedDict({"conv": conv, "bn": norm, "act": act}))


def _conv(
    in_channels: int, out_channels: int, *, kernel_size: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A normalisation, an activation and a convolution."""
    conv = conv2d(in_channels, out_channels, kernel_size, stride=stride, groups=groups)
    return nn.Sequential(OrderedDict({**_norm_relu(in_channels), "conv": conv}))


def _norm_relu(channels: int) -> dict[str, nn.Module]:
    return {"bn": nn.BatchNorm2d(channels, EPS), "act": nn.ReLU(inplace=True)}
