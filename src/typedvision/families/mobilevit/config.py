"""MobileViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Count,
    Depth,
    Heads,
    ModelConfig,
    Rate,
    Ratio,
    Whole,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.rounding import round_channels
from typedvision.config.stages import Step, drop_path_rates, staged

if TYPE_CHECKING:
    from typedvision.families.mobilevit.model import MobileViT

MLP_RATIO = 2
"""Hidden features of a transformer's MLPs for each of its own."""


class MobileViTConfig(ModelConfig, Builds["MobileViT"]):
    """A MobileViT (https://arxiv.org/abs/2110.02178), or a MobileViTv2
    (https://arxiv.org/abs/2206.02680): inverted residuals, and transformers in the last stages."""

    block: Literal["mobilevit", "mobilevit2"] = "mobilevit"
    """Transformers by self-attention, whose output is joined with their input (`mobilevit`), or by
    a separable attention of linear cost (`mobilevit2`)."""
    layers: tuple[Depth, Depth, Depth, Depth, Depth] = (1, 3, 1, 1, 1)
    """Number of inverted residuals of each stage."""
    channels: tuple[Channels, Channels, Channels, Channels, Channels]
    """Channels of each stage."""
    expand_ratio: Ratio = 4.0
    """Channels inside of an inverted residual for each of its input."""
    transformer_depths: tuple[Depth, Depth, Depth] = (2, 4, 3)
    """Number of transformer blocks in each of the last three stages."""
    transformer_dims: tuple[Channels, Channels, Channels]
    """Features of these blocks."""
    num_heads: Heads = 4
    """Number of attention heads of `mobilevit`."""
    patch_size: Annotated[int, Field(ge=1, le=64)] = 2
    """Height and width of a patch; the positions that patches have in common attend to one another.
    A map is stretched to whole patches."""
    stem_chs: Channels = 16
    """Channels of the stem."""
    num_features: Count = 0
    """Channels of a 1x1 convolution after the stages; 0 for no such layer."""
    act_layer: Activation = "silu"
    """Activation."""
    zero_init_last: bool = True
    """Initialise the last normalisation of each inverted residual to 0, so that it is the identity
    at first."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    output_stride: Annotated[Literal[8, 16, 32], Whole] = 32
    """Most input pixels for each position of a feature map; later stages dilate instead."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the residual branches of the last block; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.block == "mobilevit2" and self.num_heads != 4:
            yield Conflict(
                "'num_heads' must be left out where 'block' is 'mobilevit2': its attention has one "
                "score for each position",
                "num_heads",
            )
        if self.block == "mobilevit" and any(dim % self.num_heads for dim in self.transformer_dims):
            yield Conflict(
                f"'num_heads' = {self.num_heads} must divide each of 'transformer_dims' = "
                f"{self.transformer_dims}",
                "num_heads",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The first four stages, and what follows the last."""
        plan = self.plan()
        *stages, last = plan.stages
        return *(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(stages)
        ), FeatureSpec(plan.features, last.reduction, "final_conv")

    @planned
    def plan(self) -> MobileViTPlan:
        """Every block with its numbers."""
        transformers = (0, 0, *self.transformer_depths)
        dims = (0, 0, *self.transformer_dims)
        count = sum(self.layers) + len(self.transformer_depths)
        rates = iter(drop_path_rates(self.drop_path_rate, count))
        steps = staged((1, 2, 2, 2, 2), reduction=2, output_stride=self.output_stride)
        in_channels, stages = self.stem_chs, []
        for layers, channels, depth, dim, step in zip(
            self.layers, self.channels, transformers, dims, steps, strict=True
        ):
            out_channels = round_channels(channels)
            residuals = []
            for position in range(layers):
                residuals.append(
                    self._residual(in_channels, out_channels, step, position, next(rates))
                )
                in_channels = out_channels
            transformer = None
            if depth:
                transformer = TransformerPlan(out_channels, dim, depth, step.dilation, next(rates))
            stages.append(StagePlan(tuple(residuals), transformer, out_channels, step.reduction))
        return MobileViTPlan(tuple(stages), self.num_features or in_channels)

    def _residual(
        self, in_channels: int, out_channels: int, step: Step, position: int, rate: float
    ) -> ResidualPlan:
        first = position == 0
        return ResidualPlan(
            in_channels=in_channels,
            width=round_channels(in_channels * self.expand_ratio),
            out_channels=out_channels,
            stride=step.stride if first else 1,
            dilation=step.first_dilation if first else step.dilation,
            skip=in_channels == out_channels
            and (not first or (step.stride == 1 and step.first_dilation == step.dilation)),
            drop_path_rate=rate,
        )


@dataclass(frozen=True, slots=True)
class ResidualPlan:
    """One inverted residual, with every number decided."""

    in_channels: int
    width: int
    """Channels of its depthwise convolution."""
    out_channels: int
    stride: int
    dilation: int
    skip: bool
    """Whether there is a shortcut."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class TransformerPlan:
    """The transformer of a stage, with every number decided."""

    channels: int
    """Channels of its map."""
    dim: int
    """Features of its tokens."""
    depth: int
    dilation: int
    """Dilation of its convolution."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage."""

    residuals: tuple[ResidualPlan, ...]
    transformer: TransformerPlan | None
    """What follows the inverted residuals."""
    channels: int
    """Output channels."""
    reduction: int
    """Input pixels for each position of its output."""


@dataclass(frozen=True, slots=True)
class MobileViTPlan:
    """The whole network, with every number decided."""

    stages: tuple[StagePlan, ...]
    features: int
    """Channels of the last feature map."""
