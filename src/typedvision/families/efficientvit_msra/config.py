"""EfficientViT of Microsoft as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Heads,
    KernelSize,
    ModelConfig,
    Size,
    Whole,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import uneven_stages
from typedvision.config.windows import Window

if TYPE_CHECKING:
    from typedvision.families.efficientvit_msra.model import EfficientVitMsra

MAX_STAGES = 8
STEM_STRIDE = 16
"""Input pixels for each position after the first convolutions."""

Widths = Annotated[tuple[Channels, ...], Field(min_length=1, max_length=MAX_STAGES)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
HeadCounts = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=MAX_STAGES)]
Windows = Annotated[tuple[Window, ...], Field(min_length=1, max_length=MAX_STAGES)]
DownOp = tuple[Literal["", "subsample"], Annotated[Literal[1, 2], Whole]]


class EfficientVitMsraConfig(ModelConfig, Builds["EfficientVitMsra"]):
    """An EfficientViT (https://arxiv.org/abs/2305.07027): attention whose heads see parts of the
    features, one after the other."""

    img_size: Size = 224
    """Height and width in pixels that windows are made for; one number for a square. Images may
    have any other size."""
    embed_dim: Widths = (64, 128, 192)
    """Channels of each stage."""
    key_dim: Widths = (16, 16, 16)
    """Features of a query and of a key, in each head, of each stage."""
    depth: Depths = (1, 2, 3)
    """Number of blocks of each stage."""
    num_heads: HeadCounts = (4, 4, 4)
    """Attention heads of each stage."""
    window_size: Windows = (7, 7, 7)
    """Rows and columns of the windows of each stage, at most those of its map."""
    kernels: Annotated[tuple[KernelSize, ...], Field(min_length=1, max_length=64)] = (5, 5, 5, 5)
    """Kernel of the depthwise convolution of the queries of each head, odd; those past the number
    of heads have no effect."""
    down_ops: Annotated[tuple[DownOp, ...], Field(min_length=1, max_length=MAX_STAGES)] = (
        ("", 1),
        ("subsample", 2),
        ("subsample", 2),
    )
    """What stands before the blocks of each stage, and its stride: nothing, `("", 1)`, or what
    halves the map, `("subsample", 2)`."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        if uneven := uneven_stages(
            self, "embed_dim", "key_dim", "depth", "num_heads", "window_size", "down_ops"
        ):
            yield from uneven
            return
        if self.embed_dim[0] < 8:
            yield Conflict(
                "'embed_dim' must be at least 8 in the first stage: the first convolution has an "
                "eighth of them",
                "embed_dim",
            )
        yield from self._head_conflicts()
        yield from self._subsampling_conflicts()
        for index, stage in enumerate(self.plan()):
            if stage.window < 2:
                yield Conflict(
                    f"'window_size' and 'img_size' leave windows of one position in stage {index}, "
                    "which attend to nothing: raise one of them (images may still be smaller)",
                    "window_size" if self.window_size[index] < 2 else "img_size",
                )
                return

    def _head_conflicts(self) -> Iterator[Conflict]:
        for width, heads in zip(self.embed_dim, self.num_heads, strict=True):
            if width % heads:
                yield Conflict(
                    f"'num_heads' must divide 'embed_dim'; got {heads} of {width}", "num_heads"
                )
                break
        if len(self.kernels) < max(self.num_heads):
            yield Conflict(
                f"'kernels' must have one number for each of 'num_heads': {max(self.num_heads)}; "
                f"got {len(self.kernels)}",
                "kernels",
            )
        if any(size % 2 == 0 for size in self.kernels):
            yield Conflict(f"'kernels' must be odd; got {self.kernels}", "kernels")

    def _subsampling_conflicts(self) -> Iterator[Conflict]:
        if any((kind == "subsample") != (stride == 2) for kind, stride in self.down_ops):
            yield Conflict("'down_ops' must be ('', 1) or ('subsample', 2) each", "down_ops")
            return
        if self.down_ops[0][0]:
            yield Conflict("'down_ops' must start with ('', 1)", "down_ops")
        changes = (before != after for before, after in pairwise(self.embed_dim))
        for (kind, _), change in zip(self.down_ops[1:], changes, strict=True):
            if change and not kind:
                yield Conflict(
                    "'embed_dim' must stay as it is where 'down_ops' has ''", "embed_dim"
                )
                return

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stages."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rows, columns = (side // STEM_STRIDE for side in to_pair(self.img_size))
        in_channels, reduction = self.embed_dim[0], STEM_STRIDE
        stages: list[StagePlan] = []
        for index, (kind, stride) in enumerate(self.down_ops):
            rows, columns, reduction = -(-rows // stride), -(-columns // stride), reduction * stride
            channels, heads = self.embed_dim[index], self.num_heads[index]
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    channels=channels,
                    subsamples=kind == "subsample",
                    reduction=reduction,
                    depth=self.depth[index],
                    key_dim=self.key_dim[index],
                    kernels=self.kernels[:heads],
                    window=min(self.window_size[index], rows, columns),
                )
            )
            in_channels = channels
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    subsamples: bool
    """Whether the map is halved before the blocks."""
    reduction: int
    """Input pixels for each position of its output."""
    depth: int
    key_dim: int
    """Features of a query and of a key, in each head."""
    kernels: tuple[int, ...]
    """Kernel of the queries of each head."""
    window: int
    """Rows and columns of a window."""
