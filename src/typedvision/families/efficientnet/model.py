"""EfficientNet (https://arxiv.org/abs/1905.11946) and the networks that it grew from.

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.mobile_model import MobileModel
from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.efficientnet.config import EfficientNetConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.mobile_blocks import mobile_norm


class EfficientNet(MobileModel, PooledModel):
    """A stem, stages of mobile blocks, a pointwise convolution, pooling, a linear classifier."""

    classifier_name: ClassVar[str] = "classifier"

    bn2: nn.Module
    act2: nn.Module

    def __init__(self, cfg: EfficientNetConfig) -> None:
        super().__init__(cfg)
        self.conv_head: nn.Module = nn.Identity()
        self.bn2, self.act2 = nn.Identity(), nn.Identity()
        if cfg.num_features:
            self.conv_head = conv2d(self.num_features, cfg.num_features, 1)
            self.bn2, self.act2 = mobile_norm(cfg.style(), cfg.num_features, cfg.act_layer)
            self.num_features: int = cfg.num_features
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _finish(self, x: Tensor) -> Tensor:
        """The pointwise convolution before the pooling."""
        return self.act2(self.bn2(self.conv_head(x)))

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage, then the head."""
        block = r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)"
        return {
            "stem": r"^conv_stem|bn1|act1",
            "blocks": [(block, None), (r"^conv_head|bn2|act2", LAST_GROUP)],
        }
