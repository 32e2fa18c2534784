"""CPUBone (https://arxiv.org/abs/2603.26425).

Shapes: N images, D channels of H x W positions, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.low_resolution import AttentionPlan, ConvPlan, StagePlan
from typedvision.families.cpubone.config import CPUBoneConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv_norm_act import ConvNormAct, Residual
from typedvision.layers.low_resolution import ConvAttention, conv_mlp, residual_conv
from typedvision.layers.pool import GlobalPool


class CPUBone(StagedModel):
    """A stem, four stages of blocks and a head."""

    def __init__(self, cfg: CPUBoneConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = cfg.width_list[-1]
        self.head_hidden_size: int = cfg.head_widths[1]

        norm, act = cfg.norm_layer, cfg.act_layer
        first = ConvNormAct(cfg.in_chans, cfg.width_list[0], 3, norm, act, stride=2)
        self.stem: nn.Module = Blocks(first, *(residual_conv(cfg, block) for block in plan.stem))
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.head: CPUBoneHead = CPUBoneHead(cfg)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: Literal["", "avg"]) -> None:
        self.head.reset(num_classes, global_pool)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each stage."""
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}


class CPUBoneBlock(nn.Module):
    """Attention, an MLP and a convolutional block, each beside a shortcut."""

    def __init__(self, cfg: CPUBoneConfig, plan: AttentionPlan, conv: ConvPlan) -> None:
        super().__init__()
        channels, rate = plan.channels, conv.drop_path_rate
        attention = nn.Sequential(
            nn.GroupNorm(1, channels), ConvAttention(plan, fused=cfg.fused_conv)
        )
        mlp = conv_mlp(channels, cfg.attn_mlp_ratio * channels, cfg.proj_drop_rate)
        mixers = nn.Sequential(Residual(attention, rate), Residual(mlp, rate))
        self.total: nn.Sequential = nn.Sequential(mixers, residual_conv(cfg, conv))

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return self.total(x)


class CPUBoneHead(nn.Module):
    """A pointwise convolution, pooling, a hidden layer and a linear classifier.

    Where nothing is pooled, there are logits for each position.
    """

    def __init__(self, cfg: CPUBoneConfig) -> None:
        super().__init__()
        wide, hidden = cfg.head_widths
        self.hidden_size: int = hidden
        self.drop_rate: float = cfg.drop_rate
        self.in_conv: ConvNormAct = ConvNormAct(
            cfg.width_list[-1], wide, 1, cfg.norm_layer, cfg.act_layer
        )
        self.pre_classifier: nn.Sequential = nn.Sequential(
            OrderedDict(
                linear=nn.Linear(wide, self.hidden_size, bias=False),
                norm=nn.LayerNorm(self.hidden_size),
                act=activation(cfg.act_layer),
            )
        )
        self.reset(cfg.num_classes, cfg.global_pool)

    def reset(self, num_classes: int, global_pool: Literal["", "avg"]) -> None:
        """Put another pooling and an uninitialised classifier in place."""
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.classifier: nn.Module = nn.Identity()
        if num_classes:
            linear = nn.Linear(self.hidden_size, num_classes)
            self.classifier = nn.Sequential(
                OrderedDict(dropout=nn.Dropout(self.drop_rate), linear=linear)
            )

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        x = self.pre_classifier(self.global_pool(self.in_conv(x)).movedim(1, -1))
        return (x if pre_logits else self.classifier(x)).movedim(-1, 1)


def _stage(cfg: CPUBoneConfig, plan: StagePlan) -> Blocks:
    """A block that subsamples, and others."""
    first, attention = residual_conv(cfg, plan.down), plan.attention
    if attention is None:
        return Blocks(first, *(residual_conv(cfg, conv) for conv in plan.convs))
    return Blocks(first, *(CPUBoneBlock(cfg, attention, conv) for conv in plan.convs))
