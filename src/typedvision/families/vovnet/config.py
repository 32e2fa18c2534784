"""VoVNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ChannelAttention, ConvNormAct, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.vovnet.model import VovNet


class VovNetConfig(ModelConfig, Builds["VovNet"]):
    """A network of one-shot aggregations: a row of convolutions whose outputs are all concatenated
    once, at its end (VoVNet, https://arxiv.org/abs/1904.09730, and its second version,
    https://arxiv.org/abs/1911.06667)."""

    stem_chs: tuple[Channels, Channels, Channels]
    """Output channels of each convolution of the stem."""
    stage_conv_chs: tuple[Channels, Channels, Channels, Channels]
    """Channels of the convolutions in a row, by stage."""
    stage_out_chs: tuple[Channels, Channels, Channels, Channels]
    """Output channels of each stage."""
    layer_per_block: Depth
    """Number of convolutions in a row."""
    block_per_stage: tuple[Depth, Depth, Depth, Depth]
    """Number of aggregations of each stage."""
    residual: bool = False
    """Add the input of each block that is not the first of its stage to its output."""
    depthwise: bool = False
    """Depthwise separable convolutions in the place of all 3x3 ones but the first."""
    attn: ChannelAttention | None = None
    """Attention at the end of the last block of each stage."""
    act_layer: Activation = "relu"
    """Activation."""
    norm_layer: ConvNormAct = "batchnorm2d"
    """Normalisation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's aggregation, where there is a residual connection;
    grows linearly from 0 along all blocks."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.drop_path_rate and not self.residual:
            yield Conflict(
                "'drop_path_rate' drops residual branches, of which there are none: leave it out, "
                "or set 'residual' to true",
                "drop_path_rate",
            )
        yield from norm_conflicts(self.norm_layer, self._normalized())
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem's second convolution, and the four stages."""
        return FeatureSpec(self.stem_chs[1], 2, "stem.1"), *(
            FeatureSpec(channels, 4 << stage, f"stages.{stage}")
            for stage, channels in enumerate(self.stage_out_chs)
        )

    @planned
    def plan(self) -> tuple[tuple[BlockPlan, ...], ...]:
        """Every block of each stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.block_per_stage)))
        in_channels, stages = self.stem_chs[-1], []
        for depth, width, out_channels in zip(
            self.block_per_stage, self.stage_conv_chs, self.stage_out_chs, strict=True
        ):
            blocks = []
            for number in range(depth):
                blocks.append(
                    BlockPlan(
                        in_channels=in_channels,
                        width=width,
                        out_channels=out_channels,
                        reduces=self.depthwise and in_channels != width,
                        residual=self.residual and number > 0,
                        attends=number == depth - 1,
                        drop_path_rate=next(rates),
                    )
                )
                in_channels = out_channels
            stages.append(tuple(blocks))
        return tuple(stages)

    def _normalized(self) -> Iterator[int]:
        """The number of channels of each map that is normalised."""
        yield from (*self.stem_chs, *self.stage_conv_chs, *self.stage_out_chs)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One aggregation, with every number decided."""

    in_channels: int
    width: int
    """Channels of the convolutions in a row."""
    out_channels: int
    reduces: bool
    """Whether a 1x1 convolution brings the input to the width."""
    residual: bool
    """Whether the input is added to the output."""
    attends: bool
    """Whether it ends in the attention, where there is one."""
    drop_path_rate: float
