"""Twins (https://arxiv.org/abs/2104.13840).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, L = h w tokens, D features, K
classes. Maps are (N, h, w, D).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.config.names import OutputFormat
from typedvision.families.twins.config import BlockPlan, StagePlan, TwinsConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    normal,
    trunc_normal,
    zeros,
)
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.reduced_attention import ReducedAttention
from typedvision.layers.token_pool import GlobalTokenPool
from typedvision.layers.windows import in_windows


class Twins(ImageModel):
    """Stages of attention, each of patches of the map before it, pooling and a linear
    classifier."""

    output_fmt: OutputFormat = "NLC"

    def __init__(self, cfg: TwinsConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = plan[-1].features
        self.head_hidden_size: int = plan[-1].features

        self.patch_embeds: nn.ModuleList = nn.ModuleList(map(_patches, plan))
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.blocks: nn.ModuleList = nn.ModuleList(Stage(cfg, stage) for stage in plan)
        self.pos_block: nn.ModuleList = nn.ModuleList(
            PositionConv(stage.features) for stage in plan
        )
        self.norm: nn.Module = token_norm(cfg.norm_layer, self.num_features)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The map of each stage."""
        for patches, blocks, encoding in zip(
            self.patch_embeds, self.blocks, self.pos_block, strict=True
        ):
            x = blocks(self.pos_drop(patches(x)), encoding)
            yield x
            x = x.permute(0, 3, 1, 2)

    def _finish(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, L, D)."""
        return self.norm(x).flatten(1, 2)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last map, normalised; the others have no normalisation."""
        return self.norm(x) if level == len(self.feature_info) - 1 else x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, L, D) to (N, K)."""
        x = self.head_drop(self.global_pool(x))
        return x if pre_logits else self.head(x)

    def _replace_classifier(self, num_classes: int, global_pool: Literal["", "avg"]) -> None:
        self.global_pool: GlobalTokenPool = GlobalTokenPool(global_pool)
        self.head: nn.Linear | nn.Identity = linear_classifier(self.num_features, num_classes)

    def divided(self, path: str) -> tuple[list[str], list[str]]:
        """The patches and the positions of a stage stand in lists of their own."""
        until, after = super().divided(path)
        match path.split("."):
            case ["blocks", stage, *block]:
                patches = [f"patch_embeds.{index}" for index in range(len(self.patch_embeds))]
                encodings = [f"pos_block.{index}" for index in range(len(self.pos_block))]
                count, encoded = int(stage) + 1, int(stage) + (block[:1] != ["0"])
                until = [*patches[:count], *until[1:], *encodings[:encoded]]
                after = [*patches[count:], *after, *encodings[encoded:]]
                after.remove("pos_block")
        return until, after

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02, convolutions by their outputs
        (https://arxiv.org/abs/1502.01852, equation 14)."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}
        return default_initializers(module)

    def no_weight_decay(self) -> set[str]:
        """What encodes positions."""
        return {key for key, _ in self.named_parameters() if key.startswith("pos_block.")}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The first patches, then each block, or each stage with its patches and positions; by
        blocks, the patches and positions of all stages belong to the first."""
        beside: list[tuple[str, tuple[int, ...] | None]]
        if coarse:
            beside = [(r"^(?:blocks|patch_embeds|pos_block)\.(\d+)", None)]
        else:
            beside = [
                (r"^blocks\.(\d+)\.(\d+)", None),
                (r"^(?:patch_embeds|pos_block)\.(\d+)", (0,)),
            ]
        return {"stem": r"^patch_embeds\.0", "blocks": [*beside, (r"^norm", LAST_GROUP)]}


def _patches(plan: StagePlan) -> PatchEmbed:
    """From a map (N, C, H, W) to patches, (N, h, w, D)."""
    size = (plan.patch_size, plan.patch_size)
    return PatchEmbed(plan.in_features, plan.features, size, norm=nn.LayerNorm(plan.features))


class Stage(Blocks):
    """The blocks of a resolution; behind the first, positions are encoded (figure 1)."""

    def __init__(self, cfg: TwinsConfig, plan: StagePlan) -> None:
        super().__init__(*(TwinsBlock(cfg, plan, block) for block in plan.blocks))

    def forward(  # type: ignore[override]  # what it takes beside the map is a module
        self, input: Tensor, encoding: nn.Module
    ) -> Tensor:
        """(N, h, w, D) to the same shape."""
        first, *others = self
        x = encoding(self._run(first, input))
        for block in others:
            x = self._run(block, x)
        return x


class PositionConv(nn.Module):
    """Encodes positions by what is around them: a depthwise convolution, added
    (https://arxiv.org/abs/2102.10882, section 3.3)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        conv = conv2d(features, features, 3, groups=features, bias=True)
        self.proj: nn.Sequential = nn.Sequential(conv)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        return x + self.proj(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class TwinsBlock(nn.Module):
    """Attention, then an MLP, each normalised before and added (equation 4)."""

    def __init__(self, cfg: TwinsConfig, plan: StagePlan, block: BlockPlan) -> None:
        super().__init__()
        features = plan.features
        self.norm1: nn.Module = token_norm(cfg.norm_layer, features)
        self.attn: nn.Module = _attention(cfg, plan, block)
        self.drop_path1: DropPath = DropPath(block.drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, features)
        self.mlp: Mlp = Mlp(features, plan.hidden, activation("gelu"), drop=cfg.proj_drop_rate)
        self.drop_path2: DropPath = DropPath(block.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = x + self.drop_path1(self.attn(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))


def _attention(cfg: TwinsConfig, plan: StagePlan, block: BlockPlan) -> nn.Module:
    """Attention in windows, or to a smaller map."""
    if block.window is None:
        return ReducedAttention(
            plan.features,
            plan.num_heads,
            reduction=block.reduction,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=cfg.proj_drop_rate,
        )
    return LocalAttention(cfg, plan, block.window)


class LocalAttention(Attention):
    """Attention in windows (section 3.3); maps are padded below and right to whole ones."""

    def __init__(self, cfg: TwinsConfig, plan: StagePlan, window: int) -> None:
        super().__init__(
            plan.features,
            plan.num_heads,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=cfg.proj_drop_rate,
        )
        self.window: tuple[int, int] = (window, window)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        return in_windows(x, self.window, (0, 0), self._masked)
