"""LowFormer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from typedvision.config.base import Builds
from typedvision.config.low_resolution import LowResolutionConfig
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.lowformer.model import LowFormer


class LowFormerConfig(LowResolutionConfig, Builds["LowFormer"]):
    """A LowFormer (https://arxiv.org/abs/2409.03460): attention at a low resolution."""

    groups_project: ClassVar[bool] = True

    expand_groups: Annotated[int, Field(ge=1, le=1_024)] = 1
    """Groups of the convolutions that expand, and of those that project where they are not
    fused."""
    fused_conv: bool = True
    """Whether blocks expand by one full convolution, and not by a pointwise and a depthwise one
    (section 3.2); those beside attention only below 256 channels. So does attention bring its
    resolution back."""
    attn: bool = True
    """Whether the blocks of the last two stages have attention."""
    attn_mlp: bool = True
    """Whether they have an MLP, and normalise what they attend to."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for name, value in (("attn_mlp_ratio", 4), ("proj_drop_rate", 0.0)):
            if not self.attn_mlp and getattr(self, name) != value:
                yield Conflict(
                    f"'{name}' means nothing where 'attn_mlp' is false: leave it out", name
                )
        if self.attn and min(self.width_list[3:]) < 2:
            yield Conflict("'width_list' must be at least 2 where 'attn' is true", "width_list")
        if self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax': the layer behind it takes one feature for "
                "each channel; pool by 'avgmax'",
                "global_pool",
            )
        yield from super().conflicts()
