"""LowFormer (https://arxiv.org/abs/2409.03460).

Shapes: N images, D channels of H x W positions, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.low_resolution import AttentionPlan, ConvPlan, StagePlan
from typedvision.config.names import ConvPool
from typedvision.families.lowformer.config import LowFormerConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv_norm_act import ConvNormAct, Residual
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.low_resolution import ConvAttention, conv_mlp, residual_conv
from typedvision.layers.pool import GlobalPool


class LowFormer(StagedModel):
    """A stem, four stages of blocks, a pointwise convolution, pooling, a hidden layer and a linear
    classifier (figure 3)."""

    def __init__(self, cfg: LowFormerConfig) -> None:
        super().__init__(cfg)
        plan, (wide, hidden) = cfg.plan(), cfg.head_widths
        self.num_features: int = cfg.width_list[-1]
        self.head_hidden_size: int = hidden

        norm, act = cfg.norm_layer, cfg.act_layer
        first = ConvNormAct(cfg.in_chans, cfg.width_list[0], 3, norm, act, stride=2)
        blocks = (residual_conv(cfg, block) for block in plan.stem)
        self.stem: nn.Module = Blocks(first, *blocks)
        self.stages: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.in_conv: ConvNormAct = ConvNormAct(self.num_features, wide, 1, norm, act)
        self.pre_classifier: nn.Sequential = nn.Sequential(
            nn.Linear(wide, hidden, bias=False), nn.LayerNorm(hidden), activation(act)
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        x = self.global_pool(self.in_conv(x)).movedim(1, -1)
        x = self.drop(self.pre_classifier(x))
        return (x if pre_logits else self.classifier(x)).movedim(-1, 1)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.classifier: nn.Linear | nn.Identity = linear_classifier(
            self.head_hidden_size, num_classes
        )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02; convolutions as PyTorch's."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        block = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"
        return {"stem": r"^stem\.\d+", "blocks": [(block, None)]}


class LowFormerBlock(nn.Module):
    """Attention, an MLP and a convolutional block, each beside a shortcut (figure 4)."""

    def __init__(self, cfg: LowFormerConfig, plan: AttentionPlan, conv: ConvPlan) -> None:
        super().__init__()
        channels, rate = plan.channels, conv.drop_path_rate
        self.attn: nn.Module = nn.Identity()
        if cfg.attn:
            attention: nn.Module = ConvAttention(plan, cfg.fused_conv)
            if cfg.attn_mlp:
                attention = nn.Sequential(nn.GroupNorm(1, channels), attention)
            self.attn = Residual(attention, rate)
        self.mlp: nn.Module = nn.Identity()
        if cfg.attn_mlp:
            mlp = conv_mlp(channels, cfg.attn_mlp_ratio * channels, cfg.proj_drop_rate)
            self.mlp = Residual(mlp, rate)
        self.local: Residual = residual_conv(cfg, conv)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return self.local(self.mlp(self.attn(x)))


def _stage(cfg: LowFormerConfig, plan: StagePlan) -> Blocks:
    """A block that subsamples, and others."""
    first, attention = residual_conv(cfg, plan.down), plan.attention
    if attention is None:
        return Blocks(first, *(residual_conv(cfg, conv) for conv in plan.convs))
    return Blocks(first, *(LowFormerBlock(cfg, attention, conv) for conv in plan.convs))
