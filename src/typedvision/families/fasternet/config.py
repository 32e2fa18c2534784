"""FasterNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    norm_conflicts,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates

if TYPE_CHECKING:
    from typedvision.families.fasternet.model import FasterNet


_LARGEST_REDUCTION = 224
"""Most input pixels for each position of the last map: an image has so many."""


class FasterNetConfig(ModelConfig, Builds["FasterNet"]):
    """A FasterNet (https://arxiv.org/abs/2303.03667): convolutions of a part of the channels."""

    embed_dim: Channels = 96
    """Channels of the first stage; each other stage has twice those of the one before."""
    depths: tuple[Depth, Depth, Depth, Depth] = (1, 2, 8, 2)
    """Number of blocks of each stage."""
    mlp_ratio: Ratio = 2.0
    """Hidden channels of a block's MLP for each of its own."""
    n_div: Annotated[int, Field(ge=1, le=1_024)] = 4
    """One out of so many channels takes part in a block's 3x3 convolution (section 3.2)."""
    patch_size: KernelSize = 4
    """Height and width in pixels of a patch of the stem."""
    merge_size: KernelSize = 2
    """Height and width of the patches that become one before each later stage."""
    patch_norm: bool = True
    """Whether a normalisation follows the stem's convolution."""
    feature_dim: Channels = 1280
    """Features that the classifier sees."""
    layer_scale_init_value: Annotated[float, Field(ge=0.0, le=1_024.0)] = 0.0
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); 0 for no LayerScale."""
    act_layer: Activation = "relu"
    """Activation of the MLPs and the head."""
    norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.1
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.n_div > self.embed_dim:
            yield Conflict(
                f"'n_div' = {self.n_div} leaves none of 'embed_dim' = {self.embed_dim} channels: "
                "choose a smaller 'n_div'",
                "n_div",
            )
        if self.mlp_ratio * self.embed_dim < 1:
            yield Conflict(
                f"'mlp_ratio' = {self.mlp_ratio} leaves the MLP no hidden channel: choose a larger "
                "one",
                "mlp_ratio",
            )
        plan = self.plan()
        if plan[-1].reduction > _LARGEST_REDUCTION:
            yield Conflict(
                f"'patch_size' = {self.patch_size} and 'merge_size' = {self.merge_size} make one "
                f"position of {plan[-1].reduction} pixels, and at most {_LARGEST_REDUCTION} are "
                "allowed: choose smaller ones",
                "merge_size",
            )
        normalized = [stage.channels for stage in plan[0 if self.patch_norm else 1 :]]
        yield from norm_conflicts(self.norm_layer, [*normalized, *(stage.hidden for stage in plan)])
        if self.global_pool == "catavgmax":
            yield Conflict(
                "'global_pool' must not be 'catavgmax': the layer behind it takes one feature for "
                "each channel; pool by 'avgmax'",
                "global_pool",
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        stages = []
        for index, depth in enumerate(self.depths):
            channels = self.embed_dim * 2**index
            stages.append(
                StagePlan(
                    channels=channels,
                    hidden=int(channels * self.mlp_ratio),
                    mixed=channels // self.n_div,
                    reduction=self.patch_size * self.merge_size**index,
                    drop_path_rates=tuple(islice(rates, depth)),
                )
            )
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    mixed: int
    """Channels of the 3x3 convolutions."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
