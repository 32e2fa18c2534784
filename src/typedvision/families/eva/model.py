"""EVA (https://arxiv.org/abs/2211.07636, https://arxiv.org/abs/2303.11331) and its relatives with
rotary positions.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, d features of each head, B blocks, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel, describe
from typedvision.families.eva.config import BlockPlan, EvaConfig, EvaPlan, PoolName
from typedvision.layers.attention import NormMaker, attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Inits, constant, scaled, trunc_normal, zeros
from typedvision.layers.mlp import GluMlp, Mlp, SwiGLU
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchDropout, PatchEmbed
from typedvision.layers.position import resample_position_table
from typedvision.layers.rotary import (
    AxialRotaryEmbedding,
    CenteredRotaryEmbedding,
    CoordinateNoise,
    InterleavedRotaryEmbedding,
    MixedRotaryEmbedding,
    RotaryEmbedding,
    choose_patches,
    rotate,
    rotation,
)
from typedvision.layers.token_pool import AttentionPool, GlobalTokenPool
from typedvision.layers.transformer_init import transformer_inits


class Eva(ImageModel):
    """Patches as tokens, a transformer encoder whose heads are turned by the position of each
    patch, pooling and a linear classifier."""

    def __init__(self, cfg: EvaConfig) -> None:
        super().__init__(cfg)
        plan, norm = cfg.plan(), _norm(cfg)
        self.num_features: int = cfg.embed_dim
        self.head_hidden_size: int = cfg.embed_dim
        self.img_size: tuple[int, int] = plan.img_size
        self.grid: tuple[int, int] = plan.grid
        self.prefix: int = plan.prefix
        self.embeds_prefix: bool = not cfg.no_embed_class
        self.any_size: bool = cfg.dynamic_img_size
        self.turns_differ: bool = cfg.use_rot_pos_emb and cfg.rope_type == "mixed"
        self._cfg = cfg

        self.patch_embed: PatchEmbed = _patch_embed(cfg, plan)
        self.cls_token: nn.Parameter | None = _table(1, cfg) if cfg.class_token else None
        self.reg_token: nn.Parameter | None = (
            _table(cfg.num_reg_tokens, cfg) if cfg.num_reg_tokens else None
        )
        self.pos_embed: nn.Parameter | None = (
            _table(plan.positions, cfg) if plan.positions else None
        )
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.patch_drop: PatchDropout = PatchDropout(cfg.patch_drop_rate, plan.prefix)
        self.rope: RotaryEmbedding | None = _rope(cfg, plan) if cfg.use_rot_pos_emb else None
        self.norm_pre: nn.Module = (
            norm(cfg.embed_dim) if cfg.use_pre_transformer_norm else nn.Identity()
        )
        block = PostNormBlock if cfg.use_post_norm else Block
        self.blocks: Blocks = Blocks(*(block(cfg, each) for each in plan.blocks))
        self.norm: nn.Module = norm(cfg.embed_dim) if plan.norm else nn.Identity()
        self.attn_pool: nn.Module = _attention_pool(cfg, plan)
        self.fc_norm: nn.Module = norm(cfg.embed_dim) if plan.fc_norm else nn.Identity()
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        patches = self._patches(x)
        x, angles = self._tokens(patches), self._angles(patches)
        chosen = self.patch_drop.choose(x)
        x = self.norm_pre(self.patch_drop.keep(x, chosen))
        if angles is not None and chosen is not None:
            angles = choose_patches(angles, chosen)
        for output in self._outputs(x, angles):
            x = output
        return self.norm(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        x = self.pool(self.attn_pool(x[:, self.unpooled :]))
        x = self.head_drop(self.fc_norm(x))
        return x if pre_logits else self.head(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, T, D) after each block; training drops no patches here."""
        patches = self._patches(x)
        angles = self._angles(patches)
        yield from self._outputs(self.norm_pre(self._tokens(patches)), angles)

    def _outputs(self, x: Tensor, angles: Tensor | None) -> Iterator[Tensor]:
        """(N, T, D) to the same shape after each block, turned by the angles of the patches."""
        turn = None if angles is None else rotation(angles, x.dtype)
        for index, block in enumerate(self.blocks):
            own = turn[:, index] if turn is not None and self.turns_differ else turn
            x = self.blocks._run(block, x, own)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """By the last normalisation."""
        return self.norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        rows, columns = self.patch_embed.grid(*pixels)
        patches = x[:, self.prefix :].reshape(x.shape[0], rows, columns, -1)
        return patches.permute(0, 3, 1, 2).contiguous()

    def _patches(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the embedded patches, (N, h, w, D)."""
        if self.any_size:
            self.patch_embed.check_size(x, None, "build it with dynamic_img_pad=True")
        else:
            self.patch_embed.check_size(x, self.img_size, "build it with dynamic_img_size=True")
        return self.patch_embed(x)

    def _tokens(self, patches: Tensor) -> Tensor:
        """(N, h, w, D) to tokens, with learned positions where there are some, (N, T, D)."""
        x = patches.flatten(1, 2)
        learned = (self.cls_token, self.reg_token)
        front = [token.expand(x.shape[0], -1, -1) for token in learned if token is not None]
        if self.embeds_prefix:
            x = torch.cat((*front, x), dim=1)
        if self.pos_embed is not None:
            height, width = patches.shape[1:3]
            x = x + resample_position_table(self.pos_embed, self.grid, (height, width))
        if not self.embeds_prefix:
            x = torch.cat((*front, x), dim=1)
        return self.pos_drop(x)

    def _angles(self, patches: Tensor) -> Tensor | None:
        """The angles of (N, h, w, D), (L, d / 2) or of each block and head; None for none."""
        if self.rope is None:
            return None
        height, width = patches.shape[1:3]
        return self.rope((height, width), patches)

    def set_input_size(self, img_size: int | tuple[int, int]) -> None:
        """Take images of another size: learned positions are resampled, and `spec` follows.

        Args:
            img_size: height and width in pixels; one number for a square.

        Raises:
            ConfigError: the size does not go with the patches.
        """
        cfg = self._cfg.replace(img_size=img_size)
        plan = cfg.plan()
        if self.pos_embed is not None:
            table = resample_position_table(self.pos_embed.detach(), self.grid, plan.grid)
            self.pos_embed = nn.Parameter(table, self.pos_embed.requires_grad)
        self.img_size, self.grid, self._cfg = plan.img_size, plan.grid, cfg
        describe(self, self.spec.with_options(img_size=img_size))

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.head

    def _replace_classifier(self, num_classes: int, global_pool: PoolName) -> None:
        cfg = self._cfg.replace(num_classes=num_classes, global_pool=global_pool)
        plan, old = cfg.plan(), self._cfg
        if plan.fc_norm != old.plan().fc_norm:
            self._move_norm(cfg, plan)
        if cfg.global_pool != old.global_pool:
            self.attn_pool = _attention_pool(cfg, plan)
        self.unpooled: int = plan.unpooled
        self._cfg = cfg
        self.pool: GlobalTokenPool = GlobalTokenPool(plan.pool)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.head: nn.Module = (
            nn.Linear(cfg.embed_dim, cfg.num_classes) if cfg.num_classes else nn.Identity()
        )

    def _move_norm(self, cfg: EvaConfig, plan: EvaPlan) -> None:
        """What was learned goes to the pooling's other side, unless its own side keeps it."""
        if cfg.use_post_transformer_norm is None:
            self.norm, self.fc_norm = self.fc_norm, self.norm
        else:
            self.fc_norm = _norm(cfg)(cfg.embed_dim) if plan.fc_norm else nn.Identity()

    def inits(self, path: str, module: nn.Module) -> Inits:
        """A narrow normal distribution for tokens, positions and what is linear; the output
        projections of each block and the classifier smaller."""
        if module is self:
            return dict.fromkeys(("cls_token", "reg_token", "pos_embed"), trunc_normal(0.02))
        return _inits(self._cfg, path, module)

    def no_weight_decay(self) -> set[str]:
        """The learned tokens, positions and angles."""
        own = {name for name, _ in self.named_parameters(recurse=False)}
        return own | {"rope.freqs"} if self.turns_differ else own

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation; learned angles, which every
        block has a part of, go with the head."""
        groups: dict[str, object] = {
            "stem": r"^cls_token|reg_token|pos_embed|patch_embed|norm_pre",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))],
        }
        return groups | {"head": r"^rope|attn_pool|fc_norm|head"} if self.turns_differ else groups


class Block(nn.Module):
    """Attention, then an MLP, each normalised before, scaled and added."""

    def __init__(self, cfg: EvaConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm, scales = _norm(cfg), cfg.init_values is not None
        self.init_values: float | None = cfg.init_values
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.attn: Attention = _attention(cfg, plan)
        self.gamma_1: nn.Parameter | None = _scale(cfg) if scales else None
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.gamma_2: nn.Parameter | None = (
            _scale(cfg) if scales and not cfg.attn_only_layer_scale else None
        )
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def inits(self) -> Inits:
        """The same factor for every feature."""
        factor = constant(self.init_values or 0.0)
        return {"gamma_1": factor, "gamma_2": factor}

    def forward(self, x: Tensor, turn: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotation of the patches."""
        y = self.attn(self.norm1(x), turn)
        x = x + self.drop_path1(y if self.gamma_1 is None else y * self.gamma_1)
        y = self.mlp(self.norm2(x))
        return x + self.drop_path2(y if self.gamma_2 is None else y * self.gamma_2)


class PostNormBlock(nn.Module):
    """The same, each normalised after (EVA-02's CLIP of enormous size)."""

    def __init__(self, cfg: EvaConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm = _norm(cfg)
        self.attn: Attention = _attention(cfg, plan)
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, turn: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotation of the patches."""
        x = x + self.drop_path1(self.norm1(self.attn(x, turn)))
        return x + self.drop_path2(self.norm2(self.mlp(x)))


class Attention(nn.Module, ABC):
    """Multi-head self-attention whose queries and keys are turned by their position."""

    def __init__(self, cfg: EvaConfig, plan: BlockPlan) -> None:
        super().__init__()
        width = cfg.embed_dim // cfg.num_heads
        head_norm = _norm(cfg) if cfg.qk_norm else None
        self.num_heads: int = cfg.num_heads
        self.num_kv_heads: int = plan.num_kv_heads
        self.halves: bool = cfg.plan().halves
        self.attn_drop: float = cfg.attn_drop_rate
        self._make_projection(cfg, width)
        self.q_norm: nn.Module = head_norm(width) if head_norm else nn.Identity()
        self.k_norm: nn.Module = head_norm(width) if head_norm else nn.Identity()
        self.norm: nn.Module = _norm(cfg)(cfg.embed_dim) if cfg.scale_attn_inner else nn.Identity()
        self.proj: nn.Linear = nn.Linear(cfg.embed_dim, cfg.embed_dim)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    @abstractmethod
    def _make_projection(self, cfg: EvaConfig, width: int) -> None:
        """Put the layers in place that give queries, keys and values."""

    @abstractmethod
    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, D) to queries (N, T, D), and keys and values of fewer heads, where there are."""

    def forward(self, x: Tensor, turn: Tensor | None = None) -> Tensor:
        """(N, T, D) to the same shape, with the rotation of the patches."""
        q, k, v = self._project(x)
        q = self.q_norm(split_heads(q, self.num_heads))
        k, v = (split_heads(part, self.num_kv_heads) for part in (k, v))
        k = self.k_norm(k)
        if turn is not None:
            q, k = rotate(q, turn, halves=self.halves), rotate(k, turn, halves=self.halves)
        if self.num_kv_heads != self.num_heads:
            group = self.num_heads // self.num_kv_heads
            k, v = (part.repeat_interleave(group, dim=1) for part in (k, v))
        x = attend(q, k, v.to(q.dtype), self.attn_drop if self.training else 0.0)
        return self.proj_drop(self.proj(self.norm(merge_heads(x))))


class FusedAttention(Attention):
    """With one layer for queries, keys and values; `eva` gives keys no bias."""

    def _make_projection(self, cfg: EvaConfig, width: int) -> None:
        whole, parts = cfg.attn_type == "rope", cfg.attn_type == "eva"
        features = cfg.embed_dim
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=cfg.qkv_bias and whole)
        biases = cfg.qkv_bias and parts
        self.q_bias: nn.Parameter | None = nn.Parameter(torch.empty(features)) if biases else None
        self.v_bias: nn.Parameter | None = nn.Parameter(torch.empty(features)) if biases else None

    def inits(self) -> Inits:
        """Biases that do nothing."""
        return {"q_bias": zeros, "v_bias": zeros}

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bias: Tensor | None = self.qkv.bias
        if self.q_bias is not None and self.v_bias is not None:
            bias = torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))
        q, k, v = F.linear(x, self.qkv.weight, bias).chunk(3, dim=-1)
        return q, k, v


class SplitAttention(Attention):
    """With a layer each."""

    def _make_projection(self, cfg: EvaConfig, width: int) -> None:
        key_bias = cfg.qkv_bias and cfg.attn_type == "rope"
        features, fewer = cfg.embed_dim, width * self.num_kv_heads
        self.q_proj: nn.Linear = nn.Linear(features, features, bias=cfg.qkv_bias)
        self.k_proj: nn.Linear = nn.Linear(features, fewer, bias=key_bias)
        self.v_proj: nn.Linear = nn.Linear(features, fewer, bias=cfg.qkv_bias)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(x), self.k_proj(x), self.v_proj(x)


def _norm(cfg: EvaConfig) -> NormMaker:
    return partial(token_norm, cfg.norm_layer, eps=cfg.norm_eps)


def _table(count: int, cfg: EvaConfig) -> nn.Parameter:
    return nn.Parameter(torch.empty(1, count, cfg.embed_dim))


def _scale(cfg: EvaConfig) -> nn.Parameter:
    return nn.Parameter(torch.empty(cfg.embed_dim))


def _patch_embed(cfg: EvaConfig, plan: EvaPlan) -> PatchEmbed:
    return PatchEmbed(
        cfg.in_chans,
        cfg.embed_dim,
        plan.patch_size,
        pad=cfg.dynamic_img_pad,
        bias=not cfg.use_pre_transformer_norm,
    )


def _rope(cfg: EvaConfig, plan: EvaPlan) -> RotaryEmbedding:
    width, temperature = cfg.embed_dim // cfg.num_heads, cfg.rope_temperature
    columns_first = cfg.rope_grid_indexing == "xy"
    noise = CoordinateNoise(cfg.rope_shift_coords, cfg.rope_jitter_coords, cfg.rope_rescale_coords)
    match cfg.rope_type:
        case "cat":
            return AxialRotaryEmbedding(
                width,
                temperature,
                reference=plan.reference,
                offset=cfg.rope_grid_offset,
                columns_first=columns_first,
                noise=noise,
            )
        case "dinov3":
            return CenteredRotaryEmbedding(
                width,
                temperature,
                offset=cfg.rope_grid_offset,
                columns_first=columns_first,
                noise=noise,
            )
        case "mixed":
            return MixedRotaryEmbedding(
                width,
                temperature,
                depth=cfg.depth,
                num_heads=cfg.num_heads,
                columns_first=columns_first,
                noise=noise,
            )
        case "mrope":
            return InterleavedRotaryEmbedding(
                width, temperature, section=cfg.rope_mrope_section, noise=noise
            )


def _attention(cfg: EvaConfig, plan: BlockPlan) -> Attention:
    return FusedAttention(cfg, plan) if cfg.qkv_fused else SplitAttention(cfg, plan)


def _mlp(cfg: EvaConfig, plan: BlockPlan) -> nn.Module:
    features, drop = cfg.embed_dim, cfg.proj_drop_rate
    norm = _norm(cfg) if cfg.scale_mlp else None
    match cfg.plan().mlp:
        case "mlp":
            return Mlp(features, plan.hidden, nn.GELU(), drop=drop, norm=norm)
        case "swiglu":
            return SwiGLU(features, plan.hidden, nn.SiLU(), drop=drop, norm=norm)
        case "swiglu_packed":
            return GluMlp(features, 2 * plan.hidden, nn.SiLU(), gate_last=False, drop=drop)


def _attention_pool(cfg: EvaConfig, plan: EvaPlan) -> nn.Module:
    """The pooling that attends; the identity where there is a simpler one."""
    if cfg.global_pool != "map":
        return nn.Identity()
    mlp = Mlp(cfg.embed_dim, plan.pool_hidden, nn.GELU())
    return AttentionPool(cfg.embed_dim, plan.pool_heads, _norm(cfg)(cfg.embed_dim), mlp)


def _inits(cfg: EvaConfig, path: str, module: nn.Module) -> Inits:
    """How the tensors of a module below the model begin."""
    inits = transformer_inits("", path, module)
    match path.split("."):
        case ["blocks", index, "attn", "proj"] | ["blocks", index, "mlp", "fc2"]:
            factor = cfg.plan().blocks[int(index)].output_scale
        case ["head"] if isinstance(module, nn.Linear):
            factor = cfg.head_init_scale or 1.0
        case _:
            return inits
    return {**inits, "weight": scaled(inits["weight"], factor)}
