"""NaFlexViT (https://arxiv.org/abs/2307.06304, https://arxiv.org/abs/2502.14786).

Shapes: N images, C channels, H x W pixels, h x w patches, L patches of an image, P tokens in front
of the patches, T = P + L tokens, V values of a patch, D features, d features of each head,
A attention heads, B blocks, K classes.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import describe
from typedvision.architecture.token_model import Inputs, TokenModel, learned_tokens, norm_maker
from typedvision.config.base import to_pair
from typedvision.errors import ConfigError, Problem, UsageError
from typedvision.families.naflexvit.config import NaFlexVitBlockPlan, NaFlexVitConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import Attention, DifferentialAttention
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, normal, trunc_normal
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import GATE, Mlp, half_gate
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchDropout, check_image_size
from typedvision.layers.patches import Patches, cut_patches
from typedvision.layers.rotary import (
    MixedRotaryEmbedding,
    RotaryEmbedding,
    choose_patches,
    rotary_embedding,
)
from typedvision.layers.rotary_block import RotaryBlock

torch.fx.wrap("check_image_size")  # looks at sizes, which a symbolic trace cannot


class NaFlexVit(TokenModel):
    """Patches as tokens, as many as an image has, a transformer encoder, pooling and a linear
    classifier.

    Images of one size go in as (N, C, H, W), images of several sizes as `Patches`.
    """

    _cfg: NaFlexVitConfig  # pyright: ignore[reportIncompatibleVariableOverride] # its own

    def __init__(self, cfg: NaFlexVitConfig) -> None:
        plan, rope = cfg.plan(), cfg.rope()
        super().__init__(cfg, plan)
        self.masks_keys_only: bool = cfg.use_key_only_attn_mask
        self.rope: RotaryEmbedding | None = rotary_embedding(rope) if rope else None
        self._add_encoder(
            Block(cfg, block) if cfg.block_type() == "standard" else RotaryBlock(block)
            for block in plan.blocks
        )

    def _add_embedding(self, stem: nn.Module | None, stem_channels: int | None) -> None:
        """Put the embedding in place, which has the learned tokens and positions."""
        self.embeds: Embedding = Embedding(self._cfg)
        self.patch_drop: PatchDropout = PatchDropout(self._cfg.patch_drop_rate, self._plan.prefix)

    def _embed(self, x: Tensor, *, all_patches: bool = False) -> Inputs:
        """(N, C, H, W) to the tokens, (N, T, D), and the patches' rotary embedding, (2, L, d / 2)
        or (2, B, A, L, d / 2)."""
        check_image_size(x, self.embeds.patch_size, self.embeds.pads, None)
        grid = self.embeds.grid(x.shape[2], x.shape[3])
        x = self.embeds(x)
        rope = None if self.rope is None else self.rope(grid, x)
        chosen = None if all_patches else self.patch_drop.choose(x)
        if rope is not None and chosen is not None:
            rope = choose_patches(rope, chosen)
        return self.norm_pre(self.patch_drop.keep(x, chosen)), rope

    def forward(self, x: Tensor | Patches) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), or of images of several sizes, which are patches
        (N, L, V); features where there are no classes."""
        return self.forward_patches(x) if isinstance(x, Patches) else super().forward(x)

    def forward_patches(self, patches: Patches) -> Tensor:
        """Logits (N, K) of images of several sizes, which are patches (N, L, V); features where
        there are no classes. A model that does not pool gives each token's, (N, T, K), of which
        those of padding mean nothing.

        Raises:
            UsageError: the patches have another size, or the model takes images only.
        """
        x = self.embeds.embed_patches(patches)
        chosen, valid = self.patch_drop.choose_valid(patches.valid)
        rope = None if self.rope is None else patches_rope(self.rope, patches, chosen, x)
        x = self.norm_pre(self.patch_drop.keep(x, chosen))
        valid = F.pad(valid, (self.num_prefix_tokens, 0), value=True)
        mask = valid[:, None, None, :]
        if not self.masks_keys_only:
            mask = mask & valid[:, None, :, None]
        x = self._finish(self.blocks(x, rope, mask))
        return self.head(self.head_drop(self.fc_norm(self._pool_valid(x, valid))))

    def _pool_valid(self, x: Tensor, valid: Tensor) -> Tensor:
        """Tokens (N, T, D) to (N, D), as the model pools, without those that are not valid."""
        x, valid = x[:, self.unpooled :], valid[:, self.unpooled :]
        if self.global_pool == "map":
            return self.attn_pool(x, valid[:, None, None, :])
        if self.global_pool in ("", "token"):
            return self.pool(x)
        mean = (x * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)
        greatest = x.masked_fill(~valid[..., None], -torch.inf).amax(1)
        match self.global_pool:
            case "avg":
                return mean
            case "max":
                return greatest
            case _:
                return 0.5 * (mean + greatest)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        patches = x[:, self.num_prefix_tokens :].transpose(1, 2)
        return patches.reshape(x.shape[0], -1, *self.embeds.grid(*pixels))

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
    ) -> None:
        """Say which size images have; `spec` follows. Any whole patches go in.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            patch_size: the model's own, or None.

        Raises:
            ConfigError: the sizes do not go together, or the patches are others.
        """
        size = self._cfg.img_size if img_size is None else img_size
        cfg = self._cfg.replace(img_size=size)
        if patch_size is not None and to_pair(patch_size) != self.embeds.patch_size:
            problem = Problem(("patch_size",), "value", "must stay as it is", patch_size)
            raise ConfigError("the patches of this model have one size", [problem])
        describe(self, self.spec.with_options(img_size=size))
        plan = cfg.plan()
        self.img_size: tuple[int, int] = plan.img_size
        self.grid: tuple[int, int] = plan.grid

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """By `weight_init` for what is linear, but gates near 1; class token and registers near 0,
        positions small and random."""
        if module is self.embeds:
            learned = dict.fromkeys(_POSITIONS, trunc_normal(0.02))
            return {**learned, "cls_token": normal(1e-6), "reg_token": normal(1e-6)}
        initializers = super().initializers(path, module)
        opens_gates = self._plan.weight_init not in ("reset", "skip")
        match path.split("."):
            case ["blocks", _, "mlp", "fc1_g"] if opens_gates:
                return GATE
            case ["blocks", _, "mlp", "fc1"] if opens_gates and self._cfg.swiglu_mlp:
                return half_gate(initializers)
            case _:
                return initializers

    def no_weight_decay(self) -> set[str]:
        """The learned tokens, positions, if these are whole, and frequencies."""
        learned = {name for name, _ in self.embeds.named_parameters(recurse=False)}
        names = {f"embeds.{name}" for name in learned - {"pos_embed_y", "pos_embed_x"}}
        return names | ({"rope.freqs"} if isinstance(self.rope, MixedRotaryEmbedding) else set())

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation with the last block."""
        return {**super().group_matcher(coarse), "stem": r"^embeds"}


_POSITIONS = ("pos_embed", "pos_embed_y", "pos_embed_x")


class Embedding(nn.Module):
    """Projects patches, adds their positions, and puts learned tokens in front."""

    def __init__(self, cfg: NaFlexVitConfig) -> None:
        super().__init__()
        plan, features = cfg.plan(), cfg.embed_dim
        (tall, wide), (rows, columns) = plan.patch_size, cfg.pos_embed_grid_size
        self.patch_size: tuple[int, int] = plan.patch_size
        self.pads: bool = plan.pads
        self.mode: str = cfg.pos_embed_interp_mode
        self.square: bool = cfg.pos_embed_ar_preserving
        self.antialias: bool = cfg.pos_embed_antialias
        self.channels: int = cfg.in_chans
        self.samples: bool = cfg.pos_embed_use_grid_sample
        self.by_pixels: bool = cfg.patchify_channels_last
        self.align_corners: bool = cfg.pos_embed_align_corners
        self.cls_token: nn.Parameter | None = learned_tokens(plan.class_token, features)
        self.reg_token: nn.Parameter | None = learned_tokens(plan.registers, features)
        whole, parts = cfg.pos_embed == "learned", cfg.pos_embed == "factorized"
        self.pos_embed: nn.Parameter | None = (
            nn.Parameter(torch.empty(1, rows, columns, features)) if whole else None
        )
        self.pos_embed_y: nn.Parameter | None = learned_tokens(rows if parts else 0, features)
        self.pos_embed_x: nn.Parameter | None = learned_tokens(columns if parts else 0, features)
        self.proj: nn.Linear | nn.Conv2d = (
            nn.Linear(tall * wide * cfg.in_chans, features, bias=plan.patch_bias)
            if cfg.embed_proj_type == "linear"
            else nn.Conv2d(
                cfg.in_chans, features, plan.patch_size, plan.patch_size, bias=plan.patch_bias
            )
        )
        norm = plan.patch_norm
        self.norm: nn.Module = token_norm(norm, features, cfg.norm_eps) if norm else nn.Identity()
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the tokens, (N, T, D)."""
        (height, width), (tall, wide) = x.shape[2:], self.patch_size
        grid = self.grid(height, width)
        if self.pads:
            x = F.pad(x, (0, -width % wide, 0, -height % tall))
        if isinstance(self.proj, nn.Linear):
            x = self.proj(self._ordered(cut_patches(x, self.patch_size)))
        else:
            x = self.proj(x).flatten(2).transpose(1, 2)
        positions = self._positions(grid, self.antialias)
        x = self.norm(x)
        return self._tokens(x if positions is None else x + positions.flatten(1, 2))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches in an image of that height and width."""
        tall, wide = self.patch_size
        if self.pads:
            height, width = height + -height % tall, width + -width % wide
        return height // tall, width // wide

    def embed_patches(self, patches: Patches) -> Tensor:
        """Patches of images of several sizes to the tokens, (N, T, D)."""
        if isinstance(self.proj, nn.Conv2d):
            raise UsageError(
                "a convolution projects images, not patches: build it with embed_proj_type='linear'"
            )
        if patches.values.shape[2] != self.proj.in_features:
            tall, wide = self.patch_size
            raise UsageError(
                f"patches must be of {tall} x {wide} pixels, {self.proj.in_features} values; got "
                f"{patches.values.shape[2]}"
            )
        x = self.norm(self.proj(self._ordered(patches.values)))
        filters = self.antialias and not self.samples
        whole = [self._positions(grid, filters) for grid in patches.grids()]
        if whole and whole[0] is not None:
            own = [
                table[0, place[:, 0], place[:, 1]]
                for table, place in zip(whole, patches.coordinates, strict=True)
                if table is not None
            ]
            x = x + torch.stack(own) * patches.valid[..., None]
        return self._tokens(x)

    def _ordered(self, values: Tensor) -> Tensor:
        """Patches (N, L, V) pixel by pixel to the order of the linear layer."""
        if self.by_pixels:
            return values
        return values.reshape(*values.shape[:2], -1, self.channels).transpose(2, 3).flatten(2)

    def _tokens(self, x: Tensor) -> Tensor:
        """(N, L, D) to (N, T, D)."""
        front = [
            token.expand(x.shape[0], -1, -1)
            for token in (self.cls_token, self.reg_token)
            if token is not None
        ]
        return self.pos_drop(torch.cat((*front, x), dim=1))

    def _positions(self, grid: tuple[int, int], antialias: bool) -> Tensor | None:
        """The embedding of each position, (1, h, w, D); None for none."""
        rows, columns = grid
        if self.pos_embed is not None:
            sides = table_sides(grid, self.square)
            table = resampled_grid(self.pos_embed, sides, self.mode, antialias, self.align_corners)
            return table[:, :rows, :columns]
        if self.pos_embed_y is None or self.pos_embed_x is None:
            return None
        down, right = table_sides(grid, self.square)
        y = resampled_line(self.pos_embed_y, down)
        x = resampled_line(self.pos_embed_x, right)
        return y[:, :rows, None] + x[:, None, :columns]


def patches_rope(
    rope: RotaryEmbedding, patches: Patches, chosen: Tensor | None, like: Tensor
) -> Tensor:
    """The rotary embedding of each image's patches, or of those that are chosen, (N, M); it is
    (2, N, 1, L, d / 2), or (2, B, N, A, L, d / 2) where each head of each block has its own."""
    rows, columns = patches.coordinates.unbind(-1)
    each = []
    for index, grid in enumerate(patches.grids()):
        places = rows[index] * grid[1] + columns[index]
        valid = patches.valid[index]
        if chosen is not None:
            places, valid = places[chosen[index]], valid[chosen[index]]
        each.append(choose_patches(rope(grid, like), places[None]) * valid[:, None])
    return torch.cat(each, dim=-4)


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def table_sides(grid: tuple[int, int], square: bool) -> tuple[int, int]:
    """Rows and columns of the table of positions for a grid: of a square that holds it, or its."""
    return (max(grid), max(grid)) if square else grid


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def resampled_grid(
    table: Tensor, grid: tuple[int, int], mode: str, antialias: bool, align_corners: bool
) -> Tensor:
    """A table of positions (1, h, w, D) for another grid."""
    if grid == (table.shape[1], table.shape[2]):
        return table
    image = F.interpolate(
        table.float().permute(0, 3, 1, 2),  # half precision is coarse, and not on every device
        grid,
        mode=mode,
        antialias=antialias,
        align_corners=align_corners,
    )
    return image.permute(0, 2, 3, 1).to(table.dtype)


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def resampled_line(table: Tensor, count: int) -> Tensor:
    """A table of rows or columns (1, h, D) for another number of them."""
    if count == table.shape[1]:
        return table
    line = table.float().transpose(1, 2)
    line = F.interpolate(line, count, mode="linear")
    return line.transpose(1, 2).to(table.dtype)


class Block(nn.Module):
    """Attention, then an MLP, each normalised before, scaled and added."""

    def __init__(self, cfg: NaFlexVitConfig, plan: NaFlexVitBlockPlan) -> None:
        super().__init__()
        norm, features = norm_maker(cfg), cfg.embed_dim
        self.norm1: nn.Module = norm(features)
        self.attn: MaskedAttention | MaskedDifferentialAttention = _attention(cfg, plan)
        self.ls1: nn.Module = _layer_scale(cfg)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(features)
        self.mlp: Mlp = Mlp(
            features,
            plan.hidden,
            activation(cfg.act_layer, inplace=False),
            bias=cfg.proj_bias,
            drop=cfg.proj_drop_rate,
            norm=norm if cfg.scale_mlp_norm else None,
        )
        self.ls2: nn.Module = _layer_scale(cfg)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, rope: None = None, mask: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape; a mask says which tokens are attended to, (N, 1, 1, T), or
        (N, 1, T, T) for each token. There is no rotary embedding."""
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x), mask)))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class MaskedAttention(Attention):
    """Multi-head self-attention to those tokens that are patches of the image."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape; a mask says which tokens are attended to, (N, 1, 1, T), or
        (N, 1, T, T) for each token."""
        return self._masked(x, mask)


class MaskedDifferentialAttention(DifferentialAttention):
    """The difference of two attention maps to those tokens that are patches of the image."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape; a mask says which tokens are attended to, (N, 1, 1, T), or
        (N, 1, T, T) for each token."""
        return self._masked(x, mask)


def _attention(
    cfg: NaFlexVitConfig, plan: NaFlexVitBlockPlan
) -> MaskedAttention | MaskedDifferentialAttention:
    norm = norm_maker(cfg)
    layer = (
        MaskedAttention
        if plan.lambda_init is None
        else partial(MaskedDifferentialAttention, lambda_init=plan.lambda_init)
    )
    return layer(
        cfg.embed_dim,
        cfg.num_heads,
        qkv_bias=cfg.qkv_bias,
        proj_bias=cfg.proj_bias,
        head_norm=norm if cfg.qk_norm else None,
        out_norm=norm if cfg.scale_attn_inner_norm else None,
        attn_drop=cfg.attn_drop_rate,
        proj_drop=cfg.proj_drop_rate,
    )


def _layer_scale(cfg: NaFlexVitConfig) -> nn.Module:
    return LayerScale(cfg.embed_dim, cfg.init_values) if cfg.init_values else nn.Identity()
