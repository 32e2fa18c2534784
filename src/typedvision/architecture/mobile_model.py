"""Mobile networks: a stem, stages of mobile blocks, and the blocks themselves.

Shapes: N images, C channels in, D channels out, H x W positions, s stride, K classes,
h heads, k features of a query and a key, v features of a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.mobile import MobileConfig
from typedvision.config.mobile_blocks import (
    AttentionPlan,
    BlockPlan,
    ResidualPlan,
    SqueezeExcite,
    UniversalPlan,
)
from typedvision.config.names import Activation
from typedvision.layers.attention import attend
from typedvision.layers.blocks import Blocks
from typedvision.layers.blur import BlurPool2d
from typedvision.layers.channel_attention import (
    EfficientChannelAttention,
    MobileSqueezeExcite,
    channel_attention,
)
from typedvision.layers.conv import conv2d, pad_same
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Inits, default_inits, normal, uniform, xavier_uniform, zeros
from typedvision.layers.layer_scale import LayerScale2d
from typedvision.layers.norm_act import norm_act

_MULTI_QUERY = re.compile(r"\.attn\.(query|key|value|output)\.")


class MobileModel(ImageModel):
    """A stem and stages of mobile blocks; what pools and classifies is the family's.

    A family fills `classifier`, behind what else its head has.
    """

    classifier: nn.Module

    def __init__(self, cfg: MobileConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.channels
        self.drop_rate: float = cfg.drop_rate
        self.levels: tuple[int, ...] = plan.levels
        self.pruned: bool = cfg.pruned

        self.conv_stem: nn.Conv2d = conv2d(
            cfg.in_chans, plan.stem_channels, cfg.stem_kernel_size, stride=2, pad_type=cfg.pad_type
        )
        self.bn1: nn.Module = mobile_norm(cfg, plan.stem_channels, cfg.act_layer)
        self.blocks: nn.Sequential = nn.Sequential(
            *(Blocks(*(_block(cfg, block) for block in stage.blocks)) for stage in plan.stages)
        )

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to the last map of each resolution, the last (N, D, H / 32, W / 32)."""
        x = self.bn1(self.conv_stem(x))
        if 0 in self.levels:
            yield x
        for number, stage in enumerate(self.blocks, start=1):
            x = stage(x)
            if number in self.levels:
                yield x

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.classifier

    def inits(self, path: str, module: nn.Module) -> Inits:
        """Convolutions and the classifier by their fan-out; attention and routers by both fans.

        What pruning leaves was never meant to begin anew: it begins as PyTorch's layers do.
        """
        if self.pruned:
            return default_inits(module)
        if isinstance(module, nn.Conv2d):
            if _MULTI_QUERY.search(path):
                return {"weight": xavier_uniform()}
            height, width = module.kernel_size
            fan_out = height * width * module.out_channels // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            routes = path.endswith("routing_fn")
            fans = module.out_features + (module.in_features if routes else 0)
            return {"weight": uniform(1.0 / math.sqrt(fans)), "bias": zeros}
        return default_inits(module)


class ConvBlock(nn.Module):
    """One convolution with a normalisation."""

    conv: nn.Module
    aa: nn.Module

    def __init__(self, cfg: MobileConfig, plan: ResidualPlan) -> None:
        super().__init__()
        self.conv, self.aa = _spatial_conv(cfg, plan, plan.in_channels)
        self.bn1: nn.Module = mobile_norm(cfg, plan.out_channels, plan.act_layer)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.aa(self.bn1(self.conv(x)))
        return x + self.drop_path(branch) if self.skip else branch


class SeparableConv(nn.Module):
    """A depthwise and a pointwise convolution (https://arxiv.org/abs/1704.04861, figure 3); by
    EfficientNet without an activation at the end."""

    conv_dw: nn.Module
    aa: nn.Module

    def __init__(self, cfg: MobileConfig, plan: ResidualPlan) -> None:
        super().__init__()
        self.conv_s2d: nn.Module = nn.Identity()
        self.bn_s2d: nn.Module = nn.Identity()
        if plan.folds:
            self.conv_s2d = conv2d(
                plan.in_channels, plan.mid_channels, 2, stride=2, pad_type="same"
            )
            self.bn_s2d = mobile_norm(cfg, plan.mid_channels, plan.act_layer)
        self.conv_dw, self.aa = _spatial_conv(cfg, plan, plan.mid_channels)
        self.bn1: nn.Module = mobile_norm(cfg, plan.mid_channels, plan.act_layer)
        self.se: nn.Module = _attention(cfg, plan.mid_channels, plan.se_channels, plan.act_layer)
        self.conv_pw: nn.Module = _pointwise(plan.mid_channels, plan.out_channels)
        self.bn2: nn.Module = mobile_norm(
            cfg, plan.out_channels, plan.act_layer if plan.pw_act else None
        )
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.bn_s2d(self.conv_s2d(x))
        branch = self.se(self.aa(self.bn1(self.conv_dw(branch))))
        branch = self.bn2(self.conv_pw(branch))
        return x + self.drop_path(branch) if self.skip else branch


class InvertedResidual(nn.Module):
    """MBConv: pointwise expansion, depthwise convolution, pointwise projection
    (https://arxiv.org/abs/1801.04381, figure 4d)."""

    conv_dw: nn.Module
    aa: nn.Module

    def __init__(self, cfg: MobileConfig, plan: ResidualPlan) -> None:
        super().__init__()
        self.conv_pw: nn.Module = _pointwise(plan.in_channels, plan.mid_channels, plan.exp_splits)
        self.bn1: nn.Module = mobile_norm(cfg, plan.mid_channels, plan.act_layer)
        self.conv_dw, self.aa = _spatial_conv(cfg, plan, plan.mid_channels)
        self.bn2: nn.Module = mobile_norm(cfg, plan.mid_channels, plan.act_layer)
        self.se: nn.Module = _attention(cfg, plan.mid_channels, plan.se_channels, plan.act_layer)
        self.conv_pwl: nn.Module = _pointwise(plan.mid_channels, plan.out_channels, plan.pw_splits)
        self.bn3: nn.Module = mobile_norm(cfg, plan.out_channels)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.bn1(self.conv_pw(x))
        branch = self.se(self.aa(self.bn2(self.conv_dw(branch))))
        branch = self.bn3(self.conv_pwl(branch))
        return x + self.drop_path(branch) if self.skip else branch


class FusedInvertedResidual(nn.Module):
    """Fused-MBConv: one convolution expands and looks around (https://arxiv.org/abs/2104.00298,
    figure 2)."""

    conv_exp: nn.Module
    aa: nn.Module

    def __init__(self, cfg: MobileConfig, plan: ResidualPlan) -> None:
        super().__init__()
        self.conv_exp, self.aa = _spatial_conv(cfg, plan, plan.in_channels)
        self.bn1: nn.Module = mobile_norm(cfg, plan.mid_channels, plan.act_layer)
        self.se: nn.Module = _attention(cfg, plan.mid_channels, plan.se_channels, plan.act_layer)
        self.conv_pwl: nn.Module = _pointwise(plan.mid_channels, plan.out_channels)
        self.bn2: nn.Module = mobile_norm(cfg, plan.out_channels)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.se(self.aa(self.bn1(self.conv_exp(x))))
        branch = self.bn2(self.conv_pwl(branch))
        return x + self.drop_path(branch) if self.skip else branch


class CondInvertedResidual(nn.Module):
    """MBConv whose kernels are mixed anew for each image (https://arxiv.org/abs/1904.04971,
    section 3)."""

    def __init__(self, cfg: MobileConfig, plan: ResidualPlan) -> None:
        super().__init__()
        experts, inside = plan.num_experts, plan.mid_channels
        self.routing_fn: nn.Linear = nn.Linear(plan.in_channels, experts)
        self.conv_pw: CondConv2d = CondConv2d(experts, plan.in_channels, inside)
        self.bn1: nn.Module = mobile_norm(cfg, inside, plan.act_layer)
        self.conv_dw: CondConv2d = CondConv2d(
            experts,
            inside,
            inside,
            plan.kernels[0],
            stride=plan.stride,
            dilation=plan.dilation,
            groups=plan.groups,
            same=cfg.pad_type == "same",
        )
        self.bn2: nn.Module = mobile_norm(cfg, inside, plan.act_layer)
        self.se: nn.Module = _attention(cfg, plan.mid_channels, plan.se_channels, plan.act_layer)
        self.conv_pwl: CondConv2d = CondConv2d(experts, inside, plan.out_channels)
        self.bn3: nn.Module = mobile_norm(cfg, plan.out_channels)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        routing = torch.sigmoid(self.routing_fn(x.mean((2, 3))))
        branch = self.bn1(self.conv_pw(x, routing))
        branch = self.se(self.bn2(self.conv_dw(branch, routing)))
        branch = self.bn3(self.conv_pwl(branch, routing))
        return x + self.drop_path(branch) if self.skip else branch


class UniversalInvertedResidual(nn.Module):
    """An inverted residual with depthwise convolutions where they are asked for
    (https://arxiv.org/abs/2404.10518, figure 4)."""

    def __init__(self, cfg: MobileConfig, plan: UniversalPlan) -> None:
        super().__init__()
        inputs, inside, outputs = plan.in_channels, plan.mid_channels, plan.out_channels
        start_stride = 1 if plan.kernel_mid else plan.stride

        def depthwise(
            channels: int, kernel_size: int, stride: int, act: Activation | None
        ) -> nn.Module:
            if not kernel_size:
                return nn.Identity()
            return ConvNormAct(
                cfg,
                channels,
                channels,
                kernel_size,
                act,
                stride=stride,
                dilation=plan.dilation,
                groups=channels // plan.group_size,
            )

        self.dw_start: nn.Module = depthwise(inputs, plan.kernel_start, start_stride, None)
        self.pw_exp: ConvNormAct = ConvNormAct(cfg, inputs, inside, 1, plan.act_layer)
        self.dw_mid: nn.Module = depthwise(inside, plan.kernel_mid, plan.stride, plan.act_layer)
        self.se: nn.Module = _attention(cfg, inside, plan.se_channels, plan.act_layer)
        self.pw_proj: ConvNormAct = ConvNormAct(cfg, inside, outputs, 1, None)
        self.dw_end: nn.Module = depthwise(outputs, plan.kernel_end, 1, None)
        self.layer_scale: nn.Module = _layer_scale(outputs, plan.layer_scale)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.pw_exp(self.dw_start(x))
        branch = self.se(self.dw_mid(branch))
        branch = self.layer_scale(self.dw_end(self.pw_proj(branch)))
        return x + self.drop_path(branch) if self.skip else branch


class ConvNormAct(nn.Module):
    """A convolution, a normalisation, an activation, and what subsamples after them."""

    aa: nn.Module

    def __init__(
        self,
        cfg: MobileConfig,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        act: Activation | None,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        stride, self.aa = _subsampling(cfg, out_channels, stride)
        self.conv: nn.Conv2d = conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=groups,
            pad_type=cfg.pad_type,
        )
        self.bn: nn.Module = mobile_norm(cfg, out_channels, act)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.aa(self.bn(self.conv(x)))


class MobileAttention(nn.Module):
    """Attention between positions, with a skip (https://arxiv.org/abs/2404.10518, section 3.2)."""

    def __init__(self, cfg: MobileConfig, plan: AttentionPlan) -> None:
        super().__init__()
        self.norm: nn.Module = mobile_norm(cfg, plan.in_channels)
        self.attn: nn.Module = _ATTENTIONS[plan.kind](cfg, plan)
        self.layer_scale: nn.Module = _layer_scale(plan.out_channels, plan.layer_scale)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.skip: bool = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        branch = self.layer_scale(self.attn(self.norm(x)))
        return x + self.drop_path(branch) if self.skip else branch


class MultiQueryAttention2d(nn.Module):
    """All heads share keys and values (https://arxiv.org/abs/1911.02150), which may come from a
    subsampled map (https://arxiv.org/abs/2404.10518, equation 1)."""

    def __init__(self, cfg: MobileConfig, plan: AttentionPlan) -> None:
        super().__init__()
        self.num_heads: int = plan.num_heads
        queries, values = plan.num_heads * plan.key_dim, plan.num_heads * plan.value_dim
        self.query: Projection = Projection(plan.in_channels, queries)
        self.key: KeyProjection = KeyProjection(cfg, plan, plan.key_dim)
        self.value: KeyProjection = KeyProjection(cfg, plan, plan.value_dim)
        self.output: Projection = Projection(values, plan.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        q = _to_heads(self.query(x), self.num_heads)
        k, v = _to_heads(self.key(x), 1), _to_heads(self.value(x), 1)
        heads = (-1, self.num_heads, -1, -1)
        return self.output(_to_map(attend(q, k.expand(heads), v.expand(heads)), x))


class Projection(nn.Module):
    """A pointwise convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj: nn.Conv2d = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        return self.proj(x)


class KeyProjection(Projection):
    """A pointwise convolution of a map that may be subsampled before."""

    def __init__(self, cfg: MobileConfig, plan: AttentionPlan, out_channels: int) -> None:
        super().__init__(plan.in_channels, out_channels)
        self.down_conv: nn.Module = nn.Identity()
        self.norm: nn.Module = nn.Identity()
        if plan.kv_stride > 1:
            self.down_conv = conv2d(
                plan.in_channels,
                plan.in_channels,
                plan.kernel_size,
                stride=plan.kv_stride,
                dilation=plan.dilation,
                groups=plan.in_channels,
                pad_type=cfg.pad_type,
            )
            self.norm = mobile_norm(cfg, plan.in_channels, layer_eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.proj(self.norm(self.down_conv(x)))


class Attention2d(nn.Module):
    """Multi-head self-attention (https://arxiv.org/abs/1706.03762, section 3.2.2)."""

    def __init__(self, cfg: MobileConfig, plan: AttentionPlan) -> None:
        super().__init__()
        self.num_heads: int = plan.num_heads
        self.qkv: nn.Conv2d = nn.Conv2d(plan.in_channels, 3 * plan.in_channels, 1, bias=False)
        self.proj: nn.Conv2d = nn.Conv2d(plan.in_channels, plan.out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        q, k, v = (_to_heads(part, self.num_heads) for part in self.qkv(x).chunk(3, dim=1))
        return self.proj(_to_map(attend(q, k, v), x))


class CondConv2d(nn.Module):
    """A convolution whose kernel is a sum of E kernels, weighted for each image."""

    shape: tuple[int, int, int, int]

    def __init__(
        self,
        experts: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        same: bool = False,
    ) -> None:
        super().__init__()
        self.shape = (out_channels, in_channels // groups, kernel_size, kernel_size)
        self.stride = stride
        self.dilation = dilation
        self.groups = groups
        self.same = same
        self.weight: nn.Parameter = nn.Parameter(torch.empty(experts, math.prod(self.shape)))

    def inits(self) -> Inits:
        """Each kernel by its fan-out."""
        fan_out = math.prod(self.shape) // self.shape[1] // self.groups
        return {"weight": normal(math.sqrt(2.0 / fan_out))}

    def forward(self, x: Tensor, routing: Tensor) -> Tensor:
        """(N, C, H, W) and weights (N, E) to (N, D, H / s, W / s)."""
        out_channels, in_channels, size, _ = self.shape
        images = x.shape[0]
        reach = self.dilation * (size - 1)
        if self.same:
            x = pad_same(x, size, self.stride, self.dilation)
        kernels = (routing @ self.weight).reshape(-1, in_channels, size, size)
        y = F.conv2d(
            x.reshape(1, -1, *x.shape[2:]),  # images as groups of channels
            kernels,
            stride=self.stride,
            padding=0 if self.same else reach // 2,
            dilation=self.dilation,
            groups=self.groups * images,
        )
        return y.reshape(images, out_channels, *y.shape[2:])


class MixedConv2d(nn.ModuleList):
    """Convolutions side by side, each on its share of the channels (https://arxiv.org/abs/1907.09595,
    figure 2)."""

    def __init__(self, shares: Sequence[int], layers: Sequence[nn.Module]) -> None:
        super().__init__(layers)
        self.shares: list[int] = list(shares)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        parts = torch.split(x, self.shares, dim=1)
        return torch.cat([layer(part) for layer, part in zip(self, parts, strict=True)], dim=1)


_BLOCKS = {
    "conv": ConvBlock,
    "separable": SeparableConv,
    "mbconv": InvertedResidual,
    "fused_mbconv": FusedInvertedResidual,
}
_ATTENTIONS = {"mqa": MultiQueryAttention2d, "mha": Attention2d}


def _block(cfg: MobileConfig, plan: BlockPlan) -> nn.Module:
    match plan:
        case UniversalPlan():
            return UniversalInvertedResidual(cfg, plan)
        case AttentionPlan():
            return MobileAttention(cfg, plan)
        case ResidualPlan():
            return (CondInvertedResidual if plan.num_experts else _BLOCKS[plan.kind])(cfg, plan)


def mobile_norm(
    cfg: MobileConfig,
    channels: int,
    act: Activation | None = None,
    *,
    layer_eps: float | None = None,
) -> nn.Module:
    """The network's normalisation, then an activation.

    Args:
        cfg: the network.
        channels: number of channels.
        act: the activation; None for none.
        layer_eps: the usual `eps` of a layer normalisation, where it is not that of the layer.
    """
    usual = layer_eps if cfg.norm_layer == "layernorm2d" else None
    return norm_act(
        cfg.norm_layer,
        channels,
        act,
        eps=cfg.bn_eps or usual,
        momentum=cfg.bn_momentum,
        group_size=cfg.norm_group_size,
    )


def _pointwise(in_channels: int, out_channels: int, splits: int = 1) -> nn.Module:
    if splits == 1:
        return nn.Conv2d(in_channels, out_channels, 1, bias=False)
    shares = _shares(in_channels, splits)
    pairs = zip(shares, _shares(out_channels, splits), strict=True)
    return MixedConv2d(shares, [nn.Conv2d(c, d, 1, bias=False) for c, d in pairs])


def _spatial_conv(
    cfg: MobileConfig, plan: ResidualPlan, in_channels: int
) -> tuple[nn.Module, nn.Module]:
    """The block's spatial convolution, and the low-pass filter after it."""
    stride, anti_alias = _subsampling(cfg, plan.mid_channels, plan.stride)

    def conv(in_channels: int, out_channels: int, kernel_size: int, groups: int) -> nn.Module:
        return conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            dilation=plan.dilation,
            groups=groups,
            pad_type="same" if plan.folds else cfg.pad_type,
        )

    if len(plan.kernels) == 1:
        return conv(in_channels, plan.mid_channels, plan.kernels[0], plan.groups), anti_alias
    shares = _shares(in_channels, len(plan.kernels))
    layers = [conv(c, c, size, c) for c, size in zip(shares, plan.kernels, strict=True)]
    return MixedConv2d(shares, layers), anti_alias


def _subsampling(cfg: MobileConfig, channels: int, stride: int) -> tuple[int, nn.Module]:
    """The stride of a convolution, and what subsamples after it."""
    if cfg.aa_layer is None or stride == 1:
        return stride, nn.Identity()
    if cfg.aa_layer == "avg":
        return 1, nn.AvgPool2d(stride)
    return 1, BlurPool2d(channels, stride, constant=cfg.aa_layer == "blurpc")


def _attention(cfg: MobileConfig, channels: int, reduced: int, act: Activation) -> nn.Module:
    if not reduced:
        return nn.Identity()
    match cfg.se_layer:
        case None:
            return MobileSqueezeExcite(channels, reduced, act)
        case SqueezeExcite(gate_layer=gate, force_act_layer=forced):
            return MobileSqueezeExcite(channels, reduced, forced or act, gate)
        case "ceca":  # in the checkpoints of mobile networks it has a bias
            return EfficientChannelAttention(channels, circular=True, bias=True)
        case name:
            return channel_attention(name, channels, reduced / channels, act)


def _layer_scale(channels: int, value: float | None) -> nn.Module:
    return nn.Identity() if value is None else LayerScale2d(channels, value)


def _to_heads(x: Tensor, num_heads: int) -> Tensor:
    """(N, h k, H, W) to (N, h, H W, k)."""
    return x.reshape(x.shape[0], num_heads, -1, x.shape[2] * x.shape[3]).transpose(2, 3)


def _to_map(x: Tensor, like: Tensor) -> Tensor:
    """(N, h, H W, k) to (N, h k, H, W), the size of `like`."""
    return x.transpose(2, 3).reshape(x.shape[0], -1, *like.shape[2:])


def _shares(channels: int, parts: int) -> list[int]:
    """Equal shares of the channels; the first one has what is left over."""
    share = channels // parts
    return [channels - share * (parts - 1), *[share] * (parts - 1)]
