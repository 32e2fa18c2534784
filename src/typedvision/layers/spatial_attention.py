"""Attention over the positions of a feature map: each one sees others, whatever the distance.

Every module takes (N, C, H, W) to the same shape.
Shapes: M windows, h heads, d features of each head, T positions.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.errors import UsageError
from typedvision.layers.attention import attend
from typedvision.layers.init import (
    NORM,
    Initializers,
    kaiming_normal_fan_out,
    normal,
    torch_linear,
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
    """A lambda layer (https://arxiv.org/abs/2102.08602, section 3) with 4 heads: keys and values
    become a linear function of the query, out of the content and of a 9x9 neighbourhood.

    Args:
        channels: C, a multiple of 4.
    """

    heads: ClassVar[int] = 4
    head_dim: ClassVar[int] = 16
    reach: ClassVar[int] = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        queries, values = self.heads * self.head_dim, channels // self.heads
        side = 2 * self.reach + 1
        self.sizes: tuple[int, int, int] = (queries, self.head_dim, values)
        self.qkv: nn.Conv2d = nn.Conv2d(channels, sum(self.sizes), 1, bias=False)
        self.norm_q: nn.BatchNorm2d = nn.BatchNorm2d(queries)
        self.norm_v: nn.BatchNorm2d = nn.BatchNorm2d(values)
        self.conv_lambda: _LambdaConv = _LambdaConv(
            1, self.head_dim, (side, side, 1), padding=(self.reach, self.reach, 0)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply each position's lambda to its queries."""
        q, k, v = self.qkv(x).split(self.sizes, dim=1)
        q = self.norm_q(q).flatten(2).unflatten(1, (self.heads, self.head_dim))  # (N, h, d, T)
        v = self.norm_v(v)  # (N, V, H, W)
        content = torch.einsum("ndt,nvt->ndv", k.flatten(2).softmax(-1), v.flatten(2))
        position = self.conv_lambda(v.permute(0, 2, 3, 1)[:, None]).flatten(2, 3)  # (N, d, T, V)
        y = torch.einsum("nhdt,ndv->nhvt", q, content)
        y = y + torch.einsum("nhdt,ndtv->nhvt", q, position)
        return y.reshape(x.shape)


class _LambdaConv(nn.Conv3d):
    def initializers(self) -> Initializers:
        """Weights by a normal distribution: the key of each offset has norm 1 on average."""
        return {**torch_linear(self), "weight": normal(self.out_channels**-0.5)}


class HaloAttention(nn.Module):
    """Halo attention (https://arxiv.org/abs/2103.12731, section 2.2) with 8 heads: blocks of 8 x 8
    positions attend to themselves and 3 positions around.

    Height and width must be multiples of 8.

    Args:
        channels: C, a multiple of 8.
    """

    heads: ClassVar[int] = 8
    block: ClassVar[int] = 8
    halo: ClassVar[int] = 3

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.q: nn.Conv2d = nn.Conv2d(channels, channels, 1, bias=False)
        self.kv: nn.Conv2d = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.pos_embed: _RelativePositions = _RelativePositions(
            self.block, self.block + 2 * self.halo, channels // self.heads
        )

    def forward(self, x: Tensor) -> Tensor:
        """Attend in each block's window; what lies outside of the map is zeros."""
        _check_multiple(x, self.block, "halo")
        q = self._windows(self.q(x), 0)
        k, v = self._windows(self.kv(x), self.halo).chunk(2, dim=-1)
        y = attend(q, k, v, bias=self.pos_embed(q))  # (M, h, 64, d)
        rows, columns = x.shape[2] // self.block, x.shape[3] // self.block
        y = y.reshape(-1, rows, columns, self.heads, self.block, self.block, q.shape[-1])
        return y.permute(0, 3, 6, 1, 4, 2, 5).reshape(x.shape)

    def _windows(self, x: Tensor, halo: int) -> Tensor:
        """The positions of each block and of the halo around it, (M, h, T, d)."""
        side = self.block + 2 * halo
        x = F.pad(x, (halo, halo, halo, halo))
        x = x.unfold(2, side, self.block).unfold(3, side, self.block).flatten(4)
        x = x.reshape(x.shape[0], self.heads, -1, *x.shape[2:])  # (N, h, d, rows, columns, T)
        return x.permute(0, 3, 4, 1, 5, 2).flatten(0, 2)


class _RelativePositions(nn.Module):
    """Scores of queries by the distance to each key, in rows and in columns."""

    def __init__(self, block: int, window: int, features: int) -> None:
        super().__init__()
        self.block: int = block
        self.window: int = window
        self.height_rel: nn.Parameter = nn.Parameter(torch.empty(2 * window - 1, features))
        self.width_rel: nn.Parameter = nn.Parameter(torch.empty(2 * window - 1, features))

    def initializers(self) -> Initializers:
        """Tables by a normal distribution, so that the scores of unit queries have variance 1."""
        table = normal(self.height_rel.shape[1] ** -0.5)
        return {"height_rel": table, "width_rel": table}

    def forward(self, q: Tensor) -> Tensor:
        """Queries (M, h, block^2, d) to scores (M, h, block^2, window^2)."""
        q = q.reshape(*q.shape[:2], self.block, self.block, -1)
        rows = torch.einsum("mhrcd,rdk->mhrck", q, self._by_query(self.height_rel))
        columns = torch.einsum("mhrcd,cdk->mhrck", q, self._by_query(self.width_rel))
        return (rows[..., :, None] + columns[..., None, :]).flatten(4).flatten(2, 3)

    def _by_query(self, table: Tensor) -> Tensor:
        """The part of the table that each query sees, (block, d, window): the next query's keys are
        one step nearer."""
        return table.unfold(0, self.window, 1)[-self.block :].flip(0)


def _check_multiple(x: Tensor, side: int, name: str) -> None:
    height, width = x.shape[2:]
    if height % side or width % side:
        raise UsageError(
            f"'attn_layer' = '{name}' takes maps whose height and width are multiples of {side}; "
            f"got {height} x {width}: choose an input size that is {side} times the model's "
            "largest stride, or a multiple of that"
        )
