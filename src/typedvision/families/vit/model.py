"""Vision Transformer (https://arxiv.org/abs/2010.11929) and its descendants.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel, describe
from typedvision.errors import UsageError
from typedvision.families.vit.config import BlockPlan, PoolName, ViTConfig, ViTPlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import (
    LAMBDAS,
    Attention,
    DifferentialAttention,
    NormMaker,
    attend,
    attend_differentially,
    differential_weight,
    merge_heads,
    split_heads,
)
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Inits, constant, normal, scaled, trunc_normal, zeros
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import GATE, GluMlp, Mlp, SwiGLU, half_gate
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchDropout, PatchEmbed
from typedvision.layers.position import resample_position_table
from typedvision.layers.token_pool import AttentionPool, GlobalTokenPool, RefinedTokenPool
from typedvision.layers.transformer_init import transformer_inits


class VisionTransformer(ImageModel):
    """Patches as tokens, a transformer encoder, pooling and a linear classifier (figure 1).

    A distilled one has a second token and a second classifier (https://arxiv.org/abs/2012.12877,
    figure 2).
    """

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__(cfg)
        plan, norm = cfg.plan(), _norm(cfg)
        self.num_features: int = cfg.embed_dim
        self.head_hidden_size: int = cfg.embed_dim
        self.img_size: tuple[int, int] = plan.img_size
        self.grid: tuple[int, int] = plan.grid
        self.prefix: int = plan.prefix
        self.embeds_prefix: bool = not cfg.no_embed_class
        self.any_size: bool = cfg.dynamic_img_size
        self._cfg = cfg

        self.patch_embed: PatchEmbed = _patch_embed(cfg, plan)
        self.cls_token: nn.Parameter | None = _table(1, cfg) if cfg.class_token else None
        self.dist_token: nn.Parameter | None = _table(1, cfg) if cfg.distilled else None
        self.reg_token: nn.Parameter | None = (
            _table(cfg.reg_tokens, cfg) if cfg.reg_tokens else None
        )
        self.pos_embed: nn.Parameter | None = (
            _table(plan.positions, cfg) if plan.positions else None
        )
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.patch_drop: PatchDropout = PatchDropout(cfg.patch_drop_rate, plan.prefix)
        self.norm_pre: nn.Module = norm(cfg.embed_dim) if cfg.pre_norm else nn.Identity()
        self.blocks: Blocks = Blocks(*(_BLOCKS[cfg.block_fn](cfg, block) for block in plan.blocks))
        self.norm: nn.Module = norm(cfg.embed_dim) if plan.norm else nn.Identity()
        self.attn_pool: nn.Module = _attention_pool(cfg, plan)
        self.fc_norm: nn.Module = norm(cfg.embed_dim) if plan.fc_norm else nn.Identity()
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        x = self.norm_pre(self.patch_drop(self._tokens(self._patches(x))))
        return self.norm(self.blocks(x))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        if self.head_dist is not None:
            one, other = self._distilled_head(x, pre_logits)
            return (one + other) / 2
        x = self.pool(self.attn_pool(x[:, self.unpooled :]))
        x = self.head_drop(self.fc_norm(x))
        return x if pre_logits else self.head(x)

    def forward_distilled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of the class token and of the distillation token; `forward` gives the mean.

        In training each has a loss of its own (https://arxiv.org/abs/2012.12877, section 4).
        DistributedDataParallel, which wraps `forward` alone, wants a module whose `forward` calls
        this.

        Raises:
            UsageError: the model has no distillation token.
        """
        return self._distilled_head(self.forward_features(x))

    def _distilled_head(self, x: Tensor, pre_logits: bool = False) -> tuple[Tensor, Tensor]:
        """(N, T, D) to the logits of the first two tokens, (N, K) each."""
        if self.head_dist is None:
            raise UsageError(
                "this model has no distillation token: call the model itself, or build it with "
                "distilled=True"
            )
        one, other = self.head_drop(x[:, :2]).unbind(1)
        return (one, other) if pre_logits else (self.head(one), self.head_dist(other))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, T, D) after each block; training drops no patches here."""
        x = self.norm_pre(self._tokens(self._patches(x)))
        yield from self.blocks.outputs(x)

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
        """(N, h, w, D) to tokens with positions, (N, T, D) (equation 1)."""
        x = patches.flatten(1, 2)
        learned = (self.cls_token, self.dist_token, self.reg_token)
        front = [token.expand(x.shape[0], -1, -1) for token in learned if token is not None]
        if self.embeds_prefix:
            x = torch.cat((*front, x), dim=1)
        if self.pos_embed is not None:
            height, width = patches.shape[1:3]
            x = x + resample_position_table(self.pos_embed, self.grid, (height, width))
        if not self.embeds_prefix:
            x = torch.cat((*front, x), dim=1)
        return self.pos_drop(x)

    def set_input_size(self, img_size: int | tuple[int, int]) -> None:
        """Take images of another size: the position table is resampled, and `spec` follows.

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
        """The linear layer; where there is a distillation token, the list of both layers."""
        return self.head if self.head_dist is None else nn.ModuleList((self.head, self.head_dist))

    def _replace_classifier(self, num_classes: int, global_pool: PoolName) -> None:
        cfg = self._cfg.replace(num_classes=num_classes, global_pool=global_pool)
        plan, old = cfg.plan(), self._cfg
        if plan.fc_norm != old.plan().fc_norm:  # what was learned goes to the pooling's other side
            self.norm, self.fc_norm = self.fc_norm, self.norm
        if cfg.global_pool != old.global_pool:
            self.attn_pool = _attention_pool(cfg, plan)
        self.unpooled: int = plan.unpooled
        self._cfg = cfg
        self.pool: GlobalTokenPool = GlobalTokenPool(plan.pool)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.head: nn.Module = _classifier(cfg)
        self.head_dist: nn.Module | None = _classifier(cfg) if cfg.distilled else None

    def inits(self, path: str, module: nn.Module) -> Inits:
        """By `weight_init` for what is linear; small random tokens and positions."""
        if module is self:
            tiny, small = normal(1e-6), trunc_normal(0.02)
            return {"cls_token": tiny, "reg_token": tiny, "dist_token": small, "pos_embed": small}
        return _inits(self._cfg, path, module)

    def no_weight_decay(self) -> set[str]:
        """The learned tokens and positions."""
        return {name for name, _ in self.named_parameters(recurse=False)}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation."""
        return {
            "stem": r"^cls_token|dist_token|reg_token|pos_embed|patch_embed|norm_pre",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))],
        }


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added (equations 2 and 3)."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm = _norm(cfg)
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
    """The same, each normalised after (https://arxiv.org/abs/2111.09883, section 3.2)."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm = _norm(cfg)
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

    Args:
        cfg: the model's config.
        plan: the block's numbers.
        width: features of each query and key.
    """

    def __init__(self, cfg: ViTConfig, plan: BlockPlan, width: int) -> None:
        super().__init__()
        norm, features = _norm(cfg), cfg.embed_dim
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
        self.ls: nn.Module = _layer_scale(cfg)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def inits(self) -> Inits:
        """The MLP's bias, where that of the common projection does not hold it."""
        return {"mlp_bias": zeros}

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The MLP's hidden features, queries, keys and values of (N, T, D)."""
        hidden, q, k, v = self.in_proj(self.in_norm(x)).split(self.parts, dim=-1)
        hidden = hidden if self.mlp_bias is None else hidden + self.mlp_bias
        return self.mlp_drop(self.mlp_act(hidden)), q, k, v


class ParallelScalingBlock(_ParallelBlock):
    """Attention and MLP side by side, from one normalisation and one projection
    (https://arxiv.org/abs/2302.05442, section 2.1)."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__(cfg, plan, width=cfg.embed_dim // cfg.num_heads)
        self.attn_out_proj: nn.Linear = nn.Linear(cfg.embed_dim, cfg.embed_dim, bias=cfg.proj_bias)
        self.mlp_out_proj: nn.Linear = nn.Linear(plan.hidden, cfg.embed_dim, bias=cfg.proj_bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        hidden, *qkv = self._project(x)
        q, k, v = (split_heads(part, self.num_heads) for part in qkv)
        heads = attend(self.q_norm(q), self.k_norm(k), v, self.attn_drop if self.training else 0.0)
        y = self.attn_out_proj(merge_heads(heads)) + self.mlp_out_proj(hidden)
        return x + self.drop_path(self.ls(y))


class DiffParallelScalingBlock(_ParallelBlock):
    """The same with differential attention (https://arxiv.org/abs/2410.05258), and one output
    projection for both."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        half = cfg.embed_dim // cfg.num_heads // 2
        super().__init__(cfg, plan, width=half)
        self.lambda_init: float = plan.lambda_init
        for name in LAMBDAS:
            self.register_parameter(name, nn.Parameter(torch.empty(half)))
        self.sub_norm: nn.RMSNorm = nn.RMSNorm(2 * half, eps=1e-5)
        self.out_proj: nn.Linear = nn.Linear(
            cfg.embed_dim + plan.hidden, cfg.embed_dim, bias=cfg.proj_bias
        )

    def inits(self) -> Inits:
        """The same, and the vectors that the second map's weight is made of."""
        return {**super().inits(), **LAMBDAS}

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

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
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


def _norm(cfg: ViTConfig) -> NormMaker:
    return partial(token_norm, cfg.norm_layer, eps=cfg.norm_eps)


def _table(count: int, cfg: ViTConfig) -> nn.Parameter:
    return nn.Parameter(torch.empty(1, count, cfg.embed_dim))


def _patch_embed(cfg: ViTConfig, plan: ViTPlan) -> PatchEmbed:
    name = cfg.embed_norm_layer
    return PatchEmbed(
        cfg.in_chans,
        cfg.embed_dim,
        plan.patch_size,
        pad=cfg.dynamic_img_pad,
        bias=not cfg.pre_norm,
        norm=token_norm(name, cfg.embed_dim, cfg.norm_eps) if name else None,
    )


def _attention(cfg: ViTConfig, plan: BlockPlan) -> nn.Module:
    norm = _norm(cfg)
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


def _mlp(cfg: ViTConfig, plan: BlockPlan) -> nn.Module:
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
    return layer(
        cfg.embed_dim,
        plan.hidden,
        activation(cfg.act_layer, inplace=False),
        bias=cfg.proj_bias,
        drop=cfg.proj_drop_rate,
        norm=_norm(cfg) if cfg.scale_mlp_norm else None,
    )


def _layer_scale(cfg: ViTConfig) -> nn.Module:
    return LayerScale(cfg.embed_dim, cfg.init_values) if cfg.init_values else nn.Identity()


def _branch(cfg: ViTConfig, plan: BlockPlan, name: str, layer: nn.Module) -> nn.Sequential:
    """A residual branch around a layer, under the layer's name."""
    return nn.Sequential(
        OrderedDict(
            {
                "norm": _norm(cfg)(cfg.embed_dim),
                name: layer,
                "ls": _layer_scale(cfg),
                "drop_path": DropPath(plan.drop_path_rate),
            }
        )
    )


def _classifier(cfg: ViTConfig) -> nn.Module:
    return nn.Linear(cfg.embed_dim, cfg.num_classes) if cfg.num_classes else nn.Identity()


def _attention_pool(cfg: ViTConfig, plan: ViTPlan) -> nn.Module:
    """The pooling that attends; the identity where there is a simpler one."""
    match cfg.global_pool:
        case "map":
            mlp = Mlp(cfg.embed_dim, plan.blocks[0].hidden, activation(cfg.act_layer))
            return AttentionPool(cfg.embed_dim, cfg.num_heads, _norm(cfg)(cfg.embed_dim), mlp)
        case "prr":
            return RefinedTokenPool(cfg.num_heads)
        case _:
            return nn.Identity()


def _inits(cfg: ViTConfig, path: str, module: nn.Module) -> Inits:
    """How the tensors of a module below the model begin."""
    inits = transformer_inits(cfg.weight_init, path, module)
    opens_gates = cfg.weight_init != "reset"
    packed = cfg.mlp_layer in ("glu_mlp", "swiglu_packed")
    match path.split("."):
        case ["blocks", *_, "mlp", "fc1_g"] if opens_gates:
            return GATE
        case ["blocks", *_, "mlp", "fc1"] if opens_gates and packed:
            return half_gate(inits)
        case ["blocks", index, "attn", "proj"] | ["blocks", index, "mlp", "fc2"] if cfg.fix_init:
            scale = cfg.plan().blocks[int(index)].output_scale
            return {**inits, "weight": scaled(inits["weight"], scale)}
        case ["blocks", _, "norm1" | "norm2"] if cfg.block_fn == "res_post" and cfg.init_values:
            return {**inits, "weight": constant(cfg.init_values)}
        case _:
            return inits
