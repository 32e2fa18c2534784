"""FocalNet as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.focalnet.model import FocalNet

MAX_STAGES = 8
Levels = Annotated[int, Field(ge=1, le=16)]
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)


class FocalNetConfig(ModelConfig, Builds["FocalNet"]):
    """A FocalNet: convolutions of growing reach modulate each position
    (https://arxiv.org/abs/2203.11926)."""

    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    embed_dim: Channels = 96
    """Channels of the first stage; each further stage doubles them."""
    depths: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 2, 6, 2)
    """Number of blocks of each stage."""
    mlp_ratio: Ratio = 4.0
    """Hidden channels of the MLP, for each channel of a block."""
    focal_levels: Annotated[tuple[Levels, ...], _PER_STAGE] = (2, 2, 2, 2)
    """Convolutions of a modulation, in each stage."""
    focal_windows: Annotated[tuple[KernelSize, ...], _PER_STAGE] = (3, 3, 3, 3)
    """Kernel of the first of these convolutions, odd, in each stage; each further one is larger by
    two."""
    use_overlap_down: bool = False
    """Subsample by overlapping convolutions, and not by separate patches."""
    use_post_norm: bool = False
    """Normalise behind the modulation and the MLP, and not before."""
    use_post_norm_in_modulation: bool = False
    """Normalise what is modulated."""
    normalize_modulator: bool = False
    """Divide the sum of a modulation by how many convolutions it has."""
    head_hidden_size: Channels | None = None
    """Features of a hidden layer between the pooling and the classifier; None for no such layer."""
    head_init_scale: Factor = 1.0
    """Factor of the classifier's initial weights."""
    layerscale_value: Factor | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each layer of an MLP, and after a modulation."""
    drop_path_rate: Rate = 0.1
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: Literal["batchnorm2d", "layernorm2d", "rmsnorm2d"] = "layernorm2d"
    """Normalisation."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        yield from uneven_stages(self, "depths", "focal_levels", "focal_windows")
        if any(window % 2 == 0 for window in self.focal_windows):
            yield Conflict(
                f"'focal_windows' must be odd; got {self.focal_windows}", "focal_windows"
            )
        if int(self.embed_dim * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' must leave the MLP a hidden channel; 'embed_dim' is {self.embed_dim}",
                "mlp_ratio",
            )
        if self.head_hidden_size and self.global_pool in ("", "catavgmax"):
            yield Conflict(
                f"'global_pool' must not be '{self.global_pool}' where there is a "
                "'head_hidden_size': its layer takes one feature for each channel",
                "global_pool",
            )

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return halving_levels((stage.channels for stage in self.plan()), path="layers")

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        rows = zip(self.depths, self.focal_levels, self.focal_windows, strict=True)
        return tuple(
            StagePlan(
                channels=self.embed_dim * 2**index,
                hidden=int(self.embed_dim * 2**index * self.mlp_ratio),
                subsamples=index > 0,
                kernels=tuple(window + 2 * level for level in range(levels)),
                drop_path_rates=tuple(islice(rates, depth)),
            )
            for index, (depth, levels, window) in enumerate(rows)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    subsamples: bool
    """Whether a convolution stands before the blocks."""
    kernels: tuple[int, ...]
    """Kernel of each convolution of a modulation."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""
