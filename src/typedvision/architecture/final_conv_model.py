"""`FinalConvModel`, the abstract base of networks with a convolution between stages and head."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.config.names import Activation
from typedvision.layers.norm_act import Conv2dNormAct


class FinalConvModel(ImageModel, ABC):
    """A model of a stem, stages, and a last convolution that the last feature level includes.

    Shapes: N images, C channels of H x W pixels, D channels of the last map of h x w positions.
    """

    stem: nn.Module
    """Subsamples the image; a feature level where the config says so."""
    stages: nn.Sequential
    """Each gives a feature level."""
    final_conv: nn.Module
    """What follows the stages; the identity where nothing does."""

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self.final_conv(self.stages(self.stem(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The output of the stem, where it is a level, and of each stage."""
        levels, x = len(self.feature_info), self.stem(x)
        if self.feature_info[0].name == "stem":
            levels -= 1
            yield x
        for number, stage in enumerate(self.stages, start=1):
            x = stage(x)
            yield self.final_conv(x) if number == levels else x

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; what follows belongs to the last one."""
        block = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"
        return {"stem": r"^stem", "blocks": [(block, None), (r"^final_conv", LAST_GROUP)]}


def final_conv(in_channels: int, out_channels: int, act: Activation) -> nn.Module:
    """A pointwise convolution behind the stages; the identity where it has no channels."""
    return Conv2dNormAct(in_channels, out_channels, 1, act) if out_channels else nn.Identity()
