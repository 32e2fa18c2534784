"""The image encoder of SAM 2 as data: what can vary, and every number that follows from it."""

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
    KernelSize,
    ModelConfig,
    Rate,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, TokenNorm
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, products, uneven_stages
from typedvision.config.windows import MAX_STAGES, Window

if TYPE_CHECKING:
    from typedvision.families.hieradet_sam2.model import HieraDet

MLP_RATIO = 4
"""Hidden features of the MLPs for each feature of a token."""
SMALLEST = 64
"""Height and width in pixels of the smallest image that every model takes."""
Factor = Annotated[float, Field(ge=0.0, le=1_024.0)]
Growth = Annotated[float, Field(ge=1.0, le=16.0)]
Pair = tuple[KernelSize, KernelSize]
Padding = Annotated[int, Field(ge=0, le=63)]
BlockIndex = Annotated[int, Field(ge=0, le=8_192)]
_PER_STAGE = Field(min_length=1, max_length=MAX_STAGES)


class HieraDetConfig(ModelConfig, Builds["HieraDet"]):
    """The Hiera of SAM 2: attention in windows, and in the whole map in a few blocks
    (https://arxiv.org/abs/2408.00714, https://arxiv.org/abs/2306.00989)."""

    global_pool: Literal["", "avg", "max", "avgmax"] = "avg"
    """How the last feature map becomes a vector; with `""` every position is classified."""
    embed_dim: Channels = 96
    """Features of each token of the first stage."""
    num_heads: Heads = 1
    """Attention heads of the first stage."""
    patch_kernel: Pair = (7, 7)
    """Height and width of the convolution that makes patches."""
    patch_stride: Pair = (4, 4)
    """Pixels from patch to patch, down and right."""
    patch_padding: tuple[Padding, Padding] = (3, 3)
    """Pixels of padding of that convolution, down and right."""
    q_pool: Annotated[int, Field(ge=0, le=MAX_STAGES)] = 3
    """How many of the stages after the first subsample."""
    q_stride: tuple[Window, Window] = (2, 2)
    """What such a stage divides rows and columns by."""
    stages: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 3, 16, 3)
    """Number of blocks of each stage."""
    dim_mul: Growth = 2.0
    """Features of each stage, for each of the stage before."""
    head_mul: Growth = 2.0
    """Heads of each stage, for each of the stage before."""
    global_pos_size: Pair = (7, 7)
    """Rows and columns of the table of positions in the whole map, which is resized to each."""
    window_spec: Annotated[tuple[Window, ...], _PER_STAGE] = (8, 4, 14, 7)
    """Rows and columns of tokens in a window, in each stage; the first block of a stage has the
    window of the stage before."""
    global_att_blocks: Annotated[tuple[BlockIndex, ...], Field(max_length=256)] = (12, 16, 20)
    """The blocks that attend to the whole map, counted from 0."""
    init_values: Factor | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    weight_init: Literal["", "reset"] = ""
    """How linear layers are initialised: normal of deviation 0.02, with biases of 0.02, as the
    published code does (`""`), or as PyTorch does (`reset`)."""
    fix_init: bool = True
    """Divide the initial weights of the last layers of the branches of block n by sqrt(2 n)."""
    head_init_scale: Factor = 0.001
    """Factor of the classifier's initial weights, where `weight_init` is `reset`; zeros else."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    act_layer: Activation = "gelu"
    """Activation."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        stages = len(self.stages)
        if uneven := uneven_stages(self, "stages", "window_spec"):
            yield from uneven
            return
        if self.q_pool >= stages:
            yield Conflict(
                f"'q_pool' must be at most {stages - 1}, the stages after the first; got "
                f"{self.q_pool}",
                "q_pool",
            )
        for kernel, stride, padding in zip(
            self.patch_kernel, self.patch_stride, self.patch_padding, strict=True
        ):
            if kernel < stride:
                yield Conflict(
                    "'patch_stride' must be at most 'patch_kernel': pixels between would be lost",
                    "patch_stride",
                )
            if 2 * padding > kernel:
                yield Conflict(
                    "'patch_padding' must be at most half of 'patch_kernel'", "patch_padding"
                )
        smallest = zip(self.patch_stride, self.q_stride, strict=True)
        if any(patch * pool**self.q_pool > SMALLEST for patch, pool in smallest):
            yield Conflict(
                f"'patch_stride' {self.patch_stride} and 'q_stride' {self.q_stride}, 'q_pool' "
                f"{self.q_pool} times, must leave a position of an image of {SMALLEST} pixels",
                "q_stride",
            )
        if self.dim_mul == 1.0 and self.q_pool:
            yield Conflict(
                "'dim_mul' must be more than 1 where 'q_pool' is not 0: a stage subsamples with "
                "the layer that adds features",
                "dim_mul",
            )
        for index in range(min(self.q_pool, stages - 1)):
            if any(self.window_spec[index] % stride for stride in self.q_stride):
                yield Conflict(
                    f"'window_spec' must be multiples of 'q_stride' {self.q_stride} before a stage "
                    f"that subsamples; got {self.window_spec[index]}",
                    "window_spec",
                )
        dims = products(self.embed_dim, self.dim_mul, len(self.stages))
        counts = products(self.num_heads, self.head_mul, len(self.stages))
        for features, heads in zip(dims, counts, strict=True):
            if features > 65_536 or features % heads:
                yield Conflict(
                    f"'num_heads' must divide the features of each stage evenly; got {heads} for "
                    f"{features}: choose other 'dim_mul' and 'head_mul'",
                    "num_heads",
                )
                return

    def features(self) -> tuple[FeatureSpec, ...]:
        """The map of each stage's last block."""
        return tuple(
            FeatureSpec(block.features, block.reduction, f"blocks.{index}")
            for index, block in enumerate(self.plan())
            if block.ends
        )

    @planned
    def plan(self) -> tuple[BlockPlan, ...]:
        """Every block with its numbers."""
        rates = drop_path_rates(self.drop_path_rate, sum(self.stages))
        dims = products(self.embed_dim, self.dim_mul, len(self.stages))
        heads = products(self.num_heads, self.head_mul, len(self.stages))
        reduction, blocks = max(self.patch_stride), list[BlockPlan]()
        for stage, depth in enumerate(self.stages):
            for number in range(depth):
                enters = stage > 0 and number == 0
                pools = enters and stage <= self.q_pool
                reduction *= max(self.q_stride) if pools else 1
                everywhere = len(blocks) in self.global_att_blocks
                blocks.append(
                    BlockPlan(
                        in_features=dims[stage - 1] if enters else dims[stage],
                        features=dims[stage],
                        num_heads=heads[stage],
                        hidden=MLP_RATIO * dims[stage],
                        window=None if everywhere else self.window_spec[stage - enters],
                        stride=self.q_stride if pools else None,
                        ends=number == depth - 1,
                        reduction=reduction,
                        drop_path_rate=rates[len(blocks)],
                    )
                )
        return tuple(blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """One block, with every number decided."""

    in_features: int
    features: int
    num_heads: int
    hidden: int
    """Hidden features of the MLP."""
    window: int | None
    """Rows and columns of tokens in a window; None for the whole map."""
    stride: tuple[int, int] | None
    """What rows and columns are divided by; None for no subsampling."""
    ends: bool
    """Whether it is the last block of its stage."""
    reduction: int
    """Input pixels for each position of the output."""
    drop_path_rate: float
