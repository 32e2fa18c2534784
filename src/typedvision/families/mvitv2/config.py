"""MViTv2 as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
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
from typedvision.config.stages import drop_path_rates, uneven_heads

if TYPE_CHECKING:
    from typedvision.families.mvitv2.model import MultiScaleVit

Pair = tuple[KernelSize, KernelSize]
Padding = Annotated[int, Field(ge=0, le=63)]
PoolMode = Literal["conv", "avg", "max"]
_Few = Field(min_length=1, max_length=8)


class MViTv2Config(ModelConfig, Builds["MultiScaleVit"]):
    """A Multiscale Vision Transformer V2: attention whose queries, keys and values are pooled
    (https://arxiv.org/abs/2112.01526)."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    global_pool: Literal["", "avg", "token"] = "avg"
    """How tokens become a vector: the mean of the patches, or the class token; with `""` every
    token is classified."""
    depths: Annotated[tuple[Depth, ...], _Few] = (2, 3, 16, 3)
    """Number of blocks of each stage."""
    embed_dim: Annotated[tuple[Channels, ...], _Few] = (96, 192, 384, 768)
    """Features of each token of each stage."""
    num_heads: Annotated[tuple[Heads, ...], _Few] = (1, 2, 4, 8)
    """Attention heads of each stage."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a token."""
    expand_attn: bool = True
    """Widen tokens in the attention of the first block of a stage; else in the MLP of the last
    block of the stage before."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    use_cls_token: bool = False
    """Put a learned class token in front of the patches."""
    use_abs_pos: bool = False
    """Learn a table of the patches' positions."""
    residual_pooling: bool = True
    """Add the pooled queries to the output of the attention (section 3.1)."""
    mode: PoolMode = "conv"
    """How queries, keys and values are pooled: by a depthwise convolution and a normalisation, or
    by a mean or maximum."""
    kernel_qkv: Pair = (3, 3)
    """Rows and columns of the kernel of that pooling."""
    stride_q: Annotated[tuple[Pair, ...], _Few] = ((1, 1), (2, 2), (2, 2), (2, 2))
    """What the first block of each stage divides the rows and columns of queries by."""
    stride_kv: Annotated[tuple[Pair, ...], _Few] | None = None
    """What the blocks of each stage divide the rows and columns of keys and values by; None where
    that follows from `stride_kv_adaptive`."""
    stride_kv_adaptive: Pair | None = (4, 4)
    """What the first stage divides the rows and columns of keys and values by; a stage that has
    fewer of both than the one before divides by as much less. None where `stride_kv` says it."""
    patch_kernel: Pair = (7, 7)
    """Height and width of the convolution that makes patches."""
    patch_stride: Pair = (4, 4)
    """Pixels from patch to patch, down and right."""
    patch_padding: tuple[Padding, Padding] = (3, 3)
    """Pixels of padding of that convolution, down and right."""
    rel_pos_type: Literal["none", "spatial"] = "spatial"
    """Learn what distances in rows and in columns add to the attention (equation 4); or nothing."""
    norm_layer: TokenNorm = "layernorm"
    """Normalisation."""
    norm_eps: Eps = 1e-6
    """Added to the variance in each normalisation."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.global_pool == "token" and not self.use_cls_token:
            yield Conflict(
                "'global_pool' must not be 'token' where 'use_cls_token' is false: there is no "
                "such token; pool by 'avg'",
                "global_pool",
            )
        if any(side % 2 == 0 for side in self.kernel_qkv):
            yield Conflict(
                f"'kernel_qkv' must be odd, so that it keeps the size of a map; got "
                f"{self.kernel_qkv}",
                "kernel_qkv",
            )
        if (self.stride_kv is None) == (self.stride_kv_adaptive is None):
            yield Conflict(
                "'stride_kv' says what 'stride_kv_adaptive' follows: set one of them to None",
                "stride_kv",
            )
        stages = len(self.depths)
        for name in ("embed_dim", "num_heads", "stride_q", "stride_kv"):
            count = len(getattr(self, name) or self.depths)
            if count < stages:
                yield Conflict(
                    f"'{name}' must have a value for each stage of 'depths': {stages}; got {count}",
                    name,
                )
                return
        strides = (*self.stride_q, *self._key_strides())
        if self.rel_pos_type == "spatial" and any(down != right for down, right in strides):
            yield Conflict(
                "'rel_pos_type' must be 'none' where 'stride_q' or the strides of keys divide rows "
                "by another number than columns",
                "rel_pos_type",
            )
        yield from uneven_heads(self.embed_dim, self.num_heads, "embed_dim")
        if any(int(features * self.mlp_ratio) < 1 for features in self.embed_dim):
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave the MLP a hidden feature", "mlp_ratio"
            )
        yield from self._size_conflicts()

    def _size_conflicts(self) -> Iterator[Conflict]:
        if min(self._grid()) < 1:
            yield Conflict(
                f"'patch_kernel' {self.patch_kernel} must fit into the padded image; 'img_size' is "
                f"{self.img_size}",
                "patch_kernel",
            )
            return
        grid = self._grid()
        for stride in self.stride_q[: len(self.depths)]:
            queries = _pooled(grid, stride)
            if _shortcut(grid, stride) != queries:
                yield Conflict(
                    f"'stride_q' must be even, or 1, where it divides rows or columns evenly: the "
                    f"shortcut would have other ones; got {stride} for {grid[0]} x {grid[1]}",
                    "stride_q",
                )
                return
            grid = queries

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`, for which the positions are made."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The patches of each stage."""
        reduction, levels = max(self.patch_stride), list[FeatureSpec]()
        for index, stage in enumerate(self.plan().stages):
            reduction *= max(self.stride_q[index])
            levels.append(FeatureSpec(stage[-1].features, reduction, f"stages.{index}"))
        return tuple(levels)

    @planned
    def plan(self) -> MViTv2Plan:
        """Every block with its numbers."""
        stages = len(self.depths)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        strides = self._key_strides()
        grid, features = self._grid(), self.embed_dim[0]
        plans = list[tuple[BlockPlan, ...]]()
        for stage, depth in enumerate(self.depths):
            blocks = list[BlockPlan]()
            for number in range(depth):
                expands = self.expand_attn or number < depth - 1
                output = self.embed_dim[stage if expands else min(stage + 1, stages - 1)]
                width = output if self.expand_attn else features
                stride = self.stride_q[stage] if number == 0 else (1, 1)
                queries = _pooled(grid, stride)
                blocks.append(
                    BlockPlan(
                        in_features=features,
                        attn_features=width,
                        features=output,
                        num_heads=self.num_heads[stage],
                        grid=grid,
                        queries=queries,
                        keys=_pooled(grid, strides[stage]),
                        stride=stride,
                        key_stride=strides[stage],
                        hidden=int(width * self.mlp_ratio),
                        drop_path_rate=next(rates),
                    )
                )
                grid, features = queries, output
            plans.append(tuple(blocks))
        return MViTv2Plan(self._grid(), tuple(plans))

    def _grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        rows, columns = (
            (side + 2 * padding - kernel) // stride + 1
            for side, kernel, stride, padding in zip(
                to_pair(self.img_size),
                self.patch_kernel,
                self.patch_stride,
                self.patch_padding,
                strict=True,
            )
        )
        return rows, columns

    def _key_strides(self) -> tuple[tuple[int, int], ...]:
        """What each stage divides the rows and columns of keys and values by."""
        if self.stride_kv is not None:
            return self.stride_kv
        down, right = self.stride_kv_adaptive or (1, 1)
        strides = list[tuple[int, int]]()
        for stride in self.stride_q:
            if min(stride) > 1:
                down, right = max(down // stride[0], 1), max(right // stride[1], 1)
            strides.append((down, right))
        return tuple(strides)


def _pooled(grid: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a map after a pooling whose odd kernel is padded by half of it."""
    (rows, columns), (down, right) = grid, stride
    return -(-rows // down), -(-columns // right)


def _shortcut(grid: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a map after the maximum of a shortcut, whose kernel is one more than its
    stride."""
    rows, columns = (
        side if step == 1 else (side + 2 * ((step + 1) // 2) - step - 1) // step + 1
        for side, step in zip(grid, stride, strict=True)
    )
    return rows, columns


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """One block, with every number decided."""

    in_features: int
    attn_features: int
    """Features of each token after the attention."""
    features: int
    """Features of each token after the MLP."""
    num_heads: int
    grid: tuple[int, int]
    """Rows and columns of the input's patches."""
    queries: tuple[int, int]
    """Rows and columns of the pooled queries, and of the output's patches."""
    keys: tuple[int, int]
    """Rows and columns of the pooled keys and values."""
    stride: tuple[int, int]
    """What the rows and columns of queries are divided by."""
    key_stride: tuple[int, int]
    """What the rows and columns of keys and values are divided by."""
    hidden: int
    """Hidden features of the MLP."""
    drop_path_rate: float

    @property
    def subsamples(self) -> bool:
        """Whether there are fewer queries than patches."""
        return prod(self.stride) > 1


@dataclass(frozen=True, slots=True)
class MViTv2Plan:
    """The whole network."""

    grid: tuple[int, int]
    """Rows and columns of patches."""
    stages: tuple[tuple[BlockPlan, ...], ...]
    """The blocks of each stage."""
