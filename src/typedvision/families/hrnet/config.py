"""HRNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typedvision.config.base import Builds, Channels, Depth, ModelConfig, unpooled_classifier
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.hrnet.model import HighResolutionNet

HEAD_WIDTHS = (128, 256, 512, 1024)
"""Channels to which the head brings each branch."""
FEATURES = 2048
"""Channels before the pooling."""


class HRNetConfig(ModelConfig, Builds["HighResolutionNet"]):
    """A high-resolution network (https://arxiv.org/abs/1908.07919): branches of several resolutions
    side by side, which exchange what they know again and again."""

    width: Channels
    """Channels of the branch of the highest resolution; each next one doubles them (the paper's
    C)."""
    modules: tuple[Depth, Depth, Depth]
    """Number of exchanges in the stages of two, three and four branches."""
    branch_depth: Depth = 4
    """Number of residual blocks of each branch before an exchange."""
    stem_width: Channels = 64
    """Channels of the stem."""
    stage1_width: Channels = 64
    """Width of the bottlenecks in the first stage, which has one branch."""
    stage1_depth: Depth = 4
    """Number of bottlenecks in the first stage."""
    head_conv_bias: bool = True
    """Biases of the convolutions in the head."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem's first half, and the four branches as the head sees them."""
        return FeatureSpec(self.stem_width, 2, "act1"), *(
            FeatureSpec(channels, 4 << branch, f"incre_modules.{branch}")
            for branch, channels in enumerate(HEAD_WIDTHS)
        )

    def branches(self, count: int) -> tuple[int, ...]:
        """Channels of so many branches."""
        return tuple(self.width << branch for branch in range(count))
