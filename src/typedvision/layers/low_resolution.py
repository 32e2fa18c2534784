"""The blocks of networks that attend at a low resolution (https://arxiv.org/abs/2409.03460).

Shapes: N images, D channels, H x W positions.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.config.low_resolution import AttentionPlan, ConvPlan, LowResolutionConfig
from typedvision.layers.attention import attend
from typedvision.layers.conv import conv2d
from typedvision.layers.conv_norm_act import ConvNormAct, FusedMBConv, MBConv, Residual


class ConvAttention(nn.Module):
    """Self-attention of half the channels at a lower resolution, between a convolution that
    subsamples and what brings the resolution back (section 3.3).

    Args:
        plan: its numbers.
        fused: whether one convolution mixes positions and channels as the resolution comes back.
    """

    def __init__(self, plan: AttentionPlan, fused: bool) -> None:
        super().__init__()
        channels, inner = plan.channels, plan.num_heads * plan.head_dim
        self.num_heads: int = plan.num_heads
        self.conv_proj: ConvNormAct = ConvNormAct(
            channels, channels, plan.kernel_size, stride=plan.stride, groups=channels
        )
        self.pwise: nn.Conv2d = conv2d(channels, 3 * inner, 1)
        self.o_proj: nn.Conv2d | nn.Identity = nn.Identity()
        if not fused:
            self.o_proj = conv2d(inner, channels, 1, bias=True)
        self.upsampling: nn.Module = _upsampling(plan, inner if fused else None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        height, width = x.shape[-2:]
        low = self.pwise(self.conv_proj(x))
        size = low.shape[2], low.shape[3]
        heads = low.reshape(low.shape[0], self.num_heads, -1, size[0] * size[1]).transpose(2, 3)
        q, k, v = heads.chunk(3, dim=-1)
        y = attend(q, k, v).transpose(2, 3).reshape(low.shape[0], -1, *size)
        return self.upsampling(self.o_proj(y))[..., :height, :width]


def _conv_block(cfg: LowResolutionConfig, plan: ConvPlan) -> nn.Module:
    """A convolutional block, fused or not."""
    channels = (plan.in_channels, plan.hidden, plan.out_channels)
    norm, act, groups = cfg.norm_layer, cfg.act_layer, cfg.expand_groups
    kernel_size, stride = plan.kernel_size, plan.stride
    if plan.fused:
        return FusedMBConv(
            *channels, kernel_size, norm, act, stride=stride, groups=groups, bias=plan.bias
        )
    return MBConv(
        *channels,
        kernel_size,
        norm,
        act,
        expand_norm=norm if plan.norm == "all" else None,
        depth_norm=norm if plan.norm != "proj" else None,
        stride=stride,
        expand_groups=groups,
        project_groups=groups if cfg.groups_project else 1,
        bias=plan.bias,
    )


def residual_conv(cfg: LowResolutionConfig, plan: ConvPlan) -> Residual:
    """A convolutional block beside a shortcut, or in its place where it changes the map's shape."""
    return Residual(_conv_block(cfg, plan), plan.drop_path_rate, shortcut=plan.stride == 1)


def conv_mlp(channels: int, hidden: int, drop_rate: float) -> nn.Sequential:
    """A normalisation and an MLP of the channels at each position.

    Args:
        channels: C.
        hidden: hidden channels.
        drop_rate: dropout probability after it.
    """
    return nn.Sequential(
        nn.GroupNorm(1, channels),
        conv2d(channels, hidden, 1, bias=True),
        nn.GELU(),
        conv2d(hidden, channels, 1, bias=True),
        nn.Dropout(drop_rate),
    )


def _upsampling(plan: AttentionPlan, inner: int | None) -> nn.Module:
    """What brings the resolution back; it mixes `inner` channels, or works on each channel alone
    where that is None."""
    channels, stride = plan.channels, plan.stride
    if plan.upsample == "nearest":
        repeat = nn.Upsample(scale_factor=float(stride)) if stride > 1 else nn.Identity()
        mix = () if inner is None else (conv2d(inner, channels, 1, bias=True),)
        return nn.Sequential(*mix, repeat)
    return nn.ConvTranspose2d(
        inner or channels,
        channels,
        4 if stride == 2 else 3,
        stride,
        padding=1,
        groups=channels if inner is None else 1,
    )
