"""EfficientNet (https://arxiv.org/abs/1905.11946) and the networks that it grew from.

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.mobile_model import MobileModel
from typedvision.config.names import ConvPool
from typedvision.families.efficientnet.config import EfficientNetConfig
from typedvision.layers.conv import conv2d
from typedvision.layers.head import linear_classifier
from typedvision.layers.mobile_blocks import mobile_norm
from typedvision.layers.pool import GlobalPool, pooled_features


class EfficientNet(MobileModel):
    """A stem, stages of mobile blocks, a pointwise convolution, pooling, a linear classifier."""

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

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.classifier(x)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.classifier: nn.Linear | nn.Identity = linear_classifier(
            self.head_hidden_size, num_classes
        )

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage, then the head."""
        block = r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)"
        return {
            "stem": r"^conv_stem|bn1|act1",
            "blocks": [(block, None), (r"^conv_head|bn2|act2", LAST_GROUP)],
        }
