"""MobileNetV3 (https://arxiv.org/abs/1905.02244) and its relatives.

Shapes: N images, D channels of the last map, F features, H x W positions, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.architecture.mobile_model import MobileModel
from typedvision.config.names import ConvPool
from typedvision.families.mobilenetv3.config import MobileNetV3Config
from typedvision.layers.activation import activation
from typedvision.layers.conv import conv2d
from typedvision.layers.head import linear_classifier
from typedvision.layers.mobile_blocks import mobile_norm
from typedvision.layers.pool import GlobalPool, pooled_features


class MobileNetV3(MobileModel):
    """A stem, stages of mobile blocks, pooling, a pointwise convolution, a linear classifier
    (section 5.1: where only one position is left, the convolution costs little)."""

    norm_head: nn.Module
    act2: nn.Module

    def __init__(self, cfg: MobileNetV3Config) -> None:
        super().__init__(cfg)
        pooled = pooled_features(cfg.global_pool, self.num_features)
        self.head_hidden_size: int = cfg.num_features
        self.conv_head: nn.Conv2d = conv2d(pooled, cfg.num_features, 1, bias=cfg.head_bias)
        self.norm_head, self.act2 = nn.Identity(), activation(cfg.act_layer)
        if cfg.head_norm:
            self.norm_head, self.act2 = mobile_norm(cfg.style(), cfg.num_features, cfg.act_layer)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.global_pool(x)
        if self.global_pool.kind:
            x = x[:, :, None, None]
        x = self.act2(self.norm_head(self.conv_head(x)))
        x = self.drop(self.flatten(x))
        return x if pre_logits else self.classifier(x)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        pooled = pooled_features(global_pool, self.num_features)
        if pooled != self.conv_head.in_channels:  # made for another width
            bias = self.conv_head.bias is not None
            self.conv_head = conv2d(pooled, self.head_hidden_size, 1, bias=bias)
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.flatten: nn.Flatten | nn.Identity = nn.Flatten(1) if global_pool else nn.Identity()
        self.drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.classifier: nn.Linear | nn.Identity = linear_classifier(
            self.head_hidden_size, num_classes
        )

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        block = r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)"
        return {"stem": r"^conv_stem|bn1|act1", "blocks": block}
