"""CrossViT (https://arxiv.org/abs/2103.14899).

Shapes: N images, C channels, H x W pixels, h x w patches of a branch, T = 1 + h w tokens, D
features of a branch, K classes. What goes from stage to stage is a tensor (N, T, D) for each
branch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.config.names import OutputFormat
from typedvision.families.crossvit.config import BranchPlan, CrossVitConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention, attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, trunc_normal
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.transformer_init import transformer_initializers


class CrossVit(ImageModel):
    """A Vision Transformer for each branch, whose class tokens see the other branches after each
    stage, and the mean of a linear classifier for each branch."""

    joins_levels: bool = True
    output_fmt: OutputFormat = "NLC"

    def __init__(self, cfg: CrossVitConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.branches: tuple[BranchPlan, ...] = plan.branches
        self.crops: bool = cfg.crop_scale
        self.num_features: int = sum(branch.features for branch in plan.branches)
        self.head_hidden_size: int = self.num_features

        for index, branch in enumerate(plan.branches):
            tokens, features = 1 + math.prod(branch.grid), branch.features
            positions = nn.Parameter(torch.empty(1, tokens, features))
            self.register_parameter(f"pos_embed_{index}", positions)
            class_token = nn.Parameter(torch.empty(1, 1, features))
            self.register_parameter(f"cls_token_{index}", class_token)
        self.patch_embed: nn.ModuleList = nn.ModuleList(
            Patches(cfg, branch) for branch in plan.branches
        )
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.blocks: nn.ModuleList = nn.ModuleList(
            MultiScaleBlock(cfg, plan.branches, stage) for stage in plan.stages
        )
        self.norm: nn.ModuleList = nn.ModuleList(
            token_norm(cfg.norm_layer, branch.features) for branch in plan.branches
        )
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] # it has several
        self, x: Tensor
    ) -> list[Tensor]:
        """(N, C, H, W) to the tokens of each branch, (N, T, D)."""
        tokens = self._embed(x)
        for stage in self.blocks:
            tokens = stage(tokens)
        return self._normed(tokens)

    def _embed(self, x: Tensor) -> list[Tensor]:
        """The class token and the patches of each branch, with learned positions."""
        return [
            self.pos_drop(self._tokens(index, patches(scaled(x, branch.size, self.crops))))
            for index, (branch, patches) in enumerate(
                zip(self.branches, self.patch_embed, strict=True)
            )
        ]

    def _tokens(self, index: int, patches: Tensor) -> Tensor:
        class_token: Tensor = getattr(self, f"cls_token_{index}")
        positions: Tensor = getattr(self, f"pos_embed_{index}")
        return torch.cat((class_token.expand(patches.shape[0], -1, -1), patches), dim=1) + positions

    def _normed(self, tokens: Sequence[Tensor]) -> list[Tensor]:
        return [norm(x) for norm, x in zip(self.norm, tokens, strict=True)]

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The tokens after each stage, of one branch after the other."""
        tokens, others = self._embed(x), []
        for stage in self.blocks:
            tokens = stage(tokens)
            yield tokens[0]
            others.append(tokens[1:])
        for branch in zip(*others, strict=True):
            yield from branch

    def _joined(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] # they are several
        self, levels: Sequence[Tensor]
    ) -> list[Tensor]:
        """The last tokens of each branch, normalised."""
        stages = len(levels) // len(self.branches)
        return self._normed(levels[stages - 1 :: stages])

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, T, D) to (N, D, h, w)."""
        count = x.shape[1] - 1
        (grid, *_) = (each.grid for each in self.branches if math.prod(each.grid) == count)
        return x[:, 1:].transpose(1, 2).reshape(x.shape[0], -1, *grid)

    def divided(self, path: str) -> tuple[list[str], list[str]]:
        """All stages come before a level of the second branch; no stage is divided."""
        if path not in [level.name for level in self.feature_info]:
            return super().divided(path)
        _, stage, _, branch = path.split(".")
        return super().divided("blocks" if branch != "0" else f"blocks.{stage}")

    def forward_head(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] # it takes several
        self, x: Sequence[Tensor], pre_logits: bool = False
    ) -> Tensor:
        """(N, T, D) of each branch to (N, K)."""
        pooled = [tokens[:, 0] if self.pools_class else tokens[:, 1:].mean(1) for tokens in x]
        pooled = [self.head_drop(vector) for vector in pooled]
        if pre_logits or not self.num_classes:
            return torch.cat(pooled, dim=1)
        logits = [head(vector) for head, vector in zip(self.head, pooled, strict=True)]
        return torch.stack(logits).mean(0)

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.pools_class: bool = global_pool == "token"
        self.num_classes = num_classes
        self.head: nn.ModuleList = nn.ModuleList(
            linear_classifier(branch.features, num_classes) for branch in self.branches
        )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers, class tokens and positions by a deviation of 0.02."""
        if module is self:
            return dict.fromkeys(self._parameters, trunc_normal(0.02))
        return transformer_initializers("", path, module)

    def no_weight_decay(self) -> set[str]:
        """The class tokens and the positions."""
        return set(self._parameters)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each stage."""
        return {
            "stem": r"^cls_token|pos_embed|patch_embed",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", LAST_GROUP)],
        }


@torch.fx.wrap  # what it does depends on the size: a traced graph calls it as a whole
def scaled(x: Tensor, size: tuple[int, int], crops: bool) -> Tensor:
    """Images (N, C, H, W) of another size, resized or with `crops` their middle."""
    height, width = x.shape[-2:]
    if (height, width) == size:
        return x
    if not crops:
        return F.interpolate(x, size, mode="bicubic")
    top, left = round((height - size[0]) / 2), round((width - size[1]) / 2)
    return x[:, :, top : top + size[0], left : left + size[1]]


class Patches(nn.Module):
    """Patches of an image, by one convolution or by three (table 1)."""

    def __init__(self, cfg: CrossVitConfig, plan: BranchPlan) -> None:
        super().__init__()
        size, dim = plan.patch_size, plan.features
        self.proj: nn.Module = nn.Conv2d(cfg.in_chans, dim, size, stride=size)
        if cfg.multi_conv:
            stride, padding, last = (2, 1, 2) if size == 16 else (3, 0, 1)
            self.proj = nn.Sequential(
                nn.Conv2d(cfg.in_chans, dim // 4, 7, stride=4, padding=3),
                nn.ReLU(inplace=True),
                nn.Conv2d(dim // 4, dim // 2, 3, stride=stride, padding=padding),
                nn.ReLU(inplace=True),
                nn.Conv2d(dim // 2, dim, 3, stride=last, padding=1),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, h w, D)."""
        return self.proj(x).flatten(2).transpose(1, 2)


class MultiScaleBlock(nn.Module):
    """Blocks of each branch, after which each class token attends to the patches of the next branch
    (figure 2)."""

    def __init__(
        self, cfg: CrossVitConfig, branches: Sequence[BranchPlan], plan: StagePlan
    ) -> None:
        super().__init__()
        following = [*branches[1:], branches[0]]
        pairs = list(zip(branches, following, strict=True))
        self.blocks: nn.ModuleList = nn.ModuleList(
            Blocks(*(CrossVitBlock(cfg, branch, rate) for rate in rates))
            for branch, rates in zip(branches, plan.blocks, strict=True)
        )
        self.projs: nn.ModuleList = nn.ModuleList(
            _projection(cfg, here.features, there.features) for here, there in pairs
        )
        self.fusion: nn.ModuleList = nn.ModuleList(_fusion(cfg, there, plan) for there in following)
        self.revert_projs: nn.ModuleList = nn.ModuleList(
            _projection(cfg, there.features, here.features) for here, there in pairs
        )

    def forward(self, tokens: Sequence[Tensor]) -> list[Tensor]:
        """(N, T, D) of each branch to the same shapes."""
        tokens = [blocks(x) for blocks, x in zip(self.blocks, tokens, strict=True)]
        patches = [x[:, 1:] for x in tokens]
        joined = []
        for own, other, x, project, fuse, revert in zip(
            patches,
            [*patches[1:], patches[0]],
            tokens,
            self.projs,
            self.fusion,
            self.revert_projs,
            strict=True,
        ):
            seen = fuse(torch.cat((project(x[:, :1]), other), dim=1))
            joined.append(torch.cat((revert(seen), own), dim=1))
        return joined


def _projection(cfg: CrossVitConfig, features: int, out_features: int) -> nn.Sequential:
    """A class token for another branch (equation 3)."""
    norm = token_norm(cfg.norm_layer, features)
    return nn.Sequential(norm, nn.GELU(), nn.Linear(features, out_features))


def _fusion(cfg: CrossVitConfig, branch: BranchPlan, plan: StagePlan) -> nn.Module:
    """The cross-attentions of a class token to a branch."""
    if plan.fusion == 0:
        return CrossAttentionBlock(cfg, branch, plan.fusion_rate)
    return Blocks(*(CrossAttentionBlock(cfg, branch, plan.fusion_rate) for _ in range(plan.fusion)))


class CrossVitBlock(nn.Module):
    """Attention, then an MLP, each normalised before and added (equation 2)."""

    def __init__(self, cfg: CrossVitConfig, plan: BranchPlan, drop_path_rate: float) -> None:
        super().__init__()
        drop = cfg.proj_drop_rate
        self.norm1: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.attn: Attention = Attention(
            plan.features,
            plan.num_heads,
            qkv_bias=cfg.qkv_bias,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=drop,
        )
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.mlp: Mlp = Mlp(plan.features, plan.hidden, activation("gelu"), drop=drop)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.attn(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class CrossAttentionBlock(nn.Module):
    """The first token attends to all of them; what it sees is added (equation 5)."""

    def __init__(self, cfg: CrossVitConfig, plan: BranchPlan, drop_path_rate: float) -> None:
        super().__init__()
        self.norm1: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.attn: CrossAttention = CrossAttention(cfg, plan)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, 1, D)."""
        return x[:, :1] + self.drop_path(self.attn(self.norm1(x)))


class CrossAttention(nn.Module):
    """Multi-head attention of the first token alone (equation 4)."""

    def __init__(self, cfg: CrossVitConfig, plan: BranchPlan) -> None:
        super().__init__()
        features, bias = plan.features, cfg.qkv_bias
        self.num_heads: int = plan.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.wq: nn.Linear = nn.Linear(features, features, bias=bias)
        self.wk: nn.Linear = nn.Linear(features, features, bias=bias)
        self.wv: nn.Linear = nn.Linear(features, features, bias=bias)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, 1, D)."""
        q = split_heads(self.wq(x[:, :1]), self.num_heads)
        k = split_heads(self.wk(x), self.num_heads)
        v = split_heads(self.wv(x), self.num_heads)
        x = merge_heads(attend(q, k, v, self.attn_drop if self.training else 0.0))
        return self.proj_drop(self.proj(x))
