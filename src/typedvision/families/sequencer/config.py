"""Sequencer as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Pixels,
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import uneven_stages

if TYPE_CHECKING:
    from typedvision.families.sequencer.model import Sequencer2d

Union = Literal["cat", "add", "vertical", "horizontal"]
_Few = Field(min_length=1, max_length=8)


class SequencerConfig(ModelConfig, Builds["Sequencer2d"]):
    """A network that mixes the tokens of each row and of each column by a recurrent layer
    (https://arxiv.org/abs/2205.01972)."""

    global_pool: ConvPool = "avg"
    """How the last map becomes a vector; with `""` every position is classified."""
    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square. Other sizes go in, too."""
    layers: Annotated[tuple[Depth, ...], _Few] = (4, 3, 8, 3)
    """Number of blocks of each stage."""
    patch_sizes: Annotated[tuple[Pixels, ...], _Few] = (7, 2, 2, 1)
    """Height and width of the patches of each stage: of the image, or of the map before."""
    embed_dims: Annotated[tuple[Channels, ...], _Few] = (192, 384, 384, 384)
    """Features of each token of each stage."""
    hidden_sizes: Annotated[tuple[Channels, ...], _Few] = (48, 96, 96, 96)
    """Features of a recurrent layer's state in each stage."""
    mlp_ratios: Annotated[tuple[Ratio, ...], _Few] = (3.0, 3.0, 3.0, 3.0)
    """Hidden features of the MLP, for each feature of a token, in each stage."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation of the blocks, and behind them."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    num_rnn_layers: Annotated[int, Field(ge=1, le=64)] = 1
    """Recurrent layers, one on top of the other, in each direction of a block."""
    bidirectional: bool = True
    """Whether rows and columns are also read backwards."""
    union: Union = "cat"
    """How what was read along columns and along rows comes together: side by side (`cat`), as a
    sum (`add`), or one of both alone."""
    with_fc: bool = True
    """Whether a linear layer follows, back to the features of a token."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each layer of an MLP."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping a residual branch, in each block."""
    nlhb: bool = False
    """Initialise the classifier's bias at -log(classes), and not at 0."""
    stem_norm: bool = False
    """Whether the patches of the image are normalised."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if uneven := uneven_stages(
            self, "layers", "patch_sizes", "embed_dims", "hidden_sizes", "mlp_ratios"
        ):
            yield from uneven
            return
        for stage in self.plan():
            if stage.hidden < 1:
                yield Conflict(
                    f"'mlp_ratios' must leave each MLP a hidden feature; got {self.mlp_ratios}",
                    "mlp_ratios",
                )
            if not self.with_fc and stage.mixed != stage.features:
                yield Conflict(
                    f"'with_fc' must be true where rows and columns give other features than "
                    f"'embed_dims': here {stage.mixed} for {stage.features}",
                    "with_fc",
                )
        smallest = self.plan()[-1].reduction
        if min(to_pair(self.img_size)) < smallest:
            yield Conflict(
                f"'img_size' {self.img_size} must be at least {smallest}, the product of "
                "'patch_sizes'",
                "img_size",
            )

    def input_size(self) -> int | tuple[int, int] | None:
        """`img_size`."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage."""
        return tuple(
            FeatureSpec(stage.features, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan())
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        read = (2 if self.bidirectional else 1) * (2 if self.union == "cat" else 1)
        return tuple(
            StagePlan(
                in_features=self.embed_dims[max(index - 1, 0)],
                features=features,
                patch_size=self.patch_sizes[index] if index else None,
                reduction=reduction,
                state=self.hidden_sizes[index],
                mixed=read * self.hidden_sizes[index],
                hidden=int(features * self.mlp_ratios[index]),
                depth=self.layers[index],
            )
            for index, (features, reduction) in enumerate(
                zip(self.embed_dims, accumulate(self.patch_sizes, mul), strict=True)
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    in_features: int
    features: int
    patch_size: int | None
    """Rows and columns of the map before that make one token; None where the stem has made them."""
    reduction: int
    """Pixels for each position of the map."""
    state: int
    """Features of a recurrent layer's state."""
    mixed: int
    """Features of what was read along rows and columns together."""
    hidden: int
    """Hidden features of the MLPs."""
    depth: int
    """Number of blocks."""
