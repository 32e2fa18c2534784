"""LeViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Heads,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.stages import uneven_stages

if TYPE_CHECKING:
    from typedvision.families.levit.model import Levit

MAX_STAGES = 8
DOWNSAMPLE_RATIO = 2
"""Hidden features of the MLP behind an attention that subsamples, for each of its own."""
DOWNSAMPLE_VALUES = 4
"""Features of a value of such an attention, for each of a key."""

Widths = Annotated[tuple[Channels, ...], Field(min_length=1, max_length=MAX_STAGES)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
HeadCounts = Annotated[tuple[Heads, ...], Field(min_length=1, max_length=MAX_STAGES)]
Ratios = Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=MAX_STAGES)]


class LevitConfig(ModelConfig, Builds["Levit"]):
    """A LeViT (https://arxiv.org/abs/2104.01136): convolutions, then attention at shrinking
    resolutions, normalised by batches."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    embed_dim: Widths = (192,)
    """Features of each stage."""
    key_dim: Channels = 64
    """Features of a query and of a key, in each head."""
    depth: Depths = (12,)
    """Number of blocks of each stage."""
    num_heads: Heads | HeadCounts = (3,)
    """Attention heads; one number for all stages, or one each."""
    attn_ratio: Ratio | Ratios = 2.0
    """Features of a value for each of a key; one number for all stages, or one each."""
    mlp_ratio: Ratio | Ratios = 2.0
    """Hidden features of the MLPs for each of their own; one number for all stages, or one each."""
    stem_type: Literal["s8", "s16"] = "s16"
    """Input pixels for each position after the stem: 8 after three convolutions, or 16 after
    four."""
    act_layer: Activation = "hard_swish"
    """Activation of the stem and of the MLPs."""
    attn_act_layer: Activation | None = None
    """Activation of what attention gives; None for `act_layer`."""
    use_conv: bool = False
    """Compute on maps, by 1x1 convolutions, and not on tokens; the numbers do not change."""
    distilled: bool = False
    """Have a second classifier for distillation (https://arxiv.org/abs/2012.12877); the logits are
    the mean of both."""
    global_pool: Literal["", "avg"] = "avg"
    """How the last tokens become a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping a residual branch, equal for all blocks."""
    inference_mode: bool = False
    """Whether normalisations are part of the layers beside them; `typedvision.fuse` makes this
    form."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)
        yield from self._size_conflicts()
        if uneven := uneven_stages(
            self, "embed_dim", "depth", "num_heads", "attn_ratio", "mlp_ratio"
        ):
            yield from uneven
            return
        yield from self._width_conflicts()

    def _size_conflicts(self) -> Iterator[Conflict]:
        stride = self.stem_stride()
        if any(side % stride for side in to_pair(self.img_size)):
            yield Conflict(
                f"'img_size' must be a multiple of {stride}, as 'stem_type' is "
                f"'{self.stem_type}'; got {self.img_size}",
                "img_size",
            )
        if self.embed_dim[0] < stride // 2:
            yield Conflict(
                f"'embed_dim' must be at least {stride // 2} in the first stage, of which the "
                "stem takes parts",
                "embed_dim",
            )

    def _width_conflicts(self) -> Iterator[Conflict]:
        if any(width < self.key_dim for width in self.embed_dim[:-1]):
            yield Conflict(
                f"'key_dim' must be at most the features of each stage but the last, 'embed_dim' "
                f"{self.embed_dim}: what subsamples has a head for each so many features",
                "key_dim",
            )
            return
        stages = self.plan()
        if any(stage.value_dim < 1 for stage in stages):
            yield Conflict("'attn_ratio' leaves no feature to a value: raise it", "attn_ratio")
        if any(stage.hidden < 1 for stage in stages):
            yield Conflict("'mlp_ratio' leaves no hidden feature to an MLP: raise it", "mlp_ratio")

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`: the biases of attention are of its positions."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stages."""
        return halving_levels(self.embed_dim, self.stem_stride())

    def stem_stride(self) -> int:
        """Input pixels for each position after the stem."""
        return 8 if self.stem_type == "s8" else 16

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        count = len(self.embed_dim)
        heads = self.num_heads if isinstance(self.num_heads, tuple) else (self.num_heads,) * count
        values, hidden = (
            ratio if isinstance(ratio, tuple) else (ratio,) * count
            for ratio in (self.attn_ratio, self.mlp_ratio)
        )
        height, width = to_pair(self.img_size)
        rows, columns = height // self.stem_stride(), width // self.stem_stride()
        stages: list[StagePlan] = []
        for index, features in enumerate(self.embed_dim):
            downsample = None
            if index:
                before = self.embed_dim[index - 1]
                downsample = DownsamplePlan(before, before // self.key_dim, (rows, columns))
                rows, columns = (rows + 1) // 2, (columns + 1) // 2
            stages.append(
                StagePlan(
                    features=features,
                    depth=self.depth[index],
                    num_heads=heads[index],
                    value_dim=int(values[index] * self.key_dim),
                    hidden=int(hidden[index] * features),
                    grid=(rows, columns),
                    downsample=downsample,
                )
            )
        return tuple(stages)


@dataclass(frozen=True, slots=True)
class DownsamplePlan:
    """The attention between two stages."""

    in_features: int
    num_heads: int
    grid: tuple[int, int]
    """Rows and columns of its input."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The blocks of one resolution."""

    features: int
    depth: int
    num_heads: int
    value_dim: int
    """Features of a value, in each head."""
    hidden: int
    """Hidden features of the MLPs."""
    grid: tuple[int, int]
    """Rows and columns of positions."""
    downsample: DownsamplePlan | None
    """What comes before the blocks; None in the first stage."""
