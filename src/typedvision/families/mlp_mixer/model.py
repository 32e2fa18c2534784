"""MLP-Mixer (https://arxiv.org/abs/2105.01601), ResMLP (https://arxiv.org/abs/2105.03404) and gMLP
(https://arxiv.org/abs/2105.08050).

Shapes: N images, C channels, H x W pixels, L patches, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.families.mlp_mixer.config import MlpMixerConfig, MlpMixerPlan, NormName
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, constant, ones, zeros
from typedvision.layers.mlp import GATE, GluMlp, Mlp, half_gate
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed, check_fixed_size
from typedvision.layers.token_pool import GlobalTokenPool
from typedvision.layers.transformer_init import transformer_initializers

RES_FACTOR = 1e-4
"""Initial factor of the branches of a ResMLP, where a config says none."""


class MlpMixer(ImageModel):
    """Patches as tokens, blocks that mix tokens and features, a mean and a linear classifier."""

    def __init__(self, cfg: MlpMixerConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = cfg.embed_dim
        self.head_hidden_size: int = cfg.embed_dim
        self.grid: tuple[int, int] = plan.grid
        self.img_size: tuple[int, int] = plan.img_size
        self._nlhb: bool = cfg.nlhb

        self.stem: PatchEmbed = PatchEmbed(
            cfg.in_chans,
            cfg.embed_dim,
            plan.patch_size,
            norm=_norm(cfg.norm_layer, cfg.embed_dim) if cfg.stem_norm else None,
        )
        block = {"mixer": MixerBlock, "res": ResBlock, "spatial_gating": SpatialGatingBlock}
        make = block[cfg.block_layer]
        self.blocks: Blocks = Blocks(*(make(cfg, plan) for _ in range(cfg.num_blocks)))
        self.norm: nn.Module = _norm(cfg.norm_layer, cfg.embed_dim)
        self.global_pool: GlobalTokenPool = GlobalTokenPool(cfg.global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, L, D)."""
        return self.norm(self.blocks(self._tokens(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, L, D) from each block."""
        return self.blocks.outputs(self._tokens(x))

    def _tokens(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, L, D)."""
        check_fixed_size(x, self.img_size)
        return self.stem(x).flatten(1, 2)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Any level by the last normalisation."""
        return self.norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, L, D) to (N, D, h, w)."""
        return x.transpose(1, 2).reshape(x.shape[0], -1, *self.grid)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, L, D) to (N, K)."""
        x = self.head_drop(self.global_pool(x))
        return x if pre_logits else self.head(x)

    def _replace_classifier(self, num_classes: int, global_pool: Literal["", "avg"]) -> None:
        self.global_pool = GlobalTokenPool(global_pool)
        self.head: nn.Linear | nn.Identity = linear_classifier(self.num_features, num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """As the JAX code of the Vision Transformer initialises; gates at about 1."""
        scheme = transformer_initializers("jax_nlhb" if self._nlhb else "jax", path, module)
        if path.endswith("gate.proj"):
            return GATE
        parent = self.get_submodule(path.rpartition(".")[0])
        return half_gate(scheme) if isinstance(parent, GluMlp) and path.endswith("fc1") else scheme

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block; the last normalisation belongs to the last block."""
        return {"stem": r"^stem", "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", LAST_GROUP)]}


class MixerBlock(nn.Module):
    """An MLP over tokens, then one over features (MLP-Mixer, equation 1)."""

    def __init__(self, cfg: MlpMixerConfig, plan: MlpMixerPlan) -> None:
        super().__init__()
        self.norm1: nn.Module = _norm(cfg.norm_layer, cfg.embed_dim)
        self.mlp_tokens: nn.Module = _mlp(cfg, plan.tokens, plan.tokens_hidden)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = _norm(cfg.norm_layer, cfg.embed_dim)
        self.mlp_channels: nn.Module = _mlp(cfg, cfg.embed_dim, plan.features_hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to the same shape."""
        over_tokens = self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.drop_path(over_tokens)
        return x + self.drop_path(self.mlp_channels(self.norm2(x)))


class ResBlock(nn.Module):
    """A linear layer over tokens, then an MLP over features, each with a factor (ResMLP, equations
    2 and 3)."""

    def __init__(self, cfg: MlpMixerConfig, plan: MlpMixerPlan) -> None:
        super().__init__()
        self.init_values: float = cfg.init_values or RES_FACTOR
        self.norm1: nn.Module = _norm(cfg.norm_layer, cfg.embed_dim)
        self.linear_tokens: nn.Linear = nn.Linear(plan.tokens, plan.tokens)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = _norm(cfg.norm_layer, cfg.embed_dim)
        self.mlp_channels: nn.Module = _mlp(cfg, cfg.embed_dim, plan.features_hidden)
        self.ls1: nn.Parameter = nn.Parameter(torch.empty(cfg.embed_dim))
        self.ls2: nn.Parameter = nn.Parameter(torch.empty(cfg.embed_dim))

    def initializers(self) -> Initializers:
        """One factor for all features."""
        return dict.fromkeys(("ls1", "ls2"), constant(self.init_values))

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to the same shape."""
        over_tokens = self.linear_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.drop_path(self.ls1 * over_tokens)
        return x + self.drop_path(self.ls2 * self.mlp_channels(self.norm2(x)))


class SpatialGatingBlock(nn.Module):
    """An MLP over features with a gate over tokens inside (gMLP, figure 1)."""

    def __init__(self, cfg: MlpMixerConfig, plan: MlpMixerPlan) -> None:
        super().__init__()
        self.norm: nn.Module = _norm(cfg.norm_layer, cfg.embed_dim)
        self.mlp_channels: GatedMlp = GatedMlp(cfg, plan)
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to the same shape."""
        return x + self.drop_path(self.mlp_channels(self.norm(x)))


class GatedMlp(nn.Module):
    """fc2(gate(act(fc1(x))))."""

    def __init__(self, cfg: MlpMixerConfig, plan: MlpMixerPlan) -> None:
        super().__init__()
        half = plan.features_hidden // 2
        self.fc1: nn.Linear = nn.Linear(cfg.embed_dim, plan.features_hidden)
        self.act: nn.Module = activation(cfg.act_layer)
        self.drop1: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        self.gate: SpatialGatingUnit = SpatialGatingUnit(half, plan.tokens)
        self.fc2: nn.Linear = nn.Linear(half, cfg.embed_dim)
        self.drop2: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to the same shape."""
        return self.drop2(self.fc2(self.gate(self.drop1(self.act(self.fc1(x))))))


class SpatialGatingUnit(nn.Module):
    """Half of the features gates the other half after a linear layer over tokens (gMLP,
    equations 2 and 4).

    Args:
        features: D, features of a half.
        tokens: L.
    """

    def __init__(self, features: int, tokens: int) -> None:
        super().__init__()
        self.norm: nn.LayerNorm = nn.LayerNorm(features)
        self.proj: nn.Linear = nn.Linear(tokens, tokens)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, 2 D) to (N, L, D)."""
        gated, gate = x.chunk(2, dim=-1)
        return gated * self.proj(self.norm(gate).transpose(1, 2)).transpose(1, 2)


class Affine(nn.Module):
    """A factor and a shift for each feature (ResMLP, equation 1)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.alpha: nn.Parameter = nn.Parameter(torch.empty(1, 1, features))
        self.beta: nn.Parameter = nn.Parameter(torch.empty(1, 1, features))

    def initializers(self) -> Initializers:
        """The identity."""
        return {"alpha": ones, "beta": zeros}

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to the same shape."""
        return x * self.alpha.flatten() + self.beta.flatten()


def _mlp(cfg: MlpMixerConfig, features: int, hidden: int) -> nn.Module:
    act, drop = activation(cfg.act_layer, inplace=False), cfg.proj_drop_rate
    if cfg.mlp_layer == "glu":
        return GluMlp(features, hidden, act, gate_last=True, drop=drop)
    return Mlp(features, hidden, act, drop=drop)


def _norm(name: NormName, features: int) -> nn.Module:
    return Affine(features) if name == "affine" else token_norm(name, features)
