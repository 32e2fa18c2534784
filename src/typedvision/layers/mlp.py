"""Two-layer MLPs, plain and gated.

Shapes: N images, T tokens, D features.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator, Tensor, nn

from typedvision.layers.init import Initializer, Initializers, normal, ones
from typedvision.layers.norm import GlobalResponseNorm


class Mlp(nn.Module):
    """fc2(act(fc1(x))).

    Args:
        features: D.
        hidden: hidden features.
        act: the activation, which must not overwrite its input.
        bias: whether both layers have a bias.
        drop: dropout probability after each layer.
        norm: makes the normalisation before the last layer; None for none.
        use_conv: of a map (N, D, H, W), by 1x1 convolutions.
        out_features: features of the output; None for D.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        act: nn.Module,
        *,
        out_features: int | None = None,
        bias: bool = True,
        drop: float = 0.0,
        norm: Callable[[int], nn.Module] | None = None,
        use_conv: bool = False,
    ) -> None:
        super().__init__()
        self.fc1: nn.Module = _dense(features, hidden, bias, use_conv)
        self.act = act
        self.drop1: nn.Dropout = nn.Dropout(drop)
        self.norm: nn.Module = norm(hidden) if norm else nn.Identity()
        self.fc2: nn.Module = _dense(hidden, out_features or features, bias, use_conv)
        self.drop2: nn.Dropout = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = self.norm(self.drop1(self.act(self.fc1(x))))
        return self.drop2(self.fc2(x))


class GlobalResponseNormMlp(nn.Module):
    """An MLP over a map, (N, H, W, D) or with `use_conv` (N, D, H, W), whose hidden channels
    compete (https://arxiv.org/abs/2301.00808, figure 5).

    Args:
        features: D.
        hidden: hidden channels.
        act: the activation.
        use_conv: whether its layers are 1x1 convolutions.
    """

    def __init__(
        self, features: int, hidden: int, act: nn.Module, *, use_conv: bool = False
    ) -> None:
        super().__init__()
        self.fc1: nn.Module = _dense(features, hidden, True, use_conv)
        self.act = act
        self.grn: GlobalResponseNorm = GlobalResponseNorm(hidden, channels_last=not use_conv)
        self.fc2: nn.Module = _dense(hidden, features, True, use_conv)

    def forward(self, x: Tensor) -> Tensor:
        """A map to the same shape."""
        return self.fc2(self.grn(self.act(self.fc1(x))))


def _dense(features: int, out_features: int, bias: bool, use_conv: bool) -> nn.Module:
    """A linear layer over the last dimension, or with `use_conv` over the second one."""
    if use_conv:
        return nn.Conv2d(features, out_features, 1, bias=bias)
    return nn.Linear(features, out_features, bias=bias)


class GluMlp(nn.Module):
    """A gated MLP (https://arxiv.org/abs/2002.05202) whose first layer gives both halves.

    Args:
        features: D.
        hidden: features of both halves together.
        act: activation of the gate.
        gate_last: whether the second half is the gate.
        bias: whether both layers have a bias.
        drop: dropout probability.
        norm: makes the normalisation before the last layer; None for none.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        act: nn.Module,
        *,
        gate_last: bool,
        bias: bool = True,
        drop: float = 0.0,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.gate_last = gate_last
        self.fc1: nn.Linear = nn.Linear(features, hidden, bias=bias)
        self.act = act
        self.drop1: nn.Dropout = nn.Dropout(drop)
        self.norm: nn.Module = norm(hidden // 2) if norm else nn.Identity()
        self.fc2: nn.Linear = nn.Linear(hidden // 2, features, bias=bias)
        self.drop2: nn.Dropout = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        first, second = self.fc1(x).chunk(2, dim=-1)
        x = first * self.act(second) if self.gate_last else self.act(first) * second
        return self.drop2(self.fc2(self.norm(self.drop1(x))))


class SwiGLU(nn.Module):
    """A gated MLP with a layer each for the gate and the gated
    (https://arxiv.org/abs/2002.05202, equation 6): fc2(act(x W) * (x V)).

    Args:
        features: D.
        hidden: features of the gate, and of the gated.
        act: activation of the gate.
        bias: whether all layers have a bias.
        drop: dropout probability.
        norm: makes the normalisation before the last layer; None for none.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        act: nn.Module,
        *,
        bias: bool = True,
        drop: float = 0.0,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.fc1_g: nn.Linear = nn.Linear(features, hidden, bias=bias)
        self.fc1_x: nn.Linear = nn.Linear(features, hidden, bias=bias)
        self.act = act
        self.drop1: nn.Dropout = nn.Dropout(drop)
        self.norm: nn.Module = norm(hidden) if norm else nn.Identity()
        self.fc2: nn.Linear = nn.Linear(hidden, features, bias=bias)
        self.drop2: nn.Dropout = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = self.norm(self.drop1(self.act(self.fc1_g(x)) * self.fc1_x(x)))
        return self.drop2(self.fc2(x))


class GeGLU(nn.Module):
    """A gated MLP that normalises its input (ViTamin, https://arxiv.org/abs/2404.02132,
    section 4.1): w2(act(w0(x)) * w1(x)).

    Args:
        features: D.
        hidden: features of the gate, and of the gated.
        act: activation of the gate.
        bias: whether all layers have a bias.
        drop: dropout probability.
        norm: makes the normalisation; None for that of layers.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        act: nn.Module,
        *,
        bias: bool = True,
        drop: float = 0.0,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.norm: nn.Module = norm(features) if norm else nn.LayerNorm(features, eps=1e-6)
        self.w0: nn.Linear = nn.Linear(features, hidden, bias=bias)
        self.act = act
        self.w1: nn.Linear = nn.Linear(features, hidden, bias=bias)
        self.drop1: nn.Dropout = nn.Dropout(drop)
        self.w2: nn.Linear = nn.Linear(hidden, features, bias=bias)
        self.drop2: nn.Dropout = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = self.norm(x)
        x = self.drop1(self.act(self.w0(x)) * self.w1(x))
        return self.drop2(self.w2(x))


GATE: Initializers = {"weight": normal(1e-6), "bias": ones}
"""Initial weights of a gate's layer: about 1 for every token."""


def half_gate(initializers: Initializers) -> Initializers:
    """These initial weights, with those of a gate (`GATE`) for the second half of the outputs."""

    def halved(whole: Initializer, gate: Initializer) -> Initializer:
        def fill(tensor: Tensor, generator: Generator) -> None:
            whole(tensor, generator)
            gate(tensor[tensor.shape[0] // 2 :], generator)

        return fill

    return {name: halved(initializers[name], GATE[name]) for name in GATE}
