"""SENet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.senet.model import SENet

PLANES = (64, 128, 256, 512)
"""Planes of each stage."""

Block = Literal["se", "se_resnet", "se_resnext", "se_resnet_basic"]


class SENetConfig(ModelConfig, Builds["SENet"]):
    """A network with squeeze-and-excitation, as its authors published it
    (https://arxiv.org/abs/1709.01507)."""

    block: Block
    """Residual block: the bottleneck of SENet-154, that of ResNet, that of ResNeXt with four
    channels for each group and 64 planes, or two 3x3 convolutions."""
    layers: tuple[Depth, Depth, Depth, Depth]
    """Number of blocks of each stage."""
    groups: Channels = 1
    """Groups of the 3x3 convolution of a bottleneck."""
    reduction: Annotated[int, Field(ge=1, le=64)] = 16
    """Divides the channels inside of the attention."""
    drop_rate: Rate = 0.2
    """Dropout probability before the classifier."""
    inplanes: Channels = 64
    """Output channels of the stem."""
    input_3x3: bool = False
    """Three 3x3 convolutions in the stem, instead of a 7x7 one."""
    downsample_kernel_size: Annotated[Literal[1, 3], Whole] = 1
    """Kernel of the convolution on the shortcut, in all stages but the first."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.block == "se_resnet_basic" and self.groups != 1:
            yield Conflict(
                "'groups' are those of a bottleneck's 3x3 convolution: set 'block' to "
                "'se_resnext', or leave them at 1",
                "groups",
            )
        elif self.block in ("se", "se_resnet") and PLANES[0] % self.groups:
            yield Conflict(
                f"'groups' must divide {PLANES[0]} channels where 'block' is '{self.block}'; got "
                f"{self.groups}",
                "groups",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, and the four stages."""
        return FeatureSpec(self.inplanes, 2, "layer0"), *(
            FeatureSpec(blocks[-1].out_channels, 2 << number, f"layer{number}")
            for number, blocks in enumerate(self.plan(), start=1)
        )

    @planned
    def plan(self) -> tuple[tuple[BlockPlan, ...], ...]:
        """Every block of each stage with its numbers."""
        in_channels, stages = self.inplanes, []
        for stage, (depth, planes) in enumerate(zip(self.layers, PLANES, strict=True)):
            out_channels = planes if self.block == "se_resnet_basic" else 4 * planes
            first_width, width = self._widths(planes)
            blocks = []
            for number in range(depth):
                stride = 2 if stage > 0 and number == 0 else 1
                changes = number == 0 and (stride > 1 or in_channels != out_channels)
                kernel_size = 1 if stage == 0 else self.downsample_kernel_size
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        first_width=first_width,
                        width=width,
                        out_channels=out_channels,
                        reduced=out_channels // self.reduction,
                        stride=stride,
                        shortcut_kernel_size=kernel_size if changes else None,
                    )
                )
                in_channels = out_channels
            stages.append(tuple(blocks))
        return tuple(stages)

    def _widths(self, planes: int) -> tuple[int, int]:
        """Output channels of the first and of the second convolution of a block."""
        match self.block:
            case "se":
                return 2 * planes, 4 * planes
            case "se_resnext":
                width = planes // 16 * self.groups
                return width, width
            case _:
                return planes, planes


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One residual block, with every number decided."""

    in_channels: int
    first_width: int
    """Output channels of its first convolution."""
    width: int
    """Output channels of its second convolution."""
    out_channels: int
    reduced: int
    """Channels inside of the attention."""
    stride: int
    shortcut_kernel_size: int | None
    """Kernel of the shortcut's convolution; None where the shortcut is the identity."""
