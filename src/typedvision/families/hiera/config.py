"""Hiera as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm, prod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
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
from typedvision.config.stages import drop_path_rates, products
from typedvision.config.windows import MAX_STAGES, Window

if TYPE_CHECKING:
    from typedvision.families.hiera.model import Hiera

Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
Growth = Annotated[float, Field(ge=1.0, le=16.0)]
Pair = tuple[KernelSize, KernelSize]
Padding = Annotated[int, Field(ge=0, le=63)]
_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)


class HieraConfig(ModelConfig, Builds["Hiera"]):
    """A Hiera: attention within mask units, then in the whole map, and maxima of queries between
    stages (https://arxiv.org/abs/2306.00989)."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    embed_dim: Channels = 96
    """Features of each token of the first stage."""
    num_heads: Heads = 1
    """Attention heads of the first stage."""
    global_pool: Literal["", "avg", "max", "avgmax"] = "avg"
    """How tokens become a vector; with `""` every token is classified."""
    stages: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 3, 16, 3)
    """Number of blocks of each stage."""
    q_pool: Annotated[int, Field(ge=0, le=MAX_STAGES)] = 3
    """How many of the stages after the first subsample."""
    q_stride: tuple[Window, Window] = (2, 2)
    """What such a stage divides rows and columns by."""
    mask_unit_size: tuple[Window, Window] = (8, 8)
    """Rows and columns of patches in a mask unit, which attends to itself, and which training can
    leave out as a whole."""
    mask_unit_attn: Annotated[tuple[bool, ...], _PER_STAGE] = (True, True, False, False)
    """Whether tokens attend within their mask unit only, in each stage; the first block of a stage
    attends as the stage before."""
    use_expand_proj: bool = True
    """Widen the shortcut into a stage by a linear layer; else by both the maximum and the mean of
    the tokens that become one, which doubles the features."""
    dim_mul: Growth = 2.0
    """Features of each stage, for each of the stage before."""
    head_mul: Growth = 2.0
    """Heads of each stage, for each of the stage before."""
    patch_kernel: Pair = (7, 7)
    """Height and width of the convolution that makes patches."""
    patch_stride: Pair = (4, 4)
    """Pixels from patch to patch, down and right."""
    patch_padding: tuple[Padding, Padding] = (3, 3)
    """Pixels of padding of that convolution, down and right."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
    abs_win_pos_embed: bool = False
    """Learn positions in a mask unit and, on a coarser grid, in the image, whose sum is the table
    (https://arxiv.org/abs/2311.05613)."""
    global_pos_size: Pair = (14, 14)
    """Rows and columns of the coarser grid; only with `abs_win_pos_embed`."""
    init_values: Factor | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    fix_init: bool = True
    """Divide the initial weights of the last layers of the branches of block n by sqrt(2 n)."""
    weight_init: Literal["", "jax", "reset"] = ""
    """How linear layers are initialised: normal of deviation 0.02, with biases of 0.02, as the
    published code does (`""`), as the JAX code of the Vision Transformer does (`jax`), or as
    PyTorch does (`reset`)."""
    head_init_scale: Factor = 0.001
    """Factor of the classifier's initial weights, where `weight_init` is `reset`; zeros else."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    patch_drop_rate: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the mask units that training leaves out."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        stages = len(self.stages)
        if len(self.mask_unit_attn) < stages:
            yield Conflict(
                f"'mask_unit_attn' must have a value for each of 'stages': {stages}; got "
                f"{len(self.mask_unit_attn)}",
                "mask_unit_attn",
            )
        if self.q_pool >= stages:
            yield Conflict(
                f"'q_pool' must be at most {stages - 1}, the stages after the first; got "
                f"{self.q_pool}",
                "q_pool",
            )
        if not self.abs_win_pos_embed and self.global_pos_size != (14, 14):
            yield Conflict(
                "'global_pos_size' means nothing where 'abs_win_pos_embed' is false: leave it out",
                "global_pos_size",
            )
        if self.dim_mul == 1.0 and self.q_pool:
            yield Conflict(
                "'dim_mul' must be more than 1 where 'q_pool' is not 0: a stage subsamples as it "
                "adds features",
                "dim_mul",
            )
        if not self.use_expand_proj and self.dim_mul != 2.0:
            yield Conflict(
                "'dim_mul' must be 2 where 'use_expand_proj' is false: maximum and mean are two "
                "features for one",
                "dim_mul",
            )
        yield from self._size_conflicts()
        dims = products(self.embed_dim, self.dim_mul, len(self.stages))
        counts = products(self.num_heads, self.head_mul, len(self.stages))
        for features, heads in zip(dims, counts, strict=True):
            if features > 65_536 or features % heads:
                yield Conflict(
                    f"'num_heads' must divide the features of each stage evenly; got {heads} for "
                    f"{features}: choose other 'dim_mul' and 'head_mul'",
                    "num_heads",
                )
                break
        if int(self.embed_dim * self.mlp_ratio) < 1:
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave the MLP a hidden feature", "mlp_ratio"
            )

    def _size_conflicts(self) -> Iterator[Conflict]:
        pooled = tuple(stride**self.q_pool for stride in self.q_stride)
        if prod(self.mask_unit_size) % prod(pooled):
            yield Conflict(
                f"'mask_unit_size' must be a whole number of the {pooled[0]} x {pooled[1]} patches "
                f"that 'q_stride' {self.q_stride} makes one token of, 'q_pool' {self.q_pool} "
                f"times; got {self.mask_unit_size}",
                "mask_unit_size",
            )
            return
        sizes = zip(
            to_pair(self.img_size),
            self.patch_kernel,
            self.patch_stride,
            self.patch_padding,
            strict=True,
        )
        if any(
            (side + 2 * pad - kernel) // step + 1 != side // step
            for side, kernel, step, pad in sizes
        ):
            yield Conflict(
                f"'patch_padding' {self.patch_padding} must leave one patch for each "
                f"'patch_stride' {self.patch_stride} of 'img_size' {self.img_size}",
                "patch_padding",
            )
            return
        grid, halvings = self._grid(), len(self.stages) - 1
        steps = tuple(stride**halvings for stride in self.q_stride)
        odd = any(side % step for side, step in zip(grid, steps, strict=True))
        if odd or prod(grid) % prod(self.mask_unit_size) or not prod(grid):
            units = (lcm(*pair) for pair in zip(self.mask_unit_size, steps, strict=True))
            down, right = (unit * step for unit, step in zip(units, self.patch_stride, strict=True))
            yield Conflict(
                f"'img_size' {self.img_size} must be whole mask units of 'mask_unit_size' and "
                f"whole steps of 'q_stride' before each stage: choose multiples of {down} x "
                f"{right} pixels",
                "img_size",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens of each stage's last block."""
        return tuple(
            FeatureSpec(block.features, block.reduction, f"blocks.{index}")
            for index, block in enumerate(self.plan().blocks)
            if block.ends
        )

    @planned
    def plan(self) -> HieraPlan:
        """Every block with its numbers."""
        rates = drop_path_rates(self.drop_path_rate, sum(self.stages))
        dims = products(self.embed_dim, self.dim_mul, len(self.stages))
        heads = products(self.num_heads, self.head_mul, len(self.stages))
        stride, unit = prod(self.q_stride), prod(self.mask_unit_size)
        reduction, blocks = max(self.patch_stride), list[BlockPlan]()
        for stage, depth in enumerate(self.stages):
            for number in range(depth):
                enters = stage > 0 and number == 0
                pools = enters and stage <= self.q_pool
                reduction *= max(self.q_stride) if pools else 1
                unit //= stride if pools else 1
                blocks.append(
                    BlockPlan(
                        in_features=dims[stage - 1] if enters else dims[stage],
                        features=dims[stage],
                        num_heads=heads[stage],
                        hidden=int(dims[stage] * self.mlp_ratio),
                        tokens=unit if self.mask_unit_attn[stage - enters] else None,
                        stride=stride if pools else 1,
                        ends=number == depth - 1,
                        reduction=reduction,
                        drop_path_rate=rates[len(blocks)],
                    )
                )
        strides = (self.q_stride,) * (len(self.stages) - 1)
        return HieraPlan(self._grid(), strides, tuple(blocks))

    def _grid(self) -> tuple[int, int]:
        (height, width), (down, right) = to_pair(self.img_size), self.patch_stride
        return height // down, width // right


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """One block, with every number decided."""

    in_features: int
    features: int
    num_heads: int
    hidden: int
    """Hidden features of the MLP."""
    tokens: int | None
    """Queries in a mask unit, after the pooling; None where tokens attend to all others."""
    stride: int
    """Tokens that become one."""
    ends: bool
    """Whether it is the last block of its stage."""
    reduction: int
    """Input pixels for each position of the output."""
    drop_path_rate: float


@dataclass(frozen=True, slots=True)
class HieraPlan:
    """The whole network."""

    grid: tuple[int, int]
    """Rows and columns of patches."""
    strides: tuple[tuple[int, int], ...]
    """What rows and columns would be divided by before each stage after the first, if it
    subsampled: the order of tokens follows these."""
    blocks: tuple[BlockPlan, ...]
