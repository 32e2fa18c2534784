"""EfficientNet (https://arxiv.org/abs/1905.11946) and the networks that it grew from.

Shapes: N pictures, C channels in, D channels out, H x W positions, s stride, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import Activation, ConvPool
from typedvision.families.efficientnet.config import BlockPlan, EfficientNetConfig
from typedvision.layers.blur import BlurPool2d
from typedvision.layers.channel_attention import MobileSqueezeExcite, channel_attention
from typedvision.layers.conv import conv2d, pad_same
from typedvision.layers.drop import DropPath
from typedvision.layers.image_model import ImageModel
from typedvision.layers.init import Inits, default_inits, normal, uniform, zeros
from typedvision.layers.norm_act import norm_act
from typedvision.layers.pool import GlobalPool, pooled_features


class EfficientNet(ImageModel):
    """A stem, stages of mobile blocks, a pointwise convolution, pooling, a linear classifier."""

    def __init__(self, cfg: EfficientNetConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features = plan.num_features
        self.drop_rate = cfg.drop_rate
        self.levels = plan.levels

        self.conv_stem = conv2d(
            cfg.in_chans,
            plan.stem_channels,
            cfg.stem_kernel_size,
            stride=2,
            pad_type=cfg.pad_type,
        )
        self.bn1 = _norm(cfg, plan.stem_channels, cfg.act_layer)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(*(_block(cfg, block) for block in stage.blocks))
                for stage in plan.stages
            )
        )
        self.conv_head: nn.Module = nn.Identity()
        self.bn2: nn.Module = nn.Identity()
        if plan.head_channels:
            self.conv_head = conv2d(plan.stages[-1].channels, plan.head_channels, 1)
            self.bn2 = _norm(cfg, plan.head_channels, cfg.act_layer)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to the last map of each resolution, the last (N, D, H / 32, W / 32)."""
        x = self.bn1(self.conv_stem(x))
        if 0 in self.levels:
            yield x
        for number, stage in enumerate(self.blocks, start=1):
            x = self._run(stage.children(), x)
            if number in self.levels:
                yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The pointwise convolution before the pooling."""
        return self.bn2(self.conv_head(x))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.classifier(x)

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.classifier

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool = GlobalPool(global_pool)
        self.drop = nn.Dropout(self.drop_rate)
        self.head_hidden_size = pooled_features(global_pool, self.num_features)
        self.classifier: nn.Module = nn.Identity()
        if num_classes:
            self.classifier = nn.Linear(self.head_hidden_size, num_classes)

    def inits(self, path: str, module: nn.Module) -> Inits:
        """Convolutions and the classifier by their fan-out; routers by both fans."""
        if isinstance(module, nn.Conv2d):
            height, width = module.kernel_size
            fan_out = height * width * module.out_channels // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        if isinstance(module, nn.Linear):
            routes = path.endswith("routing_fn")
            fans = module.out_features + (module.in_features if routes else 0)
            return {"weight": uniform(1.0 / math.sqrt(fans)), "bias": zeros}
        return default_inits(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage, then the head."""
        block = r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)"
        return {
            "stem": r"^conv_stem|bn1",
            "blocks": [(block, None), (r"conv_head|bn2", (99999,))],
        }


class ConvBlock(nn.Module):
    """One convolution with a normalisation."""

    def __init__(self, cfg: EfficientNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.conv, self.aa = _spatial_conv(cfg, plan, plan.in_channels)
        self.bn1 = _norm(cfg, plan.out_channels, plan.act_layer)
        self.drop_path = DropPath(plan.drop_path_rate)
        self.skip = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.aa(self.bn1(self.conv(x)))
        return x + self.drop_path(branch) if self.skip else branch


class SeparableConv(nn.Module):
    """A depthwise and a pointwise convolution (https://arxiv.org/abs/1704.04861, figure 3); by
    EfficientNet without a non-linearity at the end."""

    def __init__(self, cfg: EfficientNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.conv_s2d: nn.Module = nn.Identity()
        self.bn_s2d: nn.Module = nn.Identity()
        if plan.folds:
            self.conv_s2d = conv2d(
                plan.in_channels, plan.mid_channels, 2, stride=2, pad_type="same"
            )
            self.bn_s2d = _norm(cfg, plan.mid_channels, plan.act_layer)
        self.conv_dw, self.aa = _spatial_conv(cfg, plan, plan.mid_channels)
        self.bn1 = _norm(cfg, plan.mid_channels, plan.act_layer)
        self.se = _attention(cfg, plan)
        self.conv_pw = _pointwise(plan.mid_channels, plan.out_channels)
        self.bn2 = _norm(cfg, plan.out_channels, plan.act_layer if plan.pw_act else None)
        self.drop_path = DropPath(plan.drop_path_rate)
        self.skip = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.bn_s2d(self.conv_s2d(x))
        branch = self.se(self.aa(self.bn1(self.conv_dw(branch))))
        branch = self.bn2(self.conv_pw(branch))
        return x + self.drop_path(branch) if self.skip else branch


class InvertedResidual(nn.Module):
    """MBConv: pointwise expansion, depthwise convolution, pointwise projection
    (https://arxiv.org/abs/1801.04381, figure 4d)."""

    def __init__(self, cfg: EfficientNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.conv_pw = _pointwise(plan.in_channels, plan.mid_channels, plan.exp_splits)
        self.bn1 = _norm(cfg, plan.mid_channels, plan.act_layer)
        self.conv_dw, self.aa = _spatial_conv(cfg, plan, plan.mid_channels)
        self.bn2 = _norm(cfg, plan.mid_channels, plan.act_layer)
        self.se = _attention(cfg, plan)
        self.conv_pwl = _pointwise(plan.mid_channels, plan.out_channels, plan.pw_splits)
        self.bn3 = _norm(cfg, plan.out_channels)
        self.drop_path = DropPath(plan.drop_path_rate)
        self.skip = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.bn1(self.conv_pw(x))
        branch = self.se(self.aa(self.bn2(self.conv_dw(branch))))
        branch = self.bn3(self.conv_pwl(branch))
        return x + self.drop_path(branch) if self.skip else branch


class FusedInvertedResidual(nn.Module):
    """Fused-MBConv: one convolution expands and looks around (https://arxiv.org/abs/2104.00298,
    figure 2)."""

    def __init__(self, cfg: EfficientNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.conv_exp, self.aa = _spatial_conv(cfg, plan, plan.in_channels)
        self.bn1 = _norm(cfg, plan.mid_channels, plan.act_layer)
        self.se = _attention(cfg, plan)
        self.conv_pwl = _pointwise(plan.mid_channels, plan.out_channels)
        self.bn2 = _norm(cfg, plan.out_channels)
        self.drop_path = DropPath(plan.drop_path_rate)
        self.skip = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        branch = self.se(self.aa(self.bn1(self.conv_exp(x))))
        branch = self.bn2(self.conv_pwl(branch))
        return x + self.drop_path(branch) if self.skip else branch


class CondInvertedResidual(nn.Module):
    """MBConv whose kernels are mixed anew for each picture (https://arxiv.org/abs/1904.04971,
    section 3)."""

    def __init__(self, cfg: EfficientNetConfig, plan: BlockPlan) -> None:
        super().__init__()
        experts, inside = plan.num_experts, plan.mid_channels
        self.routing_fn = nn.Linear(plan.in_channels, experts)
        self.conv_pw = CondConv2d(experts, plan.in_channels, inside)
        self.bn1 = _norm(cfg, inside, plan.act_layer)
        self.conv_dw = CondConv2d(
            experts,
            inside,
            inside,
            plan.kernels[0],
            stride=plan.stride,
            dilation=plan.dilation,
            groups=plan.groups,
            same=cfg.pad_type == "same",
        )
        self.bn2 = _norm(cfg, inside, plan.act_layer)
        self.se = _attention(cfg, plan)
        self.conv_pwl = CondConv2d(experts, inside, plan.out_channels)
        self.bn3 = _norm(cfg, plan.out_channels)
        self.drop_path = DropPath(plan.drop_path_rate)
        self.skip = plan.skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / s, W / s)."""
        routing = torch.sigmoid(self.routing_fn(x.mean((2, 3))))
        branch = self.bn1(self.conv_pw(x, routing))
        branch = self.se(self.bn2(self.conv_dw(branch, routing)))
        branch = self.bn3(self.conv_pwl(branch, routing))
        return x + self.drop_path(branch) if self.skip else branch


class CondConv2d(nn.Module):
    """A convolution whose kernel is a sum of E kernels, weighted for each picture."""

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
        self.stride, self.dilation, self.groups, self.same = stride, dilation, groups, same
        self.weight = nn.Parameter(torch.empty(experts, math.prod(self.shape)))

    def inits(self) -> Inits:
        """Each kernel by its fan-out."""
        fan_out = math.prod(self.shape) // self.shape[1] // self.groups
        return {"weight": normal(math.sqrt(2.0 / fan_out))}

    def forward(self, x: Tensor, routing: Tensor) -> Tensor:
        """(N, C, H, W) and weights (N, E) to (N, D, H / s, W / s)."""
        out_channels, in_channels, size, _ = self.shape
        pictures = x.shape[0]
        reach = self.dilation * (size - 1)
        if self.same:
            x = pad_same(x, size, self.stride, self.dilation)
        kernels = (routing @ self.weight).reshape(-1, in_channels, size, size)
        y = F.conv2d(
            x.reshape(1, -1, *x.shape[2:]),  # pictures as groups of channels
            kernels,
            stride=self.stride,
            padding=0 if self.same else reach // 2,
            dilation=self.dilation,
            groups=self.groups * pictures,
        )
        return y.reshape(pictures, out_channels, *y.shape[2:])


class MixedConv2d(nn.ModuleList):
    """Convolutions side by side, each on its share of the channels (https://arxiv.org/abs/1907.09595,
    figure 2)."""

    def __init__(self, shares: Sequence[int], layers: Sequence[nn.Module]) -> None:
        super().__init__(layers)
        self.shares = list(shares)

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


def _block(cfg: EfficientNetConfig, plan: BlockPlan) -> nn.Module:
    if plan.num_experts:
        return CondInvertedResidual(cfg, plan)
    return _BLOCKS[plan.kind](cfg, plan)


def _norm(cfg: EfficientNetConfig, channels: int, act: Activation | None = None) -> nn.Module:
    return norm_act(
        cfg.norm_layer,
        channels,
        act,
        eps=cfg.bn_eps,
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
    cfg: EfficientNetConfig, plan: BlockPlan, in_channels: int
) -> tuple[nn.Module, nn.Module]:
    """The block's spatial convolution, and the low-pass filter after it."""
    stride, anti_alias = _subsampling(cfg, plan)

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


def _subsampling(cfg: EfficientNetConfig, plan: BlockPlan) -> tuple[int, nn.Module]:
    """The stride of the spatial convolution, and what subsamples after it."""
    if cfg.aa_layer is None or plan.stride == 1:
        return plan.stride, nn.Identity()
    if cfg.aa_layer == "avg":
        return 1, nn.AvgPool2d(plan.stride)
    return 1, BlurPool2d(plan.mid_channels, plan.stride, constant=cfg.aa_layer == "blurpc")


def _attention(cfg: EfficientNetConfig, plan: BlockPlan) -> nn.Module:
    channels, reduced = plan.mid_channels, plan.se_channels
    if not reduced:
        return nn.Identity()
    if cfg.se_layer is None:
        return MobileSqueezeExcite(channels, reduced, plan.act_layer)
    return channel_attention(cfg.se_layer, channels, reduced / channels, plan.act_layer)


def _shares(channels: int, parts: int) -> list[int]:
    """Equal shares of the channels; the first one has what is left over."""
    share = channels // parts
    return [channels - share * (parts - 1), *[share] * (parts - 1)]
