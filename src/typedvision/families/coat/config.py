"""CoaT as data: what can vary, and every number that follows from it."""

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
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import TokenNorm
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.coat.model import CoaT

PATCH = 4
"""Height and width of a patch of the image, in pixels; each further stage halves the map."""
ParallelDepth = Annotated[Count, Field(le=1_024)]


class CoatConfig(ModelConfig, Builds["CoaT"]):
    """A CoaT: factorised attention with convolutions as positions, in stages, and then between
    three resolutions side by side (https://arxiv.org/abs/2104.06399)."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    global_pool: Literal["avg", "token"] = "token"
    """What is classified: the class token, or the mean of the patches."""
    embed_dims: tuple[Channels, Channels, Channels, Channels] = (64, 128, 320, 512)
    """Features of each token of each stage."""
    serial_depths: tuple[Depth, Depth, Depth, Depth] = (3, 4, 6, 3)
    """Number of blocks of each stage."""
    parallel_depth: ParallelDepth = 0
    """Number of blocks that see the last three stages side by side; 0 for CoaT-Lite."""
    num_heads: Heads = 8
    """Attention heads of each block."""
    mlp_ratios: tuple[Ratio, Ratio, Ratio, Ratio] = (4.0, 4.0, 4.0, 4.0)
    """Hidden features of the MLP, for each feature of a token, in each stage."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    crpe_window: Annotated[
        tuple[tuple[KernelSize, Heads], ...], Field(min_length=1, max_length=16)
    ] = (
        (3, 2),
        (5, 3),
        (7, 3),
    )
    """Kernels of the convolutions that tell relative positions, odd, each with the number of heads
    that have it; in all `num_heads`."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping a residual branch of any block."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        for features, ratio in zip(self.embed_dims, self.mlp_ratios, strict=True):
            if features % self.num_heads:
                yield Conflict(
                    f"'num_heads' must divide 'embed_dims' evenly; got {self.num_heads} for "
                    f"{features}: choose one of its divisors",
                    "num_heads",
                )
                break
            if int(features * ratio) < 1:
                yield Conflict(
                    f"'mlp_ratios' must leave each MLP a hidden feature; got {ratio} for "
                    f"{features}",
                    "mlp_ratios",
                )
        if any(kernel % 2 == 0 for kernel, _ in self.crpe_window):
            yield Conflict(
                f"'crpe_window' must be of odd kernels; got {self.crpe_window}", "crpe_window"
            )
        if sum(heads for _, heads in self.crpe_window) != self.num_heads:
            yield Conflict(
                f"'crpe_window' must be of 'num_heads' {self.num_heads} heads; got "
                f"{self.crpe_window}",
                "crpe_window",
            )
        yield from self._parallel_conflicts()
        if min(to_pair(self.img_size)) < PATCH * 8:
            yield Conflict(
                f"'img_size' must be at least {PATCH * 8}, so that the last stage has a patch; got "
                f"{self.img_size}",
                "img_size",
            )

    def _parallel_conflicts(self) -> Iterator[Conflict]:
        if not self.parallel_depth:
            return
        for name, numbers in ("embed_dims", self.embed_dims), ("mlp_ratios", self.mlp_ratios):
            if len(set(numbers[1:])) > 1:
                yield Conflict(
                    f"'{name}' must be one number for the last three stages where "
                    f"'parallel_depth' is not 0; got {numbers}",
                    name,
                )
        if any(side // PATCH // 2 % 4 for side in to_pair(self.img_size)):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of {PATCH * 8} where "
                "'parallel_depth' is not 0, so that maps can be added",
                "img_size",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, which the attention of all blocks is made for."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens of each stage; of the last three, after the blocks that see all of them."""
        serial = [f"serial_blocks{number}" for number in (1, 2, 3, 4)]
        scales = [serial[0], *(f"scales.{index}" for index in range(3))]
        names = scales if self.parallel_depth else serial
        return tuple(
            FeatureSpec(features, PATCH * 2**index, name)
            for index, (features, name) in enumerate(zip(self.embed_dims, names, strict=True))
        )

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        rows, columns = (side // PATCH for side in to_pair(self.img_size))
        return tuple(
            StagePlan(
                in_features=self.embed_dims[index - 1] if index else self.in_chans,
                features=features,
                depth=self.serial_depths[index],
                patch_size=2 if index else PATCH,
                grid=(rows // 2**index, columns // 2**index),
                hidden=int(features * self.mlp_ratios[index]),
            )
            for index, features in enumerate(self.embed_dims)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The blocks of one resolution."""

    in_features: int
    features: int
    depth: int
    patch_size: int
    """Rows and columns of the map before that become one token."""
    grid: tuple[int, int]
    """Rows and columns of patches."""
    hidden: int
    """Hidden features of the MLPs."""

    @property
    def tokens(self) -> int:
        """The patches and the class token."""
        return 1 + self.grid[0] * self.grid[1]
