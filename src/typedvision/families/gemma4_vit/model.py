"""The image encoder of Gemma 4 (https://ai.google.dev/gemma/docs).

Shapes: N images, C channels, H x W pixels, p x p of them in a patch, h x w patches, L = h w, D
features, A heads of queries, B of keys and values, d features of each head, s x s patches that
become one of M tokens, K classes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.encoder_model import EncoderClassifier, EncoderModel
from typedvision.config.names import OutputFormat
from typedvision.config.tokens import BlockPlan
from typedvision.errors import UsageError
from typedvision.families.gemma4_vit.config import Gemma4VitConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    ones,
    scaled,
    torch_linear,
    trunc_normal,
    zeros,
)
from typedvision.layers.rotary import AxialRotaryEmbedding, apply_rope

NARROW = scaled(trunc_normal(1.0), 0.02)
"""A normal distribution of deviation 0.02, cut at two deviations."""


class Gemma4VitClassifier(EncoderClassifier):
    """The encoder, and a classifier of the mean of what it gives."""

    _cfg: Gemma4VitConfig  # pyright: ignore[reportIncompatibleVariableOverride] # its own

    def __init__(self, cfg: Gemma4VitConfig) -> None:
        norm = nn.RMSNorm(cfg.out_channels, eps=cfg.norm_eps, elementwise_affine=False)
        super().__init__(cfg, Gemma4VitEncoder(cfg), norm)
        self.output_fmt: OutputFormat = "NLC"

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """The encoder's, and PyTorch's for the classifier; its bias is 0 unless `skip` is said."""
        if path != "head" or not isinstance(module, nn.Linear) or self._cfg.weight_init:
            return super().initializers(path, module)
        return {**torch_linear(module), "bias": zeros}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the classifier."""
        return {"stem": r"^encoder\.patch_embed", "blocks": [(r"^encoder\.blocks\.(\d+)", None)]}


class Gemma4VitEncoder(EncoderModel):
    """Patches with learned and rotary positions, blocks that attend to them, and a pooler.

    Images (N, C, H, W) of values from 0 to 1 become tokens for the language model, (N, M, D), row
    by row; M is L / s^2.
    """

    _cfg: Gemma4VitConfig  # pyright: ignore[reportIncompatibleVariableOverride] # its own

    std_bias: Tensor
    std_scale: Tensor

    def __init__(self, cfg: Gemma4VitConfig) -> None:
        rope = AxialRotaryEmbedding(cfg.head_dim, cfg.rope_theta, columns_first=True)
        super().__init__(cfg, PatchEmbedding(cfg), rope)
        pooler = {"pooler": SoftPool(cfg)} if cfg.projects else {}
        self._add_encoder((Block(cfg, plan) for plan in cfg.plan()), nn.Identity(), **pooler)
        self.output_fmt: OutputFormat = "NHWC" if cfg.projects else "NLC"
        self.standardizes: bool = cfg.standardize
        if cfg.standardize:
            self.register_buffer("std_bias", torch.empty(cfg.embed_dim))
            self.register_buffer("std_scale", torch.empty(cfg.embed_dim))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Patches (N, h, w, D) to tokens for a language model, (N, M, D); without a pooler patches
        (N, L, D) to their mean, (N, D), or as they are."""
        if not self.projector:
            return x.mean(1) if self.averages else x
        x = super().forward_head(x)
        return (x - self.std_bias) * self.std_scale if self.standardizes else x

    def _finish(self, x: Tensor) -> Tensor:
        """(N, h, w, D) as it is for a pooler; else (N, L, D)."""
        return x if self.projector else x.flatten(1, 2)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers by a deviation of 0.02, or PyTorch's; tokens are not shifted nor scaled."""
        if module is self:
            return {"std_bias": zeros, "std_scale": ones}
        if isinstance(module, nn.Linear) and not self._cfg.weight_init:
            return {"weight": NARROW}
        return default_initializers(module)

    def no_weight_decay(self) -> set[str]:
        """The learned positions."""
        return {"patch_embed.position_embedding_table"}


Gemma4Vit = Gemma4VitClassifier | Gemma4VitEncoder
"""Gemma 4's encoder alone, or a classifier around it."""


class PatchEmbedding(nn.Module):
    """Projects patches, and adds what is learned of their column and of their row."""

    def __init__(self, cfg: Gemma4VitConfig) -> None:
        super().__init__()
        self.side: int = cfg.patch_size
        self.position_embedding_table: nn.Parameter = nn.Parameter(
            torch.empty(2, cfg.position_embedding_size, cfg.embed_dim)
        )
        pixels = cfg.in_chans * cfg.patch_size**2
        self.input_proj: nn.Linear = nn.Linear(pixels, cfg.embed_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) of values from 0 to 1, which become -1 to 1, to (N, h, w, D)."""
        patches = F.pixel_unshuffle(2 * x - 1, self.side).permute(0, 2, 3, 1)
        return self.input_proj(patches) + positions(self.position_embedding_table, patches)

    def initializers(self) -> Initializers:
        """Positions by a deviation of 0.02."""
        return {"position_embedding_table": NARROW}


class Block(nn.Module):
    """Attention, then a gated MLP, each normalised before and after, and added."""

    def __init__(self, cfg: Gemma4VitConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.norm1: nn.RMSNorm = nn.RMSNorm(cfg.embed_dim, eps=cfg.norm_eps)
        self.attn: Attention = Attention(cfg)
        self.norm2: nn.RMSNorm = nn.RMSNorm(cfg.embed_dim, eps=cfg.norm_eps)
        self.norm3: nn.RMSNorm = nn.RMSNorm(cfg.embed_dim, eps=cfg.norm_eps)
        self.mlp: GatedMlp = GatedMlp(cfg, plan)
        self.norm4: nn.RMSNorm = nn.RMSNorm(cfg.embed_dim, eps=cfg.norm_eps)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape, with the patches' rotary embedding, (2, L, d / 2)."""
        x = x + self.drop_path(self.norm2(self.attn(self.norm1(x), rope)))
        return x + self.drop_path(self.norm4(self.mlp(self.norm3(x))))


class Attention(nn.Module):
    """Self-attention of normalised queries, keys and values; products are not scaled."""

    def __init__(self, cfg: Gemma4VitConfig) -> None:
        super().__init__()
        self.heads: int = cfg.num_heads
        self.key_heads: int = cfg.key_heads
        self.attn_drop: float = cfg.attn_drop_rate
        queries, keys = cfg.num_heads * cfg.head_dim, cfg.key_heads * cfg.head_dim
        clips = cfg.use_clipped_linears
        self.q_proj: ClippableLinear = ClippableLinear(cfg.embed_dim, queries, clips=clips)
        self.k_proj: ClippableLinear = ClippableLinear(cfg.embed_dim, keys, clips=clips)
        self.v_proj: ClippableLinear = ClippableLinear(cfg.embed_dim, keys, clips=clips)
        self.o_proj: ClippableLinear = ClippableLinear(queries, cfg.embed_dim, clips=clips)
        self.q_norm: nn.RMSNorm = nn.RMSNorm(cfg.head_dim, eps=cfg.norm_eps)
        self.k_norm: nn.RMSNorm = nn.RMSNorm(cfg.head_dim, eps=cfg.norm_eps)
        self.v_norm: nn.RMSNorm = nn.RMSNorm(
            cfg.head_dim, eps=cfg.norm_eps, elementwise_affine=False
        )
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape, with the patches' rotary embedding, (2, L, d / 2)."""
        tokens = x.flatten(1, 2)
        q = self.q_norm(split_heads(self.q_proj(tokens), self.heads))
        k = self.k_norm(split_heads(self.k_proj(tokens), self.key_heads))
        v = self.v_norm(split_heads(self.v_proj(tokens), self.key_heads))
        q, k = (apply_rope(pairs_apart(part), rope, halves=True) for part in (q, k))
        if self.key_heads != self.heads:
            k, v = (part.repeat_interleave(self.heads // self.key_heads, dim=1) for part in (k, v))
        y = attend(q, k, v, self.attn_drop if self.training else 0.0, scale=1.0)
        return self.proj_drop(self.o_proj(merge_heads(y))).reshape(x.shape)


class GatedMlp(nn.Module):
    """A gated MLP (https://arxiv.org/abs/2002.05202, equation 6)."""

    def __init__(self, cfg: Gemma4VitConfig, plan: BlockPlan) -> None:
        super().__init__()
        features, hidden, clips = cfg.embed_dim, plan.hidden, cfg.use_clipped_linears
        self.gate_proj: ClippableLinear = ClippableLinear(features, hidden, clips=clips)
        self.up_proj: ClippableLinear = ClippableLinear(features, hidden, clips=clips)
        self.down_proj: ClippableLinear = ClippableLinear(hidden, features, clips=clips)
        self.act: nn.Module = activation(cfg.act_layer, inplace=False)
        self.drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        return self.drop(self.down_proj(self.act(self.gate_proj(x)) * self.up_proj(x)))


class ClippableLinear(nn.Module):
    """A linear layer without bias, whose inputs and outputs may be bounded.

    Args:
        features: number of inputs.
        out_features: number of outputs.
        clips: whether there are bounds, four numbers of the checkpoint.
    """

    input_min: Tensor
    input_max: Tensor
    output_min: Tensor
    output_max: Tensor

    def __init__(self, features: int, out_features: int, *, clips: bool) -> None:
        super().__init__()
        self.clips = clips
        for name in ("input_min", "input_max", "output_min", "output_max") if clips else ():
            self.register_buffer(name, torch.empty(()))
        self.linear: nn.Linear = nn.Linear(features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        if not self.clips:
            return self.linear(x)
        y = self.linear(x.clamp(self.input_min, self.input_max))
        return y.clamp(self.output_min, self.output_max)

    def initializers(self) -> Initializers:
        """Bounds that nothing reaches; finite, as all initial weights are."""
        low, high = constant(-1e38), constant(1e38)
        return {"input_min": low, "input_max": high, "output_min": low, "output_max": high}


class SoftPool(nn.Module):
    """The mean of each square of patches, times the root of the number of features."""

    def __init__(self, cfg: Gemma4VitConfig) -> None:
        super().__init__()
        self.side: int = cfg.pooling_kernel_size
        self.scale: float = math.sqrt(cfg.embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, M, D)."""
        x = F.avg_pool2d(x.permute(0, 3, 1, 2), self.side)
        return x.flatten(2).transpose(1, 2) * self.scale


def pairs_apart(x: Tensor) -> Tensor:
    """Queries or keys (N, A, L, d) with the first features of all rotary pairs in front of the
    second ones; what the checkpoint has is the column's first and second, then the row's."""
    first_x, second_x, first_y, second_y = x.chunk(4, dim=-1)
    return torch.cat((first_x, first_y, second_x, second_y), dim=-1)


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def positions(table: Tensor, patches: Tensor) -> Tensor:
    """What a table (2, rows, D) has of each column plus each row of patches (N, h, w, V), as a map
    (h, w, D).

    Raises:
        UsageError: there are more columns or rows than the table has.
    """
    (rows, columns), most = patches.shape[1:3], table.shape[1]
    if max(rows, columns) > most:
        raise UsageError(
            f"this model knows {most} rows and columns of patches; the image has {rows} x "
            f"{columns}: resize it, or set 'position_embedding_size'"
        )
    return table[0, :columns] + table[1, :rows, None]
