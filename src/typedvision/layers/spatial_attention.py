"""Attention over the positions of a feature map: each one sees others, whatever the distance.

Every module takes (N, C, H, W) to the same shape, or to (N, C, H / s, W / s) by a stride s.
Shapes: M windows, h heads, d features of each head, T positions.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.errors import UsageError
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.init import (
    NORM,
    Initializers,
    kaiming_normal_fan_out,
    normal,
    torch_linear,
    trunc_normal,
    zeros,
)
from typedvision.layers.norm_act import Conv2dNormAct


class NonLocalAttention(nn.Module):
    """A non-local block (https://arxiv.org/abs/1711.07971, figure 2): the identity at first.

    Scores are divided by the square root of C.

    Args:
        channels: C.
        reduced: channels inside.
    """

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.t: _NonLocalConv = _NonLocalConv(channels, reduced, 1)
        self.p: _NonLocalConv = _NonLocalConv(channels, reduced, 1)
        self.g: _NonLocalConv = _NonLocalConv(channels, reduced, 1)
        self.z: _NonLocalConv = _NonLocalConv(reduced, channels, 1)
        self.norm: _ZeroBatchNorm2d = _ZeroBatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Add to each position what it attends to."""
        q, k, v = (part(x).flatten(2).transpose(1, 2)[:, None] for part in (self.t, self.p, self.g))
        y = attend(q, k, v, scale=x.shape[1] ** -0.5).transpose(2, 3)
        return x + self.norm(self.z(y.reshape(x.shape[0], -1, *x.shape[2:])))


class _NonLocalConv(nn.Conv2d):
    def initializers(self) -> Initializers:
        """Weights by the fan-out; biases by 0."""
        return {"weight": kaiming_normal_fan_out(), "bias": zeros}


class _ZeroBatchNorm2d(nn.BatchNorm2d):
    def initializers(self) -> Initializers:
        """A factor of 0, so that nothing passes at first (section 4.1)."""
        return {**NORM, "weight": zeros}


class BilinearAttention(nn.Module):
    """A bilinear attentional transform between two convolutions, added to the map
    ("Non-Local Neural Networks With Grouped Bilinear Attentional Transforms", CVPR 2020).

    Height and width must be multiples of the number of bands.

    Args:
        channels: C.
        reduced: channels inside, an even number.
        side: bands of rows and of columns.
    """

    def __init__(self, channels: int, reduced: int, side: int = 7) -> None:
        super().__init__()
        self.conv1: Conv2dNormAct = Conv2dNormAct(channels, reduced, 1, "relu")
        self.ba: _BilinearTransform = _BilinearTransform(reduced, side)
        self.conv2: Conv2dNormAct = Conv2dNormAct(reduced, channels, 1, "relu")
        self.dropout: nn.Dropout2d = nn.Dropout2d(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the transform makes of the map."""
        return x + self.dropout(self.conv2(self.ba(self.conv1(x))))


class _BilinearTransform(nn.Module):
    """P X Q for each of two groups of channels: P mixes bands of rows, Q bands of columns."""

    groups: ClassVar[int] = 2

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.side: int = side
        scores = self.groups * side**2
        self.conv1: Conv2dNormAct = Conv2dNormAct(channels, self.groups, 1, "relu")
        self.conv_p: nn.Conv2d = nn.Conv2d(self.groups, scores, (side, 1))
        self.conv_q: nn.Conv2d = nn.Conv2d(self.groups, scores, (1, side))
        self.conv2: Conv2dNormAct = Conv2dNormAct(channels, channels, 1, "relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        side, groups = self.side, self.groups
        _check_multiple(x, side, "bat")
        pooled = self.conv1(x)
        p = self.conv_p(F.adaptive_max_pool2d(pooled, (side, 1))).sigmoid()
        q = self.conv_q(F.adaptive_max_pool2d(pooled, (1, side))).sigmoid()
        p, q = (each.reshape(-1, groups, side, side) for each in (p, q))
        p, q = p / p.sum(3, keepdim=True), q / q.sum(2, keepdim=True)
        bands = x.reshape(
            x.shape[0], groups, -1, side, x.shape[2] // side, side, x.shape[3] // side
        )
        mixed = torch.einsum("ngij,ngcjrks,ngkl->ngcirls", p, bands, q)
        return self.conv2(mixed.reshape(x.shape))


class LambdaAttention(nn.Module):
    """A lambda layer (https://arxiv.org/abs/2102.08602, section 3): keys and values become a linear
    function of the query, out of the content and of positions around.

    Args:
        channels: C, a multiple of the number of heads.
        num_heads: heads h of the queries.
        key_dim: features of a key, and of each head's query.
        reach: positions on each side that a query sees; None for all of the map, whose size `grid`
            says.
        grid: rows and columns of the map, where `reach` is None.
        stride: input positions for each output position, an average of which is taken.
        bias: whether the projection has a bias.
    """

    def __init__(
        self,
        channels: int,
        *,
        num_heads: int = 4,
        key_dim: int = 16,
        reach: int | None = 4,
        grid: tuple[int, int] | None = None,
        stride: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        queries, values = num_heads * key_dim, channels // num_heads
        self.num_heads: int = num_heads
        self.sizes: tuple[int, int, int] = (queries, key_dim, values)
        self.grid: tuple[int, int] | None = grid
        if grid is not None:
            rows, columns = (2 * side - 1 for side in grid)
            self.pos_emb: nn.Parameter = nn.Parameter(torch.empty(rows, columns, key_dim))
        self.qkv: nn.Conv2d = nn.Conv2d(channels, sum(self.sizes), 1, bias=bias)
        self.norm_q: nn.BatchNorm2d = nn.BatchNorm2d(queries)
        self.norm_v: nn.BatchNorm2d = nn.BatchNorm2d(values)
        if reach is not None:
            side = 2 * reach + 1
            self.conv_lambda: _LambdaConv = _LambdaConv(
                1, key_dim, (side, side, 1), padding=(reach, reach, 0)
            )
        self.pool: nn.Module = nn.AvgPool2d(2) if stride == 2 else nn.Identity()

    def initializers(self) -> Initializers:
        """The table of positions by a narrow normal distribution."""
        return {} if self.grid is None else {"pos_emb": trunc_normal(0.02)}

    def forward(self, x: Tensor) -> Tensor:
        """Apply each position's lambda to its queries."""
        height, width = x.shape[2:]
        q, k, v = self.qkv(x).split(self.sizes, dim=1)
        q = self.norm_q(q).flatten(2).unflatten(1, (self.num_heads, -1))  # (N, h, d, T)
        v = self.norm_v(v)  # (N, V, H, W)
        content = torch.einsum("ndt,nvt->ndv", k.flatten(2).softmax(-1), v.flatten(2))
        y = torch.einsum("nhdt,ndv->nhvt", q, content)
        y = y + torch.einsum("nhdt,ndtv->nhvt", q, self._positions(v))
        return self.pool(y.reshape(x.shape[0], -1, height, width))

    def _positions(self, v: Tensor) -> Tensor:
        """The lambda of each position, of the values around, (N, d, T, V)."""
        if self.grid is None:
            return self.conv_lambda(v.permute(0, 2, 3, 1)[:, None]).flatten(2, 3)
        _check_grid(v, self.grid)
        height, width = self.grid
        table = self.pos_emb.unfold(0, height, 1).unfold(1, width, 1)  # (H, W, d, H, W)
        table = table.flip((0, 1)).flatten(3).flatten(0, 1)  # the next query's keys are nearer
        return torch.einsum("tdk,nvk->ndtv", table, v.flatten(2))


class _LambdaConv(nn.Conv3d):
    def initializers(self) -> Initializers:
        """Weights by a normal distribution: the key of each offset has norm 1 on average."""
        return {**torch_linear(self), "weight": normal(self.out_channels**-0.5)}


class HaloAttention(nn.Module):
    """Halo attention (https://arxiv.org/abs/2103.12731, section 2.2): blocks of positions attend to
    themselves and to some positions around.

    Height and width must be multiples of the block's side.

    Args:
        channels: C, a multiple of the number of heads.
        num_heads: heads h.
        key_dim: features of each head's queries and keys; None for those of its values.
        block_size: rows and columns of a block.
        halo_size: positions around it.
        stride: input positions for each output position: those of the others ask nothing, or an
            average is taken.
        averages: whether an average is taken.
        bias: whether projections have a bias.
        scale_positions: whether the scores by distance are scaled, as those by content are.
    """

    def __init__(
        self,
        channels: int,
        *,
        num_heads: int = 8,
        key_dim: int | None = None,
        block_size: int = 8,
        halo_size: int = 3,
        stride: int = 1,
        averages: bool = False,
        bias: bool = False,
        scale_positions: bool = False,
    ) -> None:
        super().__init__()
        key_dim = key_dim or channels // num_heads
        step = 1 if averages else stride
        self.num_heads: int = num_heads
        self.key_dim: int = key_dim
        self.block: int = block_size
        self.halo: int = halo_size
        self.query_block: int = block_size // step
        self.q: nn.Conv2d = nn.Conv2d(channels, num_heads * key_dim, 1, stride=step, bias=bias)
        self.kv: nn.Conv2d = nn.Conv2d(channels, num_heads * key_dim + channels, 1, bias=bias)
        window = block_size + 2 * halo_size
        self.pos_embed: _RelativePositions = _RelativePositions(
            (self.query_block, self.query_block), (window, window), key_dim, scaled=scale_positions
        )
        self.pool: nn.Module = nn.AvgPool2d(2) if stride > step else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Attend in each block's window; what lies outside of the map is zeros."""
        _check_multiple(x, self.block, "halo")
        side = self.query_block
        q = self._windows(self.q(x), side, 0)
        k, v = self._windows(self.kv(x), self.block, self.halo).tensor_split((self.key_dim,), -1)
        y = attend(q, k, v, bias=self.pos_embed(q))  # (M, h, T, d)
        rows, columns = x.shape[2] // self.block, x.shape[3] // self.block
        y = y.reshape(-1, rows, columns, self.num_heads, side, side, v.shape[-1])
        y = y.permute(0, 3, 6, 1, 4, 2, 5)
        return self.pool(y.reshape(x.shape[0], -1, rows * side, columns * side))

    def _windows(self, x: Tensor, block: int, halo: int) -> Tensor:
        """The positions of each block and of the halo around it, (M, h, T, d)."""
        side = block + 2 * halo
        x = F.pad(x, (halo, halo, halo, halo))
        x = x.unfold(2, side, block).unfold(3, side, block).flatten(4)
        x = x.reshape(x.shape[0], self.num_heads, -1, *x.shape[2:])  # (N, h, d, rows, columns, T)
        return x.permute(0, 3, 4, 1, 5, 2).flatten(0, 2)


class BottleneckAttention(nn.Module):
    """The attention of BoTNet (https://arxiv.org/abs/2101.11605, section 3): each position attends
    to all, by their content and their distance.

    Args:
        channels: C, a multiple of the number of heads.
        grid: rows and columns of the map.
        num_heads: heads h.
        key_dim: features of each head's queries and keys; None for those of its values.
        stride: input positions for each output position, an average of which is taken.
        bias: whether the projection has a bias.
        scale_positions: whether the scores by distance are scaled, as those by content are.
    """

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        *,
        num_heads: int = 4,
        key_dim: int | None = None,
        stride: int = 1,
        bias: bool = False,
        scale_positions: bool = False,
    ) -> None:
        super().__init__()
        key_dim = key_dim or channels // num_heads
        keys = num_heads * key_dim
        self.grid: tuple[int, int] = grid
        self.num_heads: int = num_heads
        self.sizes: tuple[int, int, int] = (keys, keys, channels)
        self.qkv: nn.Conv2d = nn.Conv2d(channels, sum(self.sizes), 1, bias=bias)
        self.pos_embed: _RelativePositions = _RelativePositions(
            grid, grid, key_dim, scaled=scale_positions
        )
        self.pool: nn.Module = nn.AvgPool2d(2) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / s, W / s)."""
        _check_grid(x, self.grid)
        parts = self.qkv(x).flatten(2).transpose(1, 2).split(self.sizes, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in parts)  # (N, h, T, d)
        y = merge_heads(attend(q, k, v, bias=self.pos_embed(q)))
        return self.pool(y.transpose(1, 2).reshape(x.shape))


class _RelativePositions(nn.Module):
    """Scores of queries by the distance to each key, in rows and in columns.

    Args:
        queries: rows and columns of queries.
        keys: rows and columns of keys, H x W.
        features: d.
        scaled: whether the scores are divided by the square root of d.
    """

    def __init__(
        self, queries: tuple[int, int], keys: tuple[int, int], features: int, *, scaled: bool
    ) -> None:
        super().__init__()
        self.queries: tuple[int, int] = queries
        self.keys: tuple[int, int] = keys
        self.scale: float = features**-0.5 if scaled else 1.0
        self.height_rel: nn.Parameter = nn.Parameter(torch.empty(2 * keys[0] - 1, features))
        self.width_rel: nn.Parameter = nn.Parameter(torch.empty(2 * keys[1] - 1, features))

    def initializers(self) -> Initializers:
        """Tables by a normal distribution, so that the scores of unit queries have variance 1."""
        table = normal(self.height_rel.shape[1] ** -0.5)
        return {"height_rel": table, "width_rel": table}

    def forward(self, q: Tensor) -> Tensor:
        """Queries (M, h, T, d) to scores (M, h, T, H * W)."""
        q = (q * self.scale).reshape(*q.shape[:2], *self.queries, -1)
        row_table = _by_query(self.height_rel, self.queries[0], self.keys[0])
        column_table = _by_query(self.width_rel, self.queries[1], self.keys[1])
        rows = torch.einsum("mhrcd,rdk->mhrck", q, row_table)
        columns = torch.einsum("mhrcd,cdk->mhrck", q, column_table)
        return (rows[..., :, None] + columns[..., None, :]).flatten(4).flatten(2, 3)


def _by_query(table: Tensor, queries: int, keys: int) -> Tensor:
    """The part of a table that each query sees, (queries, d, keys): the next query's keys are one
    step nearer."""
    return table.unfold(0, keys, 1)[-queries:].flip(0)


def _check_grid(x: Tensor, grid: tuple[int, int]) -> None:
    height, width = x.shape[2:]
    if (height, width) != grid:
        raise UsageError(
            f"this model's attention takes maps of {grid[0]} x {grid[1]} positions; got "
            f"{height} x {width}: choose the images' size by 'img_size'"
        )


def _check_multiple(x: Tensor, side: int, name: str) -> None:
    height, width = x.shape[2:]
    if height % side or width % side:
        raise UsageError(
            f"'attn_layer' = '{name}' takes maps whose height and width are multiples of {side}; "
            f"got {height} x {width}: choose an input size that is {side} times the model's "
            "largest stride, or a multiple of that"
        )
