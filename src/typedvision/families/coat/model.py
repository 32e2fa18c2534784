"""CoaT (https://arxiv.org/abs/2104.06399).

Shapes: N images, C channels, H x W pixels, h x w patches of a map, T = 1 + h w tokens with the
class token in front, A attention heads, D features, d = D / A, K classes; S tokens of three maps
side by side, from the finest to the coarsest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.joined_model import JoinedModel
from typedvision.config.base import to_pair
from typedvision.config.names import OutputFormat
from typedvision.families.coat.config import CoatConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.attention import merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, default_initializers, trunc_normal, zeros
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed, check_fixed_size
from typedvision.layers.token_map import patch_map

STAGES = (1, 2, 3, 4)
SCALES = (2, 3, 4)
"""The stages that parallel blocks see side by side."""
STEM = ("cls_token", "patch_embed", "cpe", "crpe")
"""Names, before the number of the stage, of what a stage makes its tokens with."""


class CoaT(JoinedModel):
    """Four stages of serial blocks, parallel blocks, and a linear classifier (figure 3).

    With parallel blocks, `forward_features` gives the tokens of three maps side by side, (N, S, D).
    """

    output_fmt: OutputFormat = "NLC"
    aggregate: nn.Conv1d

    def __init__(self, cfg: CoatConfig) -> None:
        super().__init__(cfg)
        plans = cfg.plan()
        self.num_features: int = cfg.embed_dims[-1]
        self.head_hidden_size: int = cfg.embed_dims[-1]
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.grids: tuple[tuple[int, int], ...] = tuple(plan.grid for plan in plans)
        self.sizes: tuple[int, ...] = tuple(plan.tokens for plan in plans[1:])
        self.joins_levels: bool = cfg.parallel_depth > 0

        for number, plan in zip(STAGES, plans, strict=True):
            self.register_parameter(
                f"cls_token{number}", nn.Parameter(torch.empty(1, 1, plan.features))
            )
        for number, plan in zip(STAGES, plans, strict=True):
            patches = PatchEmbed(
                plan.in_features,
                plan.features,
                (plan.patch_size, plan.patch_size),
                norm=nn.LayerNorm(plan.features),
            )
            self.add_module(f"patch_embed{number}", patches)
        places = [ConvPositions(plan) for plan in plans]
        for number, module in zip(STAGES, places, strict=True):
            self.add_module(f"cpe{number}", module)
        distances = [ConvRelativePositions(cfg, plan) for plan in plans]
        for number, relative in zip(STAGES, distances, strict=True):
            self.add_module(f"crpe{number}", relative)
        for number, plan, place, relative in zip(STAGES, plans, places, distances, strict=True):
            blocks = (SerialBlock(cfg, plan, place, relative) for _ in range(plan.depth))
            self.add_module(f"serial_blocks{number}", Blocks(*blocks))
        if self.joins_levels:
            self.parallel_blocks: Blocks = Blocks(
                *(
                    ParallelBlock(cfg, plans[1:], places[1:], distances[1:])
                    for _ in range(cfg.parallel_depth)
                )
            )
            self.scales: nn.ModuleList = nn.ModuleList(
                Scale(self.sizes, index) for index in range(len(SCALES))
            )
        for number in SCALES if self.joins_levels else STAGES[-1:]:
            self.add_module(f"norm{number}", token_norm(cfg.norm_layer, plans[number - 1].features))
        if self.joins_levels:
            self.aggregate = nn.Conv1d(len(SCALES), 1, 1)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _replace_classifier(self, num_classes: int, global_pool: Literal["avg", "token"]) -> None:
        self.global_pool: Literal["avg", "token"] = global_pool
        self.head: nn.Linear | nn.Identity = linear_classifier(self.num_features, num_classes)

    def _joined(self, levels: Sequence[Tensor]) -> Tensor:
        """The last tokens, or those of three maps side by side, normalised."""
        if not self.joins_levels:
            return self._normalized(levels[-1], 3)
        return torch.cat([self._normalized(levels[n - 1], n - 1) for n in SCALES], dim=1)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The tokens of each map, (N, T, D)."""
        check_fixed_size(x, self.img_size)
        scales: list[Tensor] = []
        for number, grid in zip(STAGES, self.grids, strict=True):
            patches = self.get_submodule(f"patch_embed{number}")(x).flatten(1, 2)
            front = getattr(self, f"cls_token{number}").expand(x.shape[0], -1, -1)
            tokens = self.get_submodule(f"serial_blocks{number}")(torch.cat((front, patches), 1))
            if number in SCALES and self.joins_levels:
                scales.append(tokens)
            else:
                yield tokens
            x = _as_map(tokens, grid)
        if scales:
            side_by_side = self.parallel_blocks(torch.cat(scales, dim=1))
            for scale in self.scales:
                yield scale(side_by_side)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self._normalized(x, 3)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Normalised, where there is a normalisation of that level."""
        norm: nn.Module | None = getattr(self, f"norm{level + 1}", None)
        return x if norm is None else norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        return patch_map(x, 1, self.grids)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D), or with parallel blocks (N, S, D), to (N, K)."""
        if self.joins_levels:
            parts = x.split_with_sizes(self.sizes, dim=1)
            pooled = [self._pooled(parts[index]) for index in range(len(self.sizes))]
            x = self.aggregate(torch.stack(pooled, dim=1)).squeeze(1)
        else:
            x = self._pooled(x)
        x = self.head_drop(x)
        return x if pre_logits else self.head(x)

    def _pooled(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, D)."""
        return x[:, 0] if self.global_pool == "token" else x[:, 1:].mean(1)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers and class tokens by a deviation of 0.02."""
        if module is self:
            return dict.fromkeys((f"cls_token{number}" for number in STAGES), trunc_normal(0.02))
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def no_weight_decay(self) -> set[str]:
        """The class tokens."""
        return {f"cls_token{number}" for number in STAGES}

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """What the stages past a level make their tokens with; the parallel blocks need all."""
        if not level.startswith("serial_blocks"):
            return ()
        past = STAGES[int(level[-1]) :]
        return tuple(f"{name}{number}" for number in past for name in STEM)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """For each stage what makes its tokens, then each block; then the parallel blocks, the last
        with what follows."""
        groups: dict[str, object] = {}
        for number in STAGES:
            groups[f"stem{number}"] = f"^(?:{'|'.join(STEM)}){number}"
            groups[f"serial_blocks{number}"] = rf"^serial_blocks{number}\.(\d+)"
        last = [(r"^parallel_blocks\.(\d+)", None), (r"^(?:norm|aggregate)", LAST_GROUP)]
        return {**groups, "parallel_blocks": last}


class ConvPositions(nn.Module):
    """Adds a depthwise convolution of the patches to them (section 3.2)."""

    def __init__(self, plan: StagePlan) -> None:
        super().__init__()
        features = plan.features
        self.grid: tuple[int, int] = plan.grid
        self.proj: nn.Conv2d = conv2d(features, features, 3, groups=features, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        patches = _as_map(x, self.grid)
        patches = self.proj(patches) + patches
        return torch.cat((x[:, :1], patches.flatten(2).transpose(1, 2)), dim=1)


class ConvRelativePositions(nn.Module):
    """A depthwise convolution of the values, by which each query is multiplied (equation 4); some
    heads have other kernels."""

    def __init__(self, cfg: CoatConfig, plan: StagePlan) -> None:
        super().__init__()
        width = plan.features // cfg.num_heads
        self.grid: tuple[int, int] = plan.grid
        self.channels: tuple[int, ...] = tuple(heads * width for _, heads in cfg.crpe_window)
        self.conv_list: nn.ModuleList = nn.ModuleList(
            conv2d(count, count, kernel, groups=count, bias=True)
            for (kernel, _), count in zip(cfg.crpe_window, self.channels, strict=True)
        )

    def forward(self, q: Tensor, v: Tensor) -> Tensor:
        """Queries and values, (N, A, T, d) each, to the same shape; zeros for the class token."""
        q, v = q[:, :, 1:], v[:, :, 1:]
        maps = v.transpose(2, 3).reshape(v.shape[0], -1, *self.grid)
        parts = maps.split_with_sizes(self.channels, dim=1)
        moved = [conv(parts[index]) for index, conv in enumerate(self.conv_list)]
        near = torch.cat(moved, dim=1).reshape(q.transpose(2, 3).shape).transpose(2, 3)
        return F.pad(q * near, (0, 0, 1, 0))


class FactorAttention(nn.Module):
    """Attention whose keys attend to values before queries come in, so that it takes time linear
    in the tokens (equation 3), with relative positions."""

    def __init__(self, cfg: CoatConfig, features: int, crpe: ConvRelativePositions) -> None:
        super().__init__()
        self.num_heads: int = cfg.num_heads
        self.scale: float = (features // cfg.num_heads) ** -0.5
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=cfg.qkv_bias)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)
        self.crpe: ConvRelativePositions = crpe

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        x = q @ (k.softmax(dim=2).mT @ v) * self.scale + self.crpe(q, v)
        return self.proj_drop(self.proj(merge_heads(x)))


class SerialBlock(nn.Module):
    """Positions, then attention and an MLP, each normalised before and added (figure 4)."""

    def __init__(
        self, cfg: CoatConfig, plan: StagePlan, cpe: ConvPositions, crpe: ConvRelativePositions
    ) -> None:
        super().__init__()
        self.cpe: ConvPositions = cpe
        self.norm1: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.factoratt_crpe: FactorAttention = FactorAttention(cfg, plan.features, crpe)
        self.drop_path: DropPath = DropPath(cfg.drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.mlp: Mlp = _mlp(cfg, plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        x = self.cpe(x)
        x = x + self.drop_path(self.factoratt_crpe(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class ParallelBlock(nn.Module):
    """A block for each of three maps, whose attention is also added to the others after
    interpolation (figure 5); they share the MLP.

    Args:
        cfg: the config.
        plans: the stages that the maps are of.
        places: the positions of each, which stay the model's.
        distances: the relative positions of each.
    """

    def __init__(
        self,
        cfg: CoatConfig,
        plans: Sequence[StagePlan],
        places: Sequence[ConvPositions],
        distances: Sequence[ConvRelativePositions],
    ) -> None:
        super().__init__()
        features, mlp = plans[0].features, _mlp(cfg, plans[0])
        self.sizes: tuple[int, ...] = tuple(plan.tokens for plan in plans)
        self.grids: tuple[tuple[int, int], ...] = tuple(plan.grid for plan in plans)
        self.places: tuple[ConvPositions, ...] = tuple(places)
        for number in SCALES:
            self.add_module(f"norm1{number}", token_norm(cfg.norm_layer, features))
        for number, crpe in zip(SCALES, distances, strict=True):
            self.add_module(f"factoratt_crpe{number}", FactorAttention(cfg, features, crpe))
        self.drop_path: DropPath = DropPath(cfg.drop_path_rate)
        for number in SCALES:
            self.add_module(f"norm2{number}", token_norm(cfg.norm_layer, features))
        for number in SCALES:
            self.add_module(f"mlp{number}", mlp)

    def forward(self, x: Tensor) -> Tensor:
        """(N, S, D) to the same shape."""
        maps = x.split_with_sizes(self.sizes, dim=1)
        parts = [place(maps[index]) for index, place in enumerate(self.places)]
        attended = self._each("factoratt_crpe", self._each("norm1", parts))
        parts = [
            part + self.drop_path(self._sum(attended, grid))
            for part, grid in zip(parts, self.grids, strict=True)
        ]
        mixed = self._each("mlp", self._each("norm2", parts))
        sums = [part + self.drop_path(more) for part, more in zip(parts, mixed, strict=True)]
        return torch.cat(sums, dim=1)

    def _each(self, name: str, parts: Sequence[Tensor]) -> list[Tensor]:
        """The output of each map's module of that name."""
        numbered = zip(SCALES, parts, strict=True)
        return [self.get_submodule(f"{name}{number}")(part) for number, part in numbered]

    def _sum(self, parts: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
        """The sum of the tokens of all maps, brought to one grid, (N, T, D)."""
        own = zip(parts, self.grids, strict=True)
        return torch.stack([_resized(part, old, grid) for part, old in own]).sum(0)


class Scale(nn.Module):
    """One of the maps whose tokens stand side by side.

    Args:
        sizes: number of tokens of each.
        index: which one.
    """

    def __init__(self, sizes: Sequence[int], index: int) -> None:
        super().__init__()
        self.start: int = sum(sizes[:index])
        self.end: int = self.start + sizes[index]

    def forward(self, x: Tensor) -> Tensor:
        """(N, S, D) to (N, T, D)."""
        return x[:, self.start : self.end]


def _resized(x: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Tokens (N, T, D) whose patches are interpolated from a grid to another."""
    if new == old:
        return x
    patches = F.interpolate(_as_map(x, old), new, mode="bilinear", align_corners=False)
    return torch.cat((x[:, :1], patches.flatten(2).transpose(1, 2)), dim=1)


def _as_map(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """The patches of (N, T, D) as a map, (N, D, h, w)."""
    return x[:, 1:].transpose(1, 2).reshape(x.shape[0], -1, *grid)


def _mlp(cfg: CoatConfig, plan: StagePlan) -> Mlp:
    return Mlp(plan.features, plan.hidden, activation("gelu"), drop=cfg.proj_drop_rate)
