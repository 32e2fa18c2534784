"""ConViT (https://arxiv.org/abs/2103.10697).

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, T = 1 + L tokens: the class
token and the patches, D features, A attention heads.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from typedvision.architecture.token_model import Inputs, TokenModel, norm_maker
from typedvision.config.tokens import BlockPlan
from typedvision.families.convit.config import ConVitConfig
from typedvision.layers.attention import Attention, merge_heads, split_heads
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, ones, trunc_normal, values, zeros
from typedvision.layers.mlp import Mlp


class ConVit(TokenModel):
    """Patches with gated positional attention, then with a class token and self-attention, and a
    linear classifier (figure 4)."""

    _cfg: ConVitConfig  # pyright: ignore[reportIncompatibleVariableOverride] # its own

    cls_token: nn.Parameter  # pyright: ignore[reportIncompatibleVariableOverride] # there is one

    def __init__(self, cfg: ConVitConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        self._add_encoder(
            Block(cfg, block, index - cfg.local_up_to_layer)
            for index, block in enumerate(plan.blocks)
        )

    def _prefix(self) -> tuple[nn.Parameter | None, ...]:
        """No token stands in front of the patches at first."""
        return ()

    def _embed(self, x: Tensor, *, all_patches: bool = False) -> Inputs:
        """(N, C, H, W) to the patches, (N, L, D), the distances between them, (L, L, 3), and the
        class token, (1, 1, D)."""
        patches = super()._embed(x, all_patches=all_patches)[0]
        # A backbone that ends before the class token comes in has none.
        token: Tensor | None = getattr(self, "cls_token", None)
        return patches, _distances(self.grid, patches), token

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches, which are the last of all tokens, as a map, (N, D, h, w)."""
        rows, columns = self.grid
        patches = x[:, x.shape[1] - rows * columns :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], rows, columns)

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The class token, in the blocks before it comes in."""
        index = int(level.removeprefix("blocks."))
        return ("cls_token",) if index < self._cfg.local_up_to_layer else ()

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Small random weights; gated positional attention passes on what it sees, each head of
        another neighbour."""
        initializers = super().initializers(path, module)
        match path.split("."):
            case ["blocks", _, "attn", "v"]:
                return {**initializers, "weight": values(lambda: torch.eye(self.embed_dim))}
            case ["blocks", _, "attn", "pos_proj"]:
                strength = self._cfg.locality_strength

                def fill(weight: Tensor, generator: Generator) -> None:
                    trunc_normal(0.02)(weight, generator)
                    neighbours = _neighbours(self._cfg.num_heads)
                    weight[: len(neighbours)] = neighbours
                    weight *= strength

                return {"weight": fill, "bias": zeros}
            case _:
                return initializers


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added.

    Args:
        cfg: the model's config.
        plan: the block's numbers.
        index: counted from the block in which the class token comes in; those before it have gated
            positional attention.
    """

    def __init__(self, cfg: ConVitConfig, plan: BlockPlan, index: int) -> None:
        super().__init__()
        norm, features = norm_maker(cfg), cfg.width
        self.is_local: bool = index < 0
        self.takes_token: bool = index == 0
        self.norm1: nn.Module = norm(features)
        self.attn: nn.Module = (
            GatedPositionalAttention(cfg)
            if self.is_local
            else Attention(
                features,
                cfg.num_heads,
                qkv_bias=cfg.qkv_bias,
                attn_drop=cfg.attn_drop_rate,
                proj_drop=cfg.proj_drop_rate,
            )
        )
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(features)
        self.mlp: Mlp = Mlp(features, plan.hidden, nn.GELU(), drop=cfg.proj_drop_rate)

    def forward(self, x: Tensor, distances: Tensor, token: Tensor | None) -> Tensor:
        """(N, L, D) or (N, T, D) to the same shape; (N, L, D) to (N, T, D) where the class token
        comes in."""
        if self.takes_token and token is not None:
            x = torch.cat((token.expand(x.shape[0], -1, -1), x), dim=1)
        y = self.norm1(x)
        x = x + self.drop_path(self.attn(y, distances) if self.is_local else self.attn(y))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class GatedPositionalAttention(nn.Module):
    """A learned mean of attention by content and attention by distance (equation 9)."""

    def __init__(self, cfg: ConVitConfig) -> None:
        super().__init__()
        features, heads = cfg.width, cfg.num_heads
        self.num_heads: int = heads
        self.scale: float = cfg.embed_dim**-0.5
        self.gating_param: nn.Parameter = nn.Parameter(torch.empty(heads))
        self.qk: nn.Linear = nn.Linear(features, 2 * features, bias=cfg.qkv_bias)
        self.v: nn.Linear = nn.Linear(features, features, bias=cfg.qkv_bias)
        self.attn_drop: nn.Dropout = nn.Dropout(cfg.attn_drop_rate)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.pos_proj: nn.Linear = nn.Linear(3, heads)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def initializers(self) -> Initializers:
        """Gates that are mostly open for distances."""
        return {"gating_param": ones}

    def forward(self, x: Tensor, distances: Tensor) -> Tensor:
        """(N, L, D) to the same shape, with the distances between patches, (L, L, 3)."""
        q, k = self.qk(x).chunk(2, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, self.v(x)))
        content = (self.scale * q @ k.transpose(-2, -1)).softmax(dim=-1)
        position = self.pos_proj(distances).permute(2, 0, 1)[None].softmax(dim=-1)
        gate = self.gating_param.sigmoid()[:, None, None]
        weights = self.attn_drop((1.0 - gate) * content + gate * position)
        return self.proj_drop(self.proj(merge_heads(weights @ v)))


def _distances(grid: tuple[int, int], like: Tensor) -> Tensor:
    """How far the second of each two patches is to the right, below, and away, squared, of the
    first: (L, L, 3)."""
    y, x = torch.meshgrid(*(torch.arange(side, device=like.device) for side in grid), indexing="ij")
    right = x.reshape(1, -1) - x.reshape(-1, 1)
    below = y.reshape(1, -1) - y.reshape(-1, 1)
    return torch.stack((right, below, right**2 + below**2), dim=-1).to(like.dtype)


def _neighbours(num_heads: int) -> Tensor:
    """Weights of the distances for heads that look at the positions of a square kernel, as many as
    there are heads for, (k k, 3) (section 3)."""
    side = math.isqrt(num_heads)
    center = (side - 1) / 2 if side % 2 == 0 else side // 2
    offsets = [2.0 * (step - center) for step in range(side)]
    return torch.tensor([(right, below, -1.0) for right in offsets for below in offsets])
