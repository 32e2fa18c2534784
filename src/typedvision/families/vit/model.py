"""Vision Transformer (https://arxiv.org/abs/2010.11929) and its descendants.

Shapes: N pictures, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Generator, Tensor, nn

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
from typedvision.layers.drop import DropPath
from typedvision.layers.image_model import ImageModel, describe
from typedvision.layers.init import (
    Init,
    Inits,
    constant,
    default_inits,
    lecun_normal,
    normal,
    torch_linear,
    trunc_normal,
    uniform,
    xavier_uniform,
    zeros,
)
from typedvision.layers.layer_scale import LayerScale
from typedvision.layers.mlp import GATE, GluMlp, Mlp, SwiGLU, half_gate
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchDropout, PatchEmbed
from typedvision.layers.position import resample_position_table
from typedvision.layers.token_pool import AttentionPool, GlobalTokenPool, RefinedTokenPool


class VisionTransformer(ImageModel):
    """Patches as tokens, a transformer encoder, pooling and a linear classifier (figure 1)."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__(cfg)
        plan, norm = cfg.plan(), _norm(cfg)
        self.num_features = self.head_hidden_size = cfg.embed_dim
        self.img_size, self.grid, self.prefix = plan.img_size, plan.grid, plan.prefix
        self.embeds_prefix, self.any_size = not cfg.no_embed_class, cfg.dynamic_img_size
        self._cfg = cfg

        self.patch_embed = _patch_embed(cfg, plan)
        self.cls_token = _table(1, cfg) if cfg.class_token else None
        self.reg_token = _table(cfg.reg_tokens, cfg) if cfg.reg_tokens else None
        self.pos_embed = _table(plan.positions, cfg) if plan.positions else None
        self.pos_drop = nn.Dropout(cfg.pos_drop_rate)
        self.patch_drop = PatchDropout(cfg.patch_drop_rate, plan.prefix)
        self.norm_pre = norm(cfg.embed_dim) if cfg.pre_norm else nn.Identity()
        self.blocks = nn.Sequential(*(_BLOCKS[cfg.block_fn](cfg, block) for block in plan.blocks))
        self.norm = norm(cfg.embed_dim) if plan.norm else nn.Identity()
        self.attn_pool = _attention_pool(cfg, plan)
        self.fc_norm = norm(cfg.embed_dim) if plan.fc_norm else nn.Identity()
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        x = self.norm_pre(self.patch_drop(self._tokens(self._patches(x))))
        return self.norm(self._run(self.blocks, x))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        x = self.pool(self.attn_pool(x[:, self.unpooled :]))
        x = self.head_drop(self.fc_norm(x))
        return x if pre_logits else self.head(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, T, D) after each block; training drops no patches here."""
        x = self.norm_pre(self._tokens(self._patches(x)))
        for block in self.blocks:
            x = self._run([block], x)
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
        self._check_size(x)
        return self.patch_embed(x)

    def _tokens(self, patches: Tensor) -> Tensor:
        """(N, h, w, D) to tokens with positions, (N, T, D) (equation 1)."""
        x = patches.flatten(1, 2)
        learnt = [token for token in (self.cls_token, self.reg_token) if token is not None]
        front = [token.expand(x.shape[0], -1, -1) for token in learnt]
        if self.embeds_prefix:
            x = torch.cat((*front, x), dim=1)
        if self.pos_embed is not None:
            height, width = patches.shape[1:3]
            x = x + resample_position_table(self.pos_embed, self.grid, (height, width))
        if not self.embeds_prefix:
            x = torch.cat((*front, x), dim=1)
        return self.pos_drop(x)

    def _check_size(self, x: Tensor) -> None:
        height, width = x.shape[-2:]
        if not self.any_size and (height, width) != self.img_size:
            raise UsageError(
                f"this model takes pictures of {self.img_size[0]} x {self.img_size[1]} pixels; "
                f"got {height} x {width}: call model.set_input_size(({height}, {width})), or build "
                "it with dynamic_img_size=True"
            )
        tall, wide = self.patch_embed.patch_size
        if self.any_size and not self.patch_embed.pad and (height % tall or width % wide):
            raise UsageError(
                f"this model takes pictures in multiples of {tall} x {wide} pixels; "
                f"got {height} x {width}: resize them, or build it with dynamic_img_pad=True"
            )

    def set_input_size(self, img_size: int | tuple[int, int]) -> None:
        """Take pictures of another size: the position table is resampled, and `spec` follows.

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
        if plan.fc_norm != old.plan().fc_norm:  # what was learnt goes to the pooling's other side
            self.norm, self.fc_norm = self.fc_norm, self.norm
        if cfg.global_pool != old.global_pool:
            self.attn_pool = _attention_pool(cfg, plan)
        self.unpooled, self._cfg = plan.unpooled, cfg
        self.pool = GlobalTokenPool(plan.pool)
        self.head_drop = nn.Dropout(cfg.drop_rate)
        self.head = nn.Linear(cfg.embed_dim, num_classes) if num_classes else nn.Identity()

    def inits(self, path: str, module: nn.Module) -> Inits:
        """By `weight_init` for what is linear; small random tokens and positions."""
        if module is self:
            token = normal(1e-6)
            return {"cls_token": token, "reg_token": token, "pos_embed": trunc_normal(0.02)}
        return _inits(self._cfg, path, module)

    def no_weight_decay(self) -> set[str]:
        """The learnt tokens and positions."""
        return {name for name, _ in self.named_parameters(recurse=False)}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation."""
        return {
            "stem": r"^cls_token|reg_token|pos_embed|patch_embed|norm_pre",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))],
        }


class Block(nn.Module):
    """Attention, then a perceptron, each normalised before and added (equations 2 and 3)."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm = _norm(cfg)
        self.norm1 = norm(cfg.embed_dim)
        self.attn = _attention(cfg, plan)
        self.ls1 = _layer_scale(cfg)
        self.drop_path1 = DropPath(plan.drop_path_rate)
        self.norm2 = norm(cfg.embed_dim)
        self.mlp = _mlp(cfg, plan)
        self.ls2 = _layer_scale(cfg)
        self.drop_path2 = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class ResPostBlock(nn.Module):
    """The same, each normalised after (https://arxiv.org/abs/2111.09883, section 3.2)."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm = _norm(cfg)
        self.attn = _attention(cfg, plan)
        self.norm1 = norm(cfg.embed_dim)
        self.drop_path1 = DropPath(plan.drop_path_rate)
        self.mlp = _mlp(cfg, plan)
        self.norm2 = norm(cfg.embed_dim)
        self.drop_path2 = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = x + self.drop_path1(self.norm1(self.attn(x)))
        return x + self.drop_path2(self.norm2(self.mlp(x)))


class ParallelScalingBlock(nn.Module):
    """Attention and perceptron side by side, from one normalisation and one projection
    (https://arxiv.org/abs/2302.05442, section 2.1)."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm, features, width = _norm(cfg), cfg.embed_dim, cfg.embed_dim // cfg.num_heads
        self.num_heads, self.attn_drop = cfg.num_heads, cfg.attn_drop_rate
        self.parts = [plan.hidden, features, features, features]
        self.in_norm = norm(features)
        self.in_proj = nn.Linear(features, sum(self.parts), bias=cfg.qkv_bias)
        self.mlp_bias = None if cfg.qkv_bias else nn.Parameter(torch.empty(plan.hidden))
        self.q_norm = norm(width) if cfg.qk_norm else nn.Identity()
        self.k_norm = norm(width) if cfg.qk_norm else nn.Identity()
        self.mlp_act = activation(cfg.act_layer, inplace=False)
        self.mlp_drop = nn.Dropout(cfg.proj_drop_rate)
        self.attn_out_proj = nn.Linear(features, features, bias=cfg.proj_bias)
        self.mlp_out_proj = nn.Linear(plan.hidden, features, bias=cfg.proj_bias)
        self.ls = _layer_scale(cfg)
        self.drop_path = DropPath(plan.drop_path_rate)

    def inits(self) -> Inits:
        """The perceptron's bias, where that of the common projection does not hold it."""
        return {"mlp_bias": zeros}

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        hidden, q, k, v = _project(self.in_proj, self.mlp_bias, self.in_norm(x), self.parts)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        heads = attend(self.q_norm(q), self.k_norm(k), v, self.attn_drop if self.training else 0.0)
        y = self.attn_out_proj(merge_heads(heads))
        y = y + self.mlp_out_proj(self.mlp_drop(self.mlp_act(hidden)))
        return x + self.drop_path(self.ls(y))


class DiffParallelScalingBlock(nn.Module):
    """The same with differential attention (https://arxiv.org/abs/2410.05258), and one output
    projection for both."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__()
        norm, features, half = _norm(cfg), cfg.embed_dim, cfg.embed_dim // cfg.num_heads // 2
        self.num_heads, self.attn_drop = cfg.num_heads, cfg.attn_drop_rate
        self.lambda_init = plan.lambda_init
        self.parts = [plan.hidden, features, features, features]
        self.in_norm = norm(features)
        self.in_proj = nn.Linear(features, sum(self.parts), bias=cfg.qkv_bias)
        self.mlp_bias = None if cfg.qkv_bias else nn.Parameter(torch.empty(plan.hidden))
        self.q_norm = norm(half) if cfg.qk_norm else nn.Identity()
        self.k_norm = norm(half) if cfg.qk_norm else nn.Identity()
        for name in LAMBDAS:
            self.register_parameter(name, nn.Parameter(torch.empty(half)))
        self.sub_norm = nn.RMSNorm(2 * half, eps=1e-5)
        self.mlp_act = activation(cfg.act_layer, inplace=False)
        self.mlp_drop = nn.Dropout(cfg.proj_drop_rate)
        self.out_proj = nn.Linear(features + plan.hidden, features, bias=cfg.proj_bias)
        self.ls = _layer_scale(cfg)
        self.drop_path = DropPath(plan.drop_path_rate)

    def inits(self) -> Inits:
        """The perceptron's bias, and the vectors that the second map's weight is made of."""
        return {"mlp_bias": zeros, **LAMBDAS}

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        hidden, q, k, v = _project(self.in_proj, self.mlp_bias, self.in_norm(x), self.parts)
        q, k = (split_heads(part, 2 * self.num_heads) for part in (q, k))
        heads = attend_differentially(
            self.q_norm(q),
            self.k_norm(k),
            split_heads(v, self.num_heads),
            differential_weight(self, self.lambda_init),
            self.attn_drop if self.training else 0.0,
        )
        heads = self.sub_norm(heads) * (1.0 - self.lambda_init)
        hidden = self.mlp_drop(self.mlp_act(hidden))
        y = self.out_proj(torch.cat((merge_heads(heads), hidden), dim=-1))
        return x + self.drop_path(self.ls(y))


class ParallelThingsBlock(nn.Module):
    """Two attentions side by side, then two perceptrons (https://arxiv.org/abs/2203.09795,
    section 3)."""

    def __init__(self, cfg: ViTConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.attns = nn.ModuleList(
            _branch(cfg, plan, "attn", _attention(cfg, plan)) for _ in range(2)
        )
        self.ffns = nn.ModuleList(_branch(cfg, plan, "mlp", _mlp(cfg, plan)) for _ in range(2))

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


def _project(layer: nn.Linear, bias: Tensor | None, x: Tensor, parts: list[int]) -> list[Tensor]:
    """The hidden features of the perceptron, queries, keys and values of (N, T, D)."""
    hidden, *qkv = layer(x).split(parts, dim=-1)
    return [hidden if bias is None else hidden + bias, *qkv]


def _inits(cfg: ViTConfig, path: str, module: nn.Module) -> Inits:
    """How the tensors of a module below the model begin."""
    if isinstance(module, nn.Linear):
        return _linear_inits(cfg, path, module)
    if isinstance(module, nn.Conv2d) and cfg.weight_init in ("jax", "jax_nlhb"):
        return {"weight": lecun_normal(), "bias": zeros}
    inits = default_inits(module)
    if cfg.block_fn == "res_post" and cfg.init_values and path.endswith((".norm1", ".norm2")):
        return {**inits, "weight": constant(cfg.init_values)}
    return inits


def _linear_inits(cfg: ViTConfig, path: str, layer: nn.Linear) -> Inits:
    in_block = path.startswith("blocks.")
    if cfg.weight_init == "reset":
        inits = torch_linear(layer)
    elif path.endswith("fc1_g"):
        inits = GATE
    else:
        inits = {"weight": _weight_init(cfg, path, layer), "bias": _bias_init(cfg, path)}
        if cfg.mlp_layer in ("glu_mlp", "swiglu_packed") and in_block and path.endswith("mlp.fc1"):
            inits = half_gate(inits)
    if in_block and path.endswith(("attn.proj", "mlp.fc2")):
        scale = cfg.plan().blocks[int(path.split(".")[1])].output_scale
        inits = {**inits, "weight": _scaled(inits["weight"], scale)}
    return inits


def _weight_init(cfg: ViTConfig, path: str, layer: nn.Linear) -> Init:
    match cfg.weight_init:
        case "moco" if path.endswith("qkv"):  # queries, keys and values are three layers
            return uniform(math.sqrt(6.0 / (layer.in_features + layer.out_features / 3)))
        case "jax" | "jax_nlhb" if path == "head":
            return zeros
        case "jax" | "jax_nlhb" | "moco":
            return xavier_uniform()
        case _:
            return trunc_normal(0.02)


def _bias_init(cfg: ViTConfig, path: str) -> Init:
    match cfg.weight_init:
        case "jax_nlhb" if path == "head":
            return constant(-math.log(cfg.num_classes))
        case "jax" | "jax_nlhb" if "mlp" in path:
            return normal(1e-6)
        case _:
            return zeros


def _scaled(init: Init, factor: float) -> Init:
    def fill(tensor: Tensor, generator: Generator) -> None:
        init(tensor, generator)
        tensor.mul_(factor)

    return fill
