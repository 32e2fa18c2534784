"""`MobileModel`, what every mobile network has in common: a stem and stages of mobile blocks.

Shapes: N images, C channels in, D channels out, H x W pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.mobile.base import MobileConfig
from typedvision.config.mobile.plans import MobilePlan
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    normal,
    uniform,
    xavier_uniform,
    zeros,
)
from typedvision.layers.mobile_blocks import mobile_block, mobile_norm

_MULTI_QUERY = re.compile(r"\.attn\.(query|key|value|output)\.")


class MobileModel(ImageModel):
    """A stem and stages of mobile blocks; what pools and classifies is the family's.

    A family fills `classifier`, behind what else its head has.
    """

    folds: ClassVar[Pairs] = (("conv_stem", "bn1"), ("conv_head", "bn2"))

    conv_stem: nn.Module
    bn1: nn.Module
    act1: nn.Module
    classifier: nn.Linear | nn.Identity

    def __init__(self, cfg: MobileConfig) -> None:
        super().__init__(cfg)
        plan, style = cfg.plan(), cfg.style()
        self.num_features: int = plan.channels
        self.levels: tuple[int, ...] = plan.levels
        self.pruned: bool = cfg.pruned

        self._add_stem(cfg, plan)
        self.blocks: nn.Sequential = nn.Sequential(
            *(
                Blocks(*(mobile_block(block, style) for block in stage.blocks))
                for stage in plan.stages
            )
        )

    def _add_stem(self, cfg: MobileConfig, plan: MobilePlan) -> None:
        """Put the stem in place."""
        self.conv_stem = conv2d(
            cfg.in_chans, plan.stem_channels, cfg.stem_kernel_size, stride=2, pad_type=cfg.pad_type
        )
        self.bn1, self.act1 = mobile_norm(cfg.style(), plan.stem_channels, cfg.act_layer)

    def _stem(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return self.act1(self.bn1(self.conv_stem(x)))

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self._finish(self.blocks(self._stem(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to the last map of each resolution, the last (N, D, H / 32, W / 32)."""
        x = self._stem(x)
        if 0 in self.levels:
            yield x
        for number, stage in enumerate(self.blocks, start=1):
            x = stage(x)
            if number in self.levels:
                yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions and the classifier by their fan-out; attention and routers by both fans.

        A pruned network gets PyTorch's own initial weights: it exists for a checkpoint's.
        """
        if self.pruned:
            return default_initializers(module)
        if isinstance(module, nn.Conv2d):
            if _MULTI_QUERY.search(path):
                return {"weight": xavier_uniform()}
            height, width = module.kernel_size
            fan_out = height * width * module.out_channels // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            routes = path.endswith("routing_fn")
            fans = module.out_features + (module.in_features if routes else 0)
            return {"weight": uniform(1.0 / math.sqrt(fans)), "bias": zeros}
        return default_initializers(module)
