"""Vision Transformer (https://arxiv.org/abs/2010.11929) and its descendants.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from typedvision.architecture.distilled_model import DistilledModel
from typedvision.architecture.token_model import TokenModel, learned_tokens, norm_maker
from typedvision.families.vit.config import ViTBlockPlan, ViTConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import (
    LAMBDAS,
    Attention,
    DifferentialAttention,
    attend,
    attend_differentially,
    differential_weight,
    merge_heads,
    split_heads,
)
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, constant, normal, zeros
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import GATE, GeGLU, GluMlp, Mlp, SwiGLU, half_gate
from typedvision.layers.stems import stem_initializers, token_stem


class VisionTransformer(DistilledModel, TokenModel):
    """Patches as tokens, a transformer encoder, pooling and a linear classifier (figure 1).

    A distilled one has a second token and a second classifier (https://arxiv.org/abs/2012.12877,
    figure 2).
    """

    _cfg: ViTConfig  # pyright: ignore[reportIncompatibleVariableOverride] # its own

    def __init__(self, cfg: ViTConfig) -> None:
        plan, stem = cfg.plan(), cfg.stem
        super().__init__(
            cfg,
            plan,
            token_stem(stem, cfg.in_chans, cfg.embed_dim) if stem else None,
            stem.channels if stem else None,
        )
        self.dist_token: nn.Parameter | None = learned_tokens(plan.distilled, cfg.embed_dim)
        self._add_encoder(_BLOCKS[cfg.block_fn](cfg, block) for block in plan.blocks)

    def _prefix(self) -> tuple[nn.Parameter | None, ...]:
        """The class token, the distillation token and the registers."""
        return self.cls_token, self.dist_token, self.reg_token

    def _add_classifier(self) -> None:
        """Put pooling, classifier and, where there is a token for it, a second one in place."""
        super()._add_classifier()
        self.head_dist: nn.Linear | nn.Identity | None = (
            linear_classifier(self.embed_dim, self._cfg.num_classes)
            if self._cfg.distilled
            else None
        )

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K); to a pair of these after `set_distilled_training`, in training."""
        if self.head_dist is None:
            return super().forward_head(x, pre_logits)
        return self.head_drop(x[:, :2]).mean(1) if pre_logits else self._distilled_logits(x)

    def _is_distilled(self) -> bool:
        return self.head_dist is not None

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, D) to the logits of the first two tokens, (N, K) each."""
        first, second = self.head_drop(x[:, :2]).unbind(1)
        return self.head(first), cast("nn.Module", self.head_dist)(second)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """By `weight_init` for what is linear; class token and registers near 0, other tokens and
        positions small and random."""
        initializers = super().initializers(path, module)
        if module is self:
            return {**initializers, "cls_token": normal(1e-6), "reg_token": normal(1e-6)}
        cfg = self._cfg
        opens_gates = cfg.weight_init != "reset"
        packed = cfg.mlp_layer in ("glu_mlp", "swiglu_packed")
        match path.split("."):
            case ["patch_embed", "backbone", *inside] if cfg.stem:
                return stem_initializers(cfg.stem, ".".join(inside), module, initializers)
            case ["blocks", *_, "mlp", "fc1_g"] if opens_gates:
                return GATE
            case ["blocks", *_, "mlp", "fc1"] if opens_gates and packed:
                return half_gate(initializers)
            case ["blocks", _, "norm1" | "norm2"] if cfg.block_fn == "res_post" and cfg.init_values:
                return {**initializers, "weight": constant(cfg.init_values)}
            case _:
                return initializers


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added (equations 2 and 3)."""

    def __init__(self, cfg: ViTConfig, plan: ViTBlockPlan) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.attn: nn.Module = _attention(cfg, plan)
        self.ls1: nn.Module = _layer_scale(cfg)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.ls2: nn.Module = _layer_scale(cfg)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class ResPostBlock(nn.Module):
    """Attention, then an MLP, each normalised after and added
    (https://arxiv.org/abs/2111.09883, section 3.2)."""

    def __init__(self, cfg: ViTConfig, plan: ViTBlockPlan) -> None:
        super().__init__()
        norm = norm_maker(cfg)
        self.attn: nn.Module = _attention(cfg, plan)
        self.norm1: nn.Module = norm(cfg.embed_dim)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.mlp: nn.Module = _mlp(cfg, plan)
        self.norm2: nn.Module = norm(cfg.embed_dim)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.norm1(self.attn(x)))
        return x + self.drop_path2(self.norm2(self.mlp(x)))


class _ParallelBlock(nn.Module):
    """One normalisation and one projection, of which both an attention and an MLP are made.

    A subclass adds the layers behind them, and ends with `_add_branch_end`.

    Args:
        cfg: the model's config.
        plan: the block's numbers.
        width: features of each query and key.
    """

    def __init__(self, cfg: ViTConfig, plan: ViTBlockPlan, width: int) -> None:
        super().__init__()
        norm, features = norm_maker(cfg), cfg.embed_dim
        self.num_heads: int = cfg.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.parts: list[int] = [plan.hidden, features, features, features]
        self.in_norm: nn.Module = norm(features)
        self.in_proj: nn.Linear = nn.Linear(features, sum(self.parts), bias=cfg.qkv_bias)
        self.mlp_bias: nn.Parameter | None = (
            None if cfg.qkv_bias else nn.Parameter(torch.empty(plan.hidden))
        )
        self.q_norm: nn.Module = norm(width) if cfg.qk_norm else nn.Identity()
        self.k_norm: nn.Module = norm(width) if cfg.qk_norm else nn.Identity()
        self.mlp_act: nn.Module = activation(cfg.act_layer, inplace=False)
        self.mlp_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def _add_branch_end(self, cfg: ViTConfig, plan: ViTBlockPlan) -> None:
        self.ls: nn.Module = _layer_scale(cfg)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def initializers(self) -> Initializers:
        """A bias of the MLP that does nothing, where the common projection holds none."""
        return {"mlp_bias": zeros}

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The MLP's hidden features, queries, keys and values of (N, T, D)."""
        hidden, q, k, v = self.in_proj(self.in_norm(x)).split(self.parts, dim=-1)
        hidden = hidden if self.mlp_bias is None else hidden + self.mlp_bias
        return self.mlp_drop(self.mlp_act(hidden)), q, k, v


class ParallelScalingBlock(_ParallelBlock):
    """Attention and MLP side by side, from one normalisation and one projection
    (https://arxiv.org/abs/2302.05442, section 2.1)."""

    def __init__(self, cfg: ViTConfig, plan: ViTBlockPlan) -> None:
        super().__init__(cfg, plan, width=cfg.embed_dim // cfg.num_heads)
        self.attn_out_proj: nn.Linear = nn.Linear(cfg.embed_dim, cfg.embed_dim, bias=cfg.proj_bias)
        self.mlp_out_proj: nn.Linear = nn.Linear(plan.hidden, cfg.embed_dim, bias=cfg.proj_bias)
        self._add_branch_end(cfg, plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        hidden, *qkv = self._project(x)
        q, k, v = (split_heads(part, self.num_heads) for part in qkv)
        heads = attend(self.q_norm(q), self.k_norm(k), v, self.attn_drop if self.training else 0.0)
        y = self.attn_out_proj(merge_heads(heads)) + self.mlp_out_proj(hidden)
        return x + self.drop_path(self.ls(y))


class DiffParallelScalingBlock(_ParallelBlock):
    """Differential attention (https://arxiv.org/abs/2410.05258) and an MLP side by side, from one
    normalisation and one projection, with one output projection for both."""

    def __init__(self, cfg: ViTConfig, plan: ViTBlockPlan) -> None:
        half = cfg.embed_dim // cfg.num_heads // 2
        super().__init__(cfg, plan, width=half)
        self.lambda_init: float = plan.lambda_init
        for name in LAMBDAS:
            self.register_parameter(name, nn.Parameter(torch.empty(half)))
        self.sub_norm: nn.RMSNorm = nn.RMSNorm(2 * half, eps=1e-5)
        self.out_proj: nn.Linear = nn.Linear(
            cfg.embed_dim + plan.hidden, cfg.embed_dim, bias=cfg.proj_bias
        )
        self._add_branch_end(cfg, plan)

    def initializers(self) -> Initializers:
        """A bias of the MLP that does nothing, and the vectors that the second map's weight is
        made of."""
        return {**super().initializers(), **LAMBDAS}

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        hidden, q, k, v = self._project(x)
        q, k = (split_heads(part, 2 * self.num_heads) for part in (q, k))
        heads = attend_differentially(
            self.q_norm(q),
            self.k_norm(k),
            split_heads(v, self.num_heads),
            differential_weight(self, self.lambda_init),
            self.attn_drop if self.training else 0.0,
        )
        heads = self.sub_norm(heads) * (1.0 - self.lambda_init)
        y = self.out_proj(torch.cat((merge_heads(heads), hidden), dim=-1))
        return x + self.drop_path(self.ls(y))


class ParallelThingsBlock(nn.Module):
    """Two attentions side by side, then two MLPs (https://arxiv.org/abs/2203.09795,
    section 3)."""

    def __init__(self, cfg: ViTConfig, plan: ViTBlockPlan) -> None:
        super().__init__()
        self.attns: nn.ModuleList = nn.ModuleList(
            _branch(cfg, plan, "attn", _attention(cfg, plan)) for _ in range(2)
        )
        self.ffns: nn.ModuleList = nn.ModuleList(
            _branch(cfg, plan, "mlp", _mlp(cfg, plan)) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + sum(attn(x) for attn in self.attns)
        return x + sum(ffn(x) for ffn in self.ffns)


_BLOCKS = {
    "standard": Block,
    "res_post": ResPostBlock,
    "parallel_scaling": ParallelScalingBlock,
    "diff_parallel_scaling": DiffParallelScalingBlock,
    "parallel_things": ParallelThingsBlock,
}


def _attention(cfg: ViTConfig, plan: ViTBlockPlan) -> nn.Module:
    norm = norm_maker(cfg)
    layer = (
        partial(DifferentialAttention, lambda_init=plan.lambda_init)
        if cfg.attn_layer == "diff"
        else Attention
    )
    return layer(
        cfg.embed_dim,
        cfg.num_heads,
        qkv_bias=cfg.qkv_bias,
        proj_bias=cfg.proj_bias,
        head_norm=norm if cfg.qk_norm else None,
        out_norm=norm if cfg.scale_attn_norm else None,
        attn_drop=cfg.attn_drop_rate,
        proj_drop=cfg.proj_drop_rate,
    )


def _mlp(cfg: ViTConfig, plan: ViTBlockPlan) -> nn.Module:
    layer: Callable[..., nn.Module]
    match cfg.mlp_layer:
        case "mlp":
            layer = Mlp
        case "glu_mlp":
            layer = partial(GluMlp, gate_last=True)
        case "swiglu_packed":
            layer = partial(GluMlp, gate_last=False)
        case "swiglu":
            layer = SwiGLU
        case "geglu":
            layer = GeGLU
    return layer(
        cfg.embed_dim,
        plan.hidden,
        activation(cfg.act_layer, inplace=False),
        bias=cfg.proj_bias,
        drop=cfg.proj_drop_rate,
        norm=norm_maker(cfg) if cfg.scale_mlp_norm else None,
    )


def _layer_scale(cfg: ViTConfig) -> nn.Module:
    return LayerScale(cfg.embed_dim, cfg.init_values) if cfg.init_values else nn.Identity()


def _branch(cfg: ViTConfig, plan: ViTBlockPlan, name: str, layer: nn.Module) -> nn.Sequential:
    """A residual branch around a layer, under the layer's name."""
    return nn.Sequential(
        OrderedDict(
            {
                "norm": norm_maker(cfg)(cfg.embed_dim),
                name: layer,
                "ls": _layer_scale(cfg),
                "drop_path": DropPath(plan.drop_path_rate),
            }
        )
    )
