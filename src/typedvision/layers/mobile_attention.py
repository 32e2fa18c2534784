"""Self-attention over the positions of a map, as MobileNetV4 has it.

Shapes: N images, C channels in, D channels out, H x W positions, h heads, k features of a query
and a key, v features of a value.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from typedvision.config.mobile.plans import AttentionPlan, BlockStyle
from typedvision.layers.attention import attend
from typedvision.layers.conv import conv2d
from typedvision.layers.norm_act import norm_act


class MultiQueryAttention2d(nn.Module):
    """All heads share keys and values (https://arxiv.org/abs/1911.02150), which may come from a
    subsampled map (https://arxiv.org/abs/2404.10518, equation 1).

    Args:
        plan: its numbers.
        style: the convolution and the normalisation where the map is subsampled.
    """

    def __init__(self, plan: AttentionPlan, style: BlockStyle) -> None:
        super().__init__()
        self.num_heads: int = plan.num_heads
        queries, values = plan.num_heads * plan.key_dim, plan.num_heads * plan.value_dim
        self.query: nn.Sequential = _projection(plan.in_channels, queries)
        self.key: nn.Sequential = _subsampled(plan, style, plan.key_dim)
        self.value: nn.Sequential = _subsampled(plan, style, plan.value_dim)
        self.output: nn.Sequential = _projection(values, plan.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        q = _to_heads(self.query(x), self.num_heads)
        k, v = _to_heads(self.key(x), 1), _to_heads(self.value(x), 1)
        heads = (-1, self.num_heads, -1, -1)
        return self.output(_to_map(attend(q, k.expand(heads), v.expand(heads)), x))


class Attention2d(nn.Module):
    """Multi-head self-attention (https://arxiv.org/abs/1706.03762, section 3.2.2).

    Args:
        in_channels: C, which the heads share out.
        out_channels: D.
        num_heads: h.
    """

    def __init__(self, in_channels: int, out_channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv: nn.Conv2d = nn.Conv2d(in_channels, 3 * in_channels, 1, bias=False)
        self.proj: nn.Conv2d = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        parts = self.qkv(x).chunk(3, dim=1)
        q, k, v = (_to_heads(parts[place], self.num_heads) for place in range(3))
        return self.proj(_to_map(attend(q, k, v), x))


def _projection(in_channels: int, out_channels: int) -> nn.Sequential:
    proj = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return nn.Sequential(OrderedDict(proj=proj))


def _subsampled(plan: AttentionPlan, style: BlockStyle, out_channels: int) -> nn.Sequential:
    """A projection of a map that is subsampled before where the plan says so."""
    proj = nn.Conv2d(plan.in_channels, out_channels, 1, bias=False)
    if plan.kv_stride == 1:
        return nn.Sequential(OrderedDict(proj=proj))
    down_conv = conv2d(
        plan.in_channels,
        plan.in_channels,
        plan.kernel_size,
        stride=plan.kv_stride,
        dilation=plan.dilation,
        groups=plan.in_channels,
        pad_type=style.pad_type,
    )
    usual_eps = 1e-6 if style.norm_layer == "layernorm2d" else None
    norm, _ = norm_act(
        style.norm_layer,
        plan.in_channels,
        None,
        eps=style.norm_eps or usual_eps,
        momentum=style.norm_momentum,
        group_size=style.norm_group_size,
    )
    return nn.Sequential(OrderedDict(down_conv=down_conv, norm=norm, proj=proj))


def _to_heads(x: Tensor, num_heads: int) -> Tensor:
    """(N, h k, H, W) to (N, h, H W, k)."""
    return x.reshape(x.shape[0], num_heads, -1, x.shape[2] * x.shape[3]).transpose(2, 3)


def _to_map(x: Tensor, like: Tensor) -> Tensor:
    """(N, h, H W, k) to (N, h k, H, W), the size of `like`."""
    return x.transpose(2, 3).reshape(x.shape[0], -1, like.shape[2], like.shape[3])
