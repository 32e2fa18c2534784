"""The image encoder of Segment Anything (https://arxiv.org/abs/2304.02643).

Shapes: N images, C channels, H x W pixels, h x w patches, M windows or images of T tokens each,
A attention heads, D features, d = D / A features of each head, E channels of the neck, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.token_model import norm_maker
from typedvision.families.vit_sam.config import ViTSamBlockPlan, ViTSamConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.axis_bias import axis_bias
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, zeros
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import LayerNorm2d
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.position import resample_position_map
from typedvision.layers.rotary import AxialRotaryEmbedding, apply_rope
from typedvision.layers.windows import in_windows

torch.fx.wrap("resample_position_map")  # looks at sizes, which a symbolic trace cannot
torch.fx.wrap("axis_bias")


class VisionTransformerSAM(HeadModel):
    """Patches as a map, blocks that attend in windows or to the whole image, and a neck of two
    convolutions (https://arxiv.org/abs/2304.02643, appendix A)."""

    def __init__(self, cfg: ViTSamConfig) -> None:
        super().__init__(cfg)
        plan, features = cfg.plan(), cfg.embed_dim
        self.num_features: int = cfg.neck_chans or features

        self.pos_embed: nn.Parameter | None = (
            nn.Parameter(torch.empty(1, *plan.grid, features)) if cfg.use_abs_pos else None
        )
        self.patch_embed: PatchEmbed = PatchEmbed(
            cfg.in_chans, features, plan.patch_size, bias=not cfg.pre_norm
        )
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.norm_pre: nn.Module = norm_maker(cfg)(features) if cfg.pre_norm else nn.Identity()
        self.rope_global: nn.Module | None = None
        self.rope_window: nn.Module | None = None
        if cfg.use_rope:
            width = features // cfg.num_heads
            self.rope_global = AxialRotaryEmbedding(
                width, 10_000.0, reference=plan.global_reference
            )
            self.rope_window = AxialRotaryEmbedding(
                width, 10_000.0, reference=plan.window_reference
            )
        self.blocks: Blocks = Blocks(*(Block(cfg, block) for block in plan.blocks))
        self.neck: nn.Module = _neck(cfg)
        self._add_head(
            cfg.num_classes,
            cfg.global_pool,
            norm=LayerNorm2d(self.num_features, eps=1e-6) if cfg.head_hidden_size else None,
            hidden_size=cfg.head_hidden_size,
            hidden_act="tanh",
        )
        self._window: tuple[int, int] = (cfg.window_size, cfg.window_size)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, E, h, w)."""
        return self._finish(self.blocks(*self._embed(x)))

    def _embed(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(N, C, H, W) to the patches, (N, h, w, D), and the rotary embeddings of those of the
        whole image and of a window."""
        self.patch_embed.check_size(x, None)
        x = self.patch_embed(x)
        rows, columns = x.shape[1:3]
        if self.pos_embed is not None:
            x = x + resample_position_map(self.pos_embed, (rows, columns))
        x = self.norm_pre(self.pos_drop(x))
        if self.rope_global is None or self.rope_window is None:
            return x, None, None
        return x, self.rope_global((rows, columns), x), self.rope_window(self._window, x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, h, w, D) after each block."""
        return self.blocks.outputs(*self._embed(x))

    def _finish(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, E, h, w)."""
        return self.neck(x.permute(0, 3, 1, 2))

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """(N, h, w, D) to (N, h, w, E), by the neck."""
        return self._finish(x).permute(0, 2, 3, 1)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Positions that do nothing; all else as PyTorch does."""
        return {"pos_embed": zeros} if module is self else super().initializers(path, module)

    def no_weight_decay(self) -> set[str]:
        """The learned positions of the patches."""
        return {"pos_embed"} if self.pos_embed is not None else set()

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the neck with the head."""
        return {
            "stem": r"^pos_embed|patch_embed",
            "blocks": r"^blocks\.(\d+)",
            "head": r"^neck|head",
        }


class Block(nn.Module):
    """Attention, in windows or to the whole image, then an MLP, each normalised before and added
    (https://arxiv.org/abs/2203.16527, section 3)."""

    def __init__(self, cfg: ViTSamConfig, plan: ViTSamBlockPlan) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        self.window: tuple[int, int] | None = plan.window
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.attn: Attention = Attention(cfg, plan)
        self.ls1: nn.Module = _layer_scale(cfg)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.mlp: Mlp = Mlp(
            cfg.embed_dim,
            plan.hidden,
            activation(cfg.act_layer, inplace=False),
            drop=cfg.proj_drop_rate,
        )
        self.ls2: nn.Module = _layer_scale(cfg)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(
        self, x: Tensor, global_rope: Tensor | None = None, window_rope: Tensor | None = None
    ) -> Tensor:
        """(N, h, w, D) to the same shape, with the rotary embeddings of the whole image and of a
        window."""
        y = self.norm1(x)
        if self.window is None:
            y = self._attend_globally(y, global_rope)
        else:
            y = self._attend_in_windows(y, self.window, window_rope)
        x = x + self.drop_path1(self.ls1(y))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    def _attend_globally(self, x: Tensor, rope: Tensor | None) -> Tensor:
        rows, columns = x.shape[1:3]
        return self.attn(x.flatten(1, 2), (rows, columns), rope).reshape(x.shape)

    def _attend_in_windows(self, x: Tensor, window: tuple[int, int], rope: Tensor | None) -> Tensor:
        return in_windows(x, window, (0, 0), lambda part, _: self.attn(part, window, rope))


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions, or with learned biases of distances in rows
    and in columns (https://arxiv.org/abs/2112.01526, equation 4)."""

    def __init__(self, cfg: ViTSamConfig, plan: ViTSamBlockPlan) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        features, width = cfg.embed_dim, cfg.embed_dim // cfg.num_heads
        self.num_heads: int = cfg.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=cfg.qkv_bias)
        self.q_norm: nn.Module = norm(width) if cfg.qk_norm else nn.Identity()
        self.k_norm: nn.Module = norm(width) if cfg.qk_norm else nn.Identity()
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        self.rel_pos_h: nn.Parameter | None = None
        self.rel_pos_w: nn.Parameter | None = None
        if plan.reach:
            rows, columns = plan.reach
            self.rel_pos_h = nn.Parameter(torch.empty(2 * rows - 1, width))
            self.rel_pos_w = nn.Parameter(torch.empty(2 * columns - 1, width))

    def initializers(self) -> Initializers:
        """Distances that add nothing."""
        return {"rel_pos_h": zeros, "rel_pos_w": zeros}

    def forward(self, x: Tensor, grid: tuple[int, int], rope: Tensor | None = None) -> Tensor:
        """(M, T, D) to the same shape; `grid` says the rows and columns of T."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            q, k = apply_rope(q, rope, halves=False), apply_rope(k, rope, halves=False)
        bias = None
        if self.rel_pos_h is not None and self.rel_pos_w is not None:
            bias = axis_bias(q, self.rel_pos_h, self.rel_pos_w, grid, grid)
        x = attend(q, k, v, self.attn_drop if self.training else 0.0, bias)
        return self.proj_drop(self.proj(merge_heads(x)))


def _layer_scale(cfg: ViTSamConfig) -> nn.Module:
    return LayerScale(cfg.embed_dim, cfg.init_values) if cfg.init_values else nn.Identity()


def _neck(cfg: ViTSamConfig) -> nn.Module:
    """(N, D, h, w) to (N, E, h, w), normalised unless the head does it."""
    channels = cfg.neck_chans
    if channels is None:
        return nn.Identity() if cfg.head_hidden_size else LayerNorm2d(cfg.embed_dim, eps=1e-6)
    return nn.Sequential(
        nn.Conv2d(cfg.embed_dim, channels, 1, bias=False),
        LayerNorm2d(channels, eps=1e-6),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        LayerNorm2d(channels, eps=1e-6),
    )
