"""MobileNetV3 (https://arxiv.org/abs/1905.02244) and its relatives.

Shapes: N images, D channels of the last map, F features, H x W positions, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.architecture.mobile_model import MobileModel
from typedvision.architecture.pooled_conv_model import PooledConvModel
from typedvision.families.mobilenetv3.config import MobileNetV3Config
from typedvision.layers.activation import activation
from typedvision.layers.conv import conv2d
from typedvision.layers.mobile_blocks import mobile_norm
from typedvision.layers.pool import pooled_features


class MobileNetV3(MobileModel, PooledConvModel):
    """A stem, stages of mobile blocks, pooling, a pointwise convolution, a linear classifier
    (section 5.1: where only one position is left, the convolution costs little)."""

    conv_head: nn.Conv2d | nn.Identity
    norm_head: nn.Module
    act2: nn.Module

    def __init__(self, cfg: MobileNetV3Config) -> None:
        super().__init__(cfg)
        pooled = pooled_features(cfg.global_pool, self.num_features)
        self.head_hidden_size: int = cfg.num_features
        self.conv_head = conv2d(pooled, cfg.num_features, 1, bias=cfg.head_bias)
        self.norm_head, self.act2 = nn.Identity(), activation(cfg.act_layer)
        if cfg.head_norm:
            self.norm_head, self.act2 = mobile_norm(cfg.style(), cfg.num_features, cfg.act_layer)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _hidden(self, x: Tensor) -> Tensor:
        """The convolution, the normalisation and the activation."""
        return self.act2(self.norm_head(self.conv_head(x)))

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        block = r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)"
        return {"stem": r"^conv_stem|bn1|act1", "blocks": block}
