"""DLA as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Channels, Depth, ModelConfig, planned
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.dla.model import DLA

Block = Literal["basic", "bottleneck", "bottle2neck"]
TreeDepth = Annotated[int, Field(ge=1, le=8)]
"""A tree of depth n has 2^n blocks."""


class DLAConfig(ModelConfig, Builds["DLA"]):
    """A network with deep layer aggregation (https://arxiv.org/abs/1707.06484): blocks are the
    leaves of trees, whose roots see the outputs of several of them."""

    levels: tuple[Depth, Depth, TreeDepth, TreeDepth, TreeDepth, TreeDepth]
    """Convolutions of the first two levels, and the depth of the tree that each other level is."""
    channels: tuple[Channels, Channels, Channels, Channels, Channels, Channels]
    """Output channels of each level."""
    block: Block = "bottle2neck"
    """Residual block: two 3x3 convolutions; 1x1, 3x3, 1x1; or the last with a hierarchy of four 3x3
    parts (Res2Net, https://arxiv.org/abs/1904.01169)."""
    cardinality: Channels = 1
    """Groups of the 3x3 convolutions of a bottleneck (https://arxiv.org/abs/1611.05431)."""
    base_width: Channels = 64
    """Width of a bottleneck's 3x3 convolutions, for each group and 128 output channels."""
    shortcut_root: bool = False
    """Residual connections of the roots."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; nothing, and there are logits for each
    position."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.block == "basic":
            if (self.cardinality, self.base_width) != (1, 64):
                yield Conflict(
                    "'cardinality' and 'base_width' shape the 3x3 convolutions of a bottleneck: "
                    "set 'block' to 'bottleneck', or leave them at 1 and 64",
                    "cardinality" if self.cardinality != 1 else "base_width",
                )
            return
        for width in map(self._width, self.channels[2:]):
            if width == 0:
                yield Conflict(
                    "'base_width' leaves no channel to the 3x3 convolutions of a block: raise it, "
                    "or 'channels'",
                    "base_width",
                )
                return
            if width % self.cardinality:
                yield Conflict(
                    f"'channels' and 'base_width' make {width} channels, which 'cardinality' = "
                    f"{self.cardinality} groups cannot divide: choose other ones",
                    "cardinality",
                )
                return

    def features(self) -> tuple[FeatureSpec, ...]:
        """The six levels."""
        return tuple(
            FeatureSpec(channels, 1 << level, f"level{level}")
            for level, channels in enumerate(self.channels)
        )

    @planned
    def plan(self) -> tuple[TreePlan, ...]:
        """The tree of each level but the first two."""
        return tuple(
            self._tree(depth, before, after, stride=2, extra=before if level > 2 else 0)
            for level, depth, before, after in zip(
                range(2, 6), self.levels[2:], self.channels[1:], self.channels[2:], strict=False
            )
        )

    def _tree(
        self, depth: int, in_channels: int, out_channels: int, *, stride: int, extra: int
    ) -> TreePlan:
        """A tree; `extra` are the channels of earlier maps that its root sees."""
        first: TreePlan | BlockPlan = self._block(in_channels, out_channels, stride)
        second: TreePlan | BlockPlan = self._block(out_channels, out_channels, 1)
        if depth > 1:
            first = self._tree(depth - 1, in_channels, out_channels, stride=stride, extra=0)
            second = self._tree(
                depth - 1, out_channels, out_channels, stride=1, extra=extra + out_channels
            )
        return TreePlan(
            stride=stride,
            in_channels=in_channels,
            out_channels=out_channels,
            project=depth == 1 and in_channels != out_channels,
            keeps_input=stride > 1 and extra > 0,
            root_channels=2 * out_channels + extra if depth == 1 else None,
            first=first,
            second=second,
        )

    def _block(self, in_channels: int, out_channels: int, stride: int) -> BlockPlan:
        return BlockPlan(in_channels, self._width(out_channels), out_channels, stride)

    def _width(self, channels: int) -> int:
        """Channels of the 3x3 convolution of a block, or of a part of it."""
        if self.block == "basic":
            return channels
        return int(channels * (self.base_width / 64)) * self.cardinality // 2


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One residual block, with every number decided."""

    in_channels: int
    width: int
    """Channels of its 3x3 convolution, or of each part of it."""
    out_channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class TreePlan:
    """One tree: two blocks, or two smaller trees of which the second has the root."""

    stride: int
    in_channels: int
    out_channels: int
    project: bool
    """Whether a convolution brings the shortcut of the first block to the output channels."""
    keeps_input: bool
    """Whether the root sees the input, too."""
    root_channels: int | None
    """Input channels of the root; None where a smaller tree has it."""
    first: TreePlan | BlockPlan
    second: TreePlan | BlockPlan
