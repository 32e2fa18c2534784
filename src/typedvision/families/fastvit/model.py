"""FastViT (https://arxiv.org/abs/2303.14189).

Shapes: N images, C channels in, D channels out, E hidden channels, H x W positions, s stride, K
classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.families.fastvit.config import HEAD_CHANNELS, FastVitConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import (
    ConvBn2d,
    Kernel,
    conv_like,
    identity_bn_kernel,
    sum_kernels,
)
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.layer_scale import ChannelScale
from typedvision.layers.norm import conv_norm


class FastVit(StagedModel, HeadModel):
    """A stem, stages of blocks, a last convolution, pooling and a linear classifier (figure 2)."""

    def __init__(self, cfg: FastVitConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan.features

        self.stem: nn.Module = _stem(cfg)
        self.stages: nn.Sequential = nn.Sequential(*(Stage(cfg, stage) for stage in plan.stages))
        channels = plan.stages[-1].channels
        se = SqueezeExcite(plan.features, reduced_channels(plan.features, 1 / 16, divisor=1))
        self.final_conv: nn.Module = _conv_block(
            cfg, channels, plan.features, 3, groups=channels, se=se
        )
        self._add_head(cfg.num_classes, cfg.global_pool)

    def _finish(self, x: Tensor) -> Tensor:
        """The last convolution."""
        return self.final_conv(x)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """MLPs and linear layers by a deviation of 0.02; other convolutions as PyTorch's."""
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and ".mlp." in path):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage; the last convolution goes with the head."""
        if coarse:
            return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}
        return {
            "stem": r"^stem",
            "blocks": [
                (r"^stages\.(\d+).downsample", (0,)),
                (r"^stages\.(\d+).pos_emb", (0,)),
                (r"^stages\.(\d+)\.\w+\.(\d+)", None),
            ],
        }


class Stage(nn.Module):
    """Patches that are embedded, a position encoding and blocks."""

    def __init__(self, cfg: FastVitConfig, plan: StagePlan) -> None:
        super().__init__()
        self.downsample: nn.Module = PatchEmbed(cfg, plan) if plan.embeds else nn.Identity()
        self.pos_emb: nn.Module = _position_encoding(cfg, plan)
        block = AttentionBlock if plan.attends else RepMixerBlock
        self.blocks: Blocks = Blocks(*(block(cfg, plan, rate) for rate in plan.drop_path_rates))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.blocks(self.pos_emb(self.downsample(x)))


class RepMixerBlock(nn.Module):
    """A convolution that mixes positions, and an MLP beside a shortcut (figure 2, d)."""

    def __init__(self, cfg: FastVitConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, factor = plan.channels, cfg.layer_scale_init_value
        self.token_mixer: nn.Module = _rep_mixer(cfg, channels)
        self.mlp: ConvMlp = ConvMlp(cfg, plan)
        self.layer_scale: nn.Module = _layer_scale(channels, factor)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = self.token_mixer(x)
        return x + self.drop_path(self.layer_scale(self.mlp(x)))


class AttentionBlock(nn.Module):
    """Self-attention and an MLP, each beside a shortcut."""

    def __init__(self, cfg: FastVitConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, factor = plan.channels, cfg.layer_scale_init_value
        self.norm: nn.Module = conv_norm(cfg.norm_layer, channels, cfg.norm_eps)
        self.token_mixer: Attention = Attention(
            channels, channels // HEAD_CHANNELS, qkv_bias=False, proj_drop=cfg.proj_drop_rate
        )
        self.layer_scale_1: nn.Module = _layer_scale(channels, factor)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.mlp: ConvMlp = ConvMlp(cfg, plan)
        self.layer_scale_2: nn.Module = _layer_scale(channels, factor)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        attended = self.token_mixer(tokens).transpose(1, 2).reshape(x.shape)
        x = x + self.drop_path1(self.layer_scale_1(attended))
        return x + self.drop_path2(self.layer_scale_2(self.mlp(x)))


class ConvMlp(nn.Module):
    """A large depthwise convolution and an MLP of pointwise ones (section 3.2.3)."""

    def __init__(self, cfg: FastVitConfig, plan: StagePlan) -> None:
        super().__init__()
        channels = plan.channels
        self.conv: ConvBn2d = ConvBn2d(channels, channels, 7, groups=channels)
        self.fc1: nn.Conv2d = conv2d(channels, plan.hidden, 1, bias=True)
        self.act: nn.Module = activation(cfg.act_layer)
        self.fc2: nn.Conv2d = conv2d(plan.hidden, channels, 1, bias=True)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = self.drop(self.act(self.fc1(self.conv(x))))
        return self.drop(self.fc2(x))


class PatchEmbed(nn.Module):
    """A large kernel that subsamples, and a pointwise convolution."""

    def __init__(self, cfg: FastVitConfig, plan: StagePlan) -> None:
        super().__init__()
        self.proj: nn.Sequential = nn.Sequential(
            _large_kernel(cfg, plan), _conv_block(cfg, plan.channels, plan.channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.proj(x)


class ConvBlock(nn.Module):
    """A convolution, a 1x1 one beside it and a shortcut, each with a normalisation, are added
    (MobileOne, https://arxiv.org/abs/2206.04040, figure 3).

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the kernel; 0 for a shortcut alone.
        stride: input positions for each output position, s.
        groups: groups of the convolutions.
        scale: whether a kernel larger than 1 has a 1x1 convolution beside it.
        se: squeeze-and-excitation, or the identity.
        act: the activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        scale: bool = True,
        se: nn.Module | None = None,
        act: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.se: nn.Module = se or nn.Identity()
        self.identity: nn.BatchNorm2d | None = None
        if stride == 1 and in_channels == out_channels:
            self.identity = nn.BatchNorm2d(in_channels)
        sizes = (kernel_size,) if kernel_size else ()
        self.conv_kxk: nn.ModuleList = nn.ModuleList(
            ConvBn2d(in_channels, out_channels, size, stride=stride, groups=groups)
            for size in sizes
        )
        self.conv_scale: ConvBn2d | None = None
        if scale and kernel_size > 1:
            self.conv_scale = ConvBn2d(in_channels, out_channels, 1, stride=stride, groups=groups)
        self.act: nn.Module = act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        outputs = [branch(x) for branch in (self.conv_scale, self.identity) if branch is not None]
        outputs += [branch(x) for branch in self.conv_kxk]
        return self.act(self.se(torch.stack(outputs).sum(0)))

    def kernel(self) -> Kernel:
        """The kernel of the convolution that all branches are in evaluation mode."""
        branches = [branch for branch in self.modules() if isinstance(branch, ConvBn2d)]
        kernels = [branch.kernel() for branch in branches]
        if self.identity is not None:
            kernels.append(identity_bn_kernel(self.identity, self.groups))
        return sum_kernels(kernels, max(weight.shape[-1] for weight, _ in kernels))

    def fused(self) -> FusedConv:
        """One convolution, squeeze-and-excitation and the activation."""
        (branch,) = self.conv_kxk
        assert isinstance(branch, ConvBn2d)
        return FusedConv(conv_like(branch.conv, self.kernel()), self.se, self.act)


class LargeKernelConv(nn.Module):
    """A large kernel and a 3x3 one, each with a normalisation, are added (section 3.2.3).

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: side of the large kernel.
        stride: input positions for each output position, s.
        groups: groups of both convolutions.
        se: squeeze-and-excitation, or the identity.
        act: the activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        groups: int,
        se: nn.Module,
        act: nn.Module,
    ) -> None:
        super().__init__()
        self.large_conv: ConvBn2d = ConvBn2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups
        )
        self.small_conv: ConvBn2d = ConvBn2d(
            in_channels, out_channels, 3, stride=stride, groups=groups
        )
        self.se = se
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.se(self.large_conv(x) + self.small_conv(x)))

    def fused(self) -> FusedConv:
        """One convolution, squeeze-and-excitation and the activation."""
        conv = self.large_conv.conv
        kernels = (self.large_conv.kernel(), self.small_conv.kernel())
        kernel = sum_kernels(kernels, conv.kernel_size[0])
        return FusedConv(conv_like(conv, kernel), self.se, self.act)


class FusedConv(nn.Module):
    """The inference form of a block of branches.

    Args:
        conv: the convolution, with a bias.
        se: squeeze-and-excitation, or the identity.
        act: the activation.
    """

    def __init__(
        self, conv: nn.Conv2d, se: nn.Module | None = None, act: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.reparam_conv = conv
        self.se: nn.Module = se or nn.Identity()
        self.act: nn.Module = act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        return self.act(self.se(self.reparam_conv(x)))


class RepMixer(nn.Module):
    """Mixes positions by a depthwise convolution less a normalisation, beside a shortcut
    (section 3.2.1)."""

    def __init__(self, cfg: FastVitConfig, channels: int) -> None:
        super().__init__()
        self.norm: ConvBlock = ConvBlock(channels, channels, 0, groups=channels)
        self.mixer: ConvBlock = ConvBlock(
            channels, channels, cfg.repmixer_kernel_size, groups=channels
        )
        self.layer_scale: nn.Module = _layer_scale(channels, cfg.layer_scale_init_value)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x + self.layer_scale(self.mixer(x) - self.norm(x))

    def fused(self) -> FusedConv:
        """One depthwise convolution."""
        (branch,) = self.mixer.conv_kxk
        assert isinstance(branch, ConvBn2d)
        conv = branch.conv
        weight, bias = self.norm.kernel()
        size = conv.kernel_size[0]
        branches = sum_kernels((self.mixer.kernel(), (-weight, -bias)), size)
        if isinstance(self.layer_scale, ChannelScale):
            factor = self.layer_scale.gamma
            branches = branches[0] * factor[..., None], branches[1] * factor.flatten()
        return FusedConv(conv_like(conv, _beside_shortcut(branches, conv.groups)))


class PositionEncoding(nn.Module):
    """A conditional position encoding: a depthwise convolution beside a shortcut
    (https://arxiv.org/abs/2102.10882)."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.pos_enc: nn.Conv2d = conv2d(
            channels, channels, kernel_size, groups=channels, bias=True
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x + self.pos_enc(x)

    def fused(self) -> FusedConv:
        """One depthwise convolution."""
        conv = self.pos_enc
        assert conv.bias is not None
        return FusedConv(conv_like(conv, _beside_shortcut((conv.weight, conv.bias), conv.groups)))


def _stem(cfg: FastVitConfig) -> nn.Sequential:
    """Two convolutions that subsample by two each, and a pointwise one."""
    channels, scale = cfg.embed_dims[0], cfg.stem_use_scale_branch
    return nn.Sequential(
        _conv_block(cfg, cfg.in_chans, channels, 3, stride=2, scale=scale),
        _conv_block(cfg, channels, channels, 3, stride=2, groups=channels, scale=scale),
        _conv_block(cfg, channels, channels, 1),
    )


def _conv_block(
    cfg: FastVitConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    scale: bool = True,
    se: nn.Module | None = None,
) -> nn.Module:
    """A block with its branches, or its inference form."""
    act = activation(cfg.act_layer)
    if cfg.inference_mode:
        conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=True
        )
        return FusedConv(conv, se, act)
    return ConvBlock(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        groups=groups,
        scale=scale,
        se=se,
        act=act,
    )


def _large_kernel(cfg: FastVitConfig, plan: StagePlan) -> nn.Module:
    """The large kernel of an embedding of patches, or its inference form."""
    in_channels, channels = plan.in_channels, plan.channels
    size, stride = cfg.down_patch_size, cfg.down_stride
    se: nn.Module = nn.Identity()
    if plan.use_se:
        se = SqueezeExcite(channels, reduced_channels(channels, 1 / 4, divisor=1))
    act = activation(cfg.act_layer) if cfg.lkc_use_act else nn.Identity()
    if not cfg.inference_mode:
        return LargeKernelConv(
            in_channels, channels, size, stride=stride, groups=in_channels, se=se, act=act
        )
    conv = conv2d(in_channels, channels, size, stride=stride, groups=in_channels, bias=True)
    return FusedConv(conv, se, act)


def _rep_mixer(cfg: FastVitConfig, channels: int) -> nn.Module:
    if not cfg.inference_mode:
        return RepMixer(cfg, channels)
    size = cfg.repmixer_kernel_size
    return FusedConv(conv2d(channels, channels, size, groups=channels, bias=True))


def _position_encoding(cfg: FastVitConfig, plan: StagePlan) -> nn.Module:
    channels, size = plan.channels, plan.pos_kernel_size
    if size is None:
        return nn.Identity()
    if not cfg.inference_mode:
        return PositionEncoding(channels, size)
    return FusedConv(conv2d(channels, channels, size, groups=channels, bias=True))


def _layer_scale(channels: int, value: float | None) -> nn.Module:
    return nn.Identity() if value is None else ChannelScale(channels, value)


def _beside_shortcut(kernel: Kernel, groups: int) -> Kernel:
    """The kernel of a convolution and a shortcut."""
    weight, bias = kernel
    shortcut = nn.init.dirac_(torch.empty_like(weight[..., :1, :1]), groups)
    return sum_kernels(((shortcut, torch.zeros_like(bias)), kernel), weight.shape[-1])
