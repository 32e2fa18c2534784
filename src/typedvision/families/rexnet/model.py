"""ReXNet (https://arxiv.org/abs/2007.00992).

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.families.rexnet.config import BlockPlan, RexNetConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, default_initializers, normal, uniform, zeros
from typedvision.layers.norm_act import Conv2dNormAct


class RexNet(HeadModel):
    """A stem, inverted residuals, a convolution, pooling and a linear classifier."""

    def __init__(self, cfg: RexNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.features
        starts = [block.subsamples for block in plan.blocks[1:]]
        self.ends: tuple[bool, ...] = (*starts, True)

        self.stem: Conv2dNormAct = Conv2dNormAct(
            cfg.in_chans, plan.stem_channels, 3, cfg.act_layer, stride=2
        )
        last = Conv2dNormAct(plan.blocks[-1].out_channels, plan.features, 1, cfg.act_layer)
        self.features: Blocks = Blocks(*(RexBlock(cfg, block) for block in plan.blocks), last)
        self._add_head(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 32, W / 32)."""
        return self.features(self.stem(x))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        outputs = self.features.outputs(self.stem(x))
        for ends, output in zip(self.ends, outputs, strict=False):  # without the last convolution
            if ends:
                yield output

    def _finish(self, x: Tensor) -> Tensor:
        """The last convolution."""
        return self.features[-1](x)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Convolutions by the fan-out of each group, the classifier by its own; biases by 0."""
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel() // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            return {"weight": uniform(module.out_features**-0.5), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block."""
        return {"stem": r"^stem", "blocks": r"^features\.(\d+)"}


class RexBlock(nn.Module):
    """An inverted residual whose input is added to the first channels of its output (figure 3)."""

    def __init__(self, cfg: RexNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        width = plan.width
        self.skip: bool = plan.skip
        self.conv_exp: nn.Module = nn.Identity()
        if plan.expands:
            self.conv_exp = Conv2dNormAct(plan.in_channels, width, 1, cfg.act_layer)
        self.conv_dw: Conv2dNormAct = Conv2dNormAct(
            width, width, 3, None, stride=plan.stride, dilation=plan.dilation, groups=width
        )
        self.se: nn.Module = nn.Identity()
        if plan.se_channels:
            self.se = SqueezeExcite(width, plan.se_channels, norm=True)
        self.act_dw: nn.Module = activation(cfg.dw_act_layer)
        self.conv_pwl: Conv2dNormAct = Conv2dNormAct(width, plan.out_channels, 1, None)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.act_dw(self.se(self.conv_dw(self.conv_exp(x))))
        branch = self.drop_path(self.conv_pwl(branch))
        if not self.skip:
            return branch
        first, others = branch[:, : x.shape[1]], branch[:, x.shape[1] :]
        return torch.cat((first + x, others), dim=1)
