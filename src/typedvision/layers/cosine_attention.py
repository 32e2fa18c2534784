"""Attention by cosines (https://arxiv.org/abs/2111.09883, equation 2).

Shapes: N images or windows, h heads, T tokens, d features of each head.
"""

from __future__ import annotations

import math
from typing import Final

import torch.nn.functional as F
from torch import Tensor

from typedvision.layers.attention import attend

INITIAL_LOGIT_SCALE: Final = math.log(10.0)
"""Initial logarithm of what the cosines are multiplied by."""
MAX_LOGIT_SCALE: Final = math.log(100.0)
"""The largest logarithm of it."""


def attend_by_cosine(
    q: Tensor, k: Tensor, v: Tensor, logit_scale: Tensor, bias: Tensor, drop: float = 0.0
) -> Tensor:
    """softmax(cos(q, k) * exp(logit_scale) + bias) v, each (N, h, T, d).

    Args:
        q: queries.
        k: keys.
        v: values.
        logit_scale: of each head, (h, 1, 1).
        bias: (N or 1, h, T, T).
        drop: dropout probability of the attention weights.
    """
    scale = logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
    return attend(F.normalize(q, dim=-1) * scale, F.normalize(k, dim=-1), v, drop, bias, 1.0)
