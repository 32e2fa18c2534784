"""Biases of the attention between two tokens of a window, by how far they are apart.

Shapes: h x w tokens in a window, L = h w, A attention heads, R = (2h - 1) (2w - 1) distances of two
tokens, P tokens in front that have no place.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.layers.init import Initializers, normal, trunc_normal


class RelativeBiasTable(nn.Module):
    """Learns the bias of each distance (https://arxiv.org/abs/2103.14030, equation 4).

    Args:
        rows: R; three more where a token without a place stands in front.
        num_heads: A.
    """

    def __init__(self, rows: int, num_heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table: nn.Parameter = nn.Parameter(torch.empty(rows, num_heads))

    def initializers(self) -> Initializers:
        """Small random biases."""
        return {"relative_position_bias_table": trunc_normal(0.02)}

    def forward(self, index: Tensor) -> Tensor:
        """The row of each two tokens, (T, T), to their bias, (1, A, T, T)."""
        return self.relative_position_bias_table[index].permute(2, 0, 1)[None]


class RelativeBiasMap(nn.Module):
    """Learns the bias of each distance, as a map of the steps down and right from a query to a key,
    as TensorFlow's code of MaxViT has it.

    Args:
        window: h and w.
        num_heads: A.
    """

    def __init__(self, window: tuple[int, int], num_heads: int) -> None:
        super().__init__()
        rows, columns = (2 * side - 1 for side in window)
        self.relative_position_bias_table: nn.Parameter = nn.Parameter(
            torch.empty(num_heads, rows, columns)
        )

    def initializers(self) -> Initializers:
        """Small random biases."""
        return {"relative_position_bias_table": normal(0.02)}

    def forward(self, index: Tensor) -> Tensor:
        """The distance of each two tokens, (L, L), as a number below R, to their bias,
        (1, A, L, L)."""
        return self.relative_position_bias_table.flatten(1)[:, index.T][None]


class RelativeBiasMlp(nn.Module):
    """Computes the bias of each distance from its logarithm, by an MLP
    (https://arxiv.org/abs/2111.09883, section 3.3). Tokens without a place have no bias.

    Args:
        window: h and w.
        num_heads: A.
        hidden: hidden features of the MLP.
        prefix: P.
        bounded: whether biases are between 0 and 16, of distances relative to the window, as in the
            code of Swin V2.
    """

    def __init__(
        self,
        window: tuple[int, int],
        num_heads: int,
        *,
        hidden: int = 128,
        prefix: int = 0,
        bounded: bool = False,
    ) -> None:
        super().__init__()
        self.window = window
        self.prefix = prefix
        self.bounded = bounded
        self.mlp: nn.Sequential = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(2, hidden),
                act=nn.ReLU(),
                drop1=nn.Dropout(0.125),
                fc2=nn.Linear(hidden, num_heads, bias=not bounded),
            )
        )

    def forward(self, index: Tensor) -> Tensor:
        """The distance of each two tokens that have a place, (L, L), as a number below R, to the
        bias of all two tokens, (1, A, P + L, P + L)."""
        bias = self.mlp(self._distances())[index].permute(2, 0, 1)[None]
        bias = 16.0 * bias.sigmoid() if self.bounded else bias
        return F.pad(bias, (self.prefix, 0, self.prefix, 0))

    def _distances(self) -> Tensor:
        """The logarithm of each distance, with its sign, (R, 2)."""
        like = next(self.mlp.parameters())
        steps = (torch.arange(1 - side, side, device=like.device) for side in self.window)
        distances = torch.cartesian_prod(*steps).double()
        if self.bounded:
            reach = distances.new_tensor([max(side - 1, 1) for side in self.window])
            distances = distances * 8.0 / reach
        logarithms = distances.sign() * distances.abs().log1p()
        return (logarithms / math.log(8.0) if self.bounded else logarithms).to(like.dtype)
