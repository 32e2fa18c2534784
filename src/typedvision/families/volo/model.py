"""VOLO (https://arxiv.org/abs/2106.13112).

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, T = 1 + L tokens: the class
token and the patches, D features, A attention heads, k x k positions of a window, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel
from typedvision.config.base import to_pair
from typedvision.errors import UsageError
from typedvision.families.volo.config import StagePlan, VoloConfig
from typedvision.layers.attention import Attention, attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, trunc_normal
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import check_fixed_size
from typedvision.layers.token_pool import GlobalTokenPool
from typedvision.layers.transformer_init import transformer_initializers

Box = tuple[int, int, int, int]
"""The first row and column, and those behind the last, of coarse patches."""


class MixedLogits(NamedTuple):
    """What a model says of images whose patches are mixed."""

    logits: Tensor
    """Those of the class token, (N, K). Their target is the image's own with the share of its
    patches, and with that of the box the target of the image at its place in the reversed batch."""
    patch_logits: Tensor
    """Those of each patch at its place in the image that it comes from, (N, L, K)."""
    box: Box
    """The patches that came from the other image, of the coarser ones behind the first stage."""


class Volo(ImageModel):
    """Fine patches with outlook attention, coarse ones with self-attention, a class token that
    attends to them, and a linear classifier (table 2)."""

    aux_head: nn.Linear | nn.Identity | None
    """The classifier of the patches; None for none."""

    def __init__(self, cfg: VoloConfig) -> None:
        super().__init__(cfg)
        self._cfg: VoloConfig = cfg
        plan = cfg.plan()
        first, last = plan.stages[0], plan.stages[-1]
        self.num_features: int = last.features
        self.head_hidden_size: int = last.features
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self.grid: tuple[int, int] = plan.grid

        self.pos_embed: nn.Parameter = nn.Parameter(torch.empty(1, *plan.positions, last.features))
        self.cls_token: nn.Parameter = nn.Parameter(torch.empty(1, 1, last.features))
        self.patch_embed: ConvPatchEmbed = ConvPatchEmbed(cfg, first.features)
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.network: nn.ModuleList = nn.ModuleList()
        for stage in plan.stages:
            self.network.append(_stage(cfg, stage))
            if stage.downsamples:
                self.network.append(Downsample(stage.features, last.features))
        self.post_network: Blocks = Blocks(*(ClassBlock(cfg, last) for _ in cfg.post_layers))
        self.register_module("aux_head", None)  # its place among the parameters
        self.norm: nn.Module = token_norm(cfg.norm_layer, last.features, cfg.norm_eps)
        self._add_classifier()

    def _add_classifier(self) -> None:
        cfg, features = self._cfg, self.num_features
        self.aux_head = linear_classifier(features, cfg.num_classes) if cfg.use_aux_head else None
        self.pool: GlobalTokenPool = GlobalTokenPool(cfg.global_pool)
        self.head_drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self.head: nn.Linear | nn.Identity = linear_classifier(features, cfg.num_classes)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, h, w, D) after each stage."""
        return self._stages(self._patches(x))

    def _patches(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the first patches, (N, h, w, D)."""
        check_fixed_size(x, self.img_size)
        return self.patch_embed(x)

    def _stages(self, x: Tensor) -> Iterator[Tensor]:
        """The first patches to (N, h, w, D) after each stage."""
        for index, module in enumerate(self.network):
            x = module(x)
            if index == 1:  # the first subsampling
                x = self.pos_drop(x + self.pos_embed)
            elif not isinstance(module, Downsample):
                yield x

    def _finish(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, T, D): the class token gathers what the patches know."""
        patches = x.flatten(1, 2)
        token = self.post_network(self.cls_token.expand(x.shape[0], -1, -1), patches)
        return self.norm(torch.cat((token, patches), dim=1))

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Patches of the second and later stages by the last normalisation."""
        return self.norm(x) if level else x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        pooled = self.head_drop(self.pool(x))
        if pre_logits or not self.num_classes:
            return pooled
        if self.aux_head is None:
            return self.head(pooled)
        return self.head(pooled) + 0.5 * self.aux_head(x[:, 1:]).amax(1)

    def forward_mixed(self, x: Tensor) -> MixedLogits:
        """Logits of images (N, C, H, W), each of which gets the patches in a random box from the
        image at its place in the reversed batch (https://arxiv.org/abs/2104.10858, section 3.3).

        The box is drawn from PyTorch's random state, as CutMix draws it: a uniform share of the
        map, around a uniform position (https://arxiv.org/abs/1905.04899, section 3.1).

        Raises:
            UsageError: the model was not built for it, or images have another size than it is for.
        """
        return self._mixed(x, random_box(*self.grid))

    def _mixed(self, x: Tensor, box: Box) -> MixedLogits:
        """(N, C, H, W) to logits, with the coarse patches in the box from the other image."""
        if self.aux_head is None or not self._cfg.use_mix_token:
            raise UsageError("this model does not mix images: build it with use_mix_token=True")
        top, left, bottom, right = (2 * edge for edge in box)
        *_, last = self._stages(swapped(self._patches(x), (top, left, bottom, right)))
        tokens = self._finish(last)
        patches = self.aux_head(tokens[:, 1:]).unflatten(1, self.grid)
        logits = self.head(self.head_drop(self.pool(tokens)))
        return MixedLogits(logits, swapped(patches, box).flatten(1, 2), box)

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self._cfg = self._cfg.replace(num_classes=num_classes, global_pool=global_pool)
        self._add_classifier()

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The class token, and behind the first stage the positions."""
        return ("cls_token", "pos_embed") if level == "network.0" else ("cls_token",)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers, the class token and the positions by a deviation of 0.02."""
        if module is self:
            return dict.fromkeys(("pos_embed", "cls_token"), trunc_normal(0.02))
        return transformer_initializers("", path, module)

    def no_weight_decay(self) -> set[str]:
        """The learned token and the positions."""
        return {"pos_embed", "cls_token"}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then each of the class token."""
        return {
            "stem": r"^(?:cls_token|pos_embed|patch_embed)",
            "blocks": [(r"^network\.(\d+)\.(\d+)", None), (r"^network\.(\d+)", (0,))],
            "blocks2": [(r"^post_network\.(\d+)", None), (r"^norm", LAST_GROUP)],
        }


class ConvPatchEmbed(nn.Module):
    """A 7x7 convolution with stride 2, two 3x3 ones, and a projection of patches (table 2)."""

    def __init__(self, cfg: VoloConfig, features: int) -> None:
        super().__init__()
        hidden, side = cfg.stem_hidden_dim, cfg.patch_size // 2
        self.conv: nn.Sequential = nn.Sequential(
            nn.Conv2d(cfg.in_chans, hidden, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
        )
        self.proj: nn.Conv2d = nn.Conv2d(hidden, features, side, stride=side)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, h, w, D)."""
        return self.proj(self.conv(x)).permute(0, 2, 3, 1)


class Downsample(nn.Module):
    """Projects each 2 x 2 tokens to one."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.proj: nn.Conv2d = nn.Conv2d(in_features, out_features, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, h / 2, w / 2, D')."""
        return self.proj(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Outlooker(nn.Module):
    """Outlook attention, then an MLP, each normalised before and added (equations 1 and 2)."""

    def __init__(self, cfg: VoloConfig, plan: StagePlan) -> None:
        super().__init__()
        self.norm1: nn.Module = _norm(cfg, plan)
        self.attn: OutlookAttention = OutlookAttention(cfg, plan)
        self.norm2: nn.Module = _norm(cfg, plan)
        self.mlp: Mlp = Mlp(plan.features, plan.hidden, nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class OutlookAttention(nn.Module):
    """Each second token in both directions says how the 3 x 3 tokens around it look at one another;
    what overlaps is added (section 3.1)."""

    KERNEL = 3
    STRIDE = 2

    def __init__(self, cfg: VoloConfig, plan: StagePlan) -> None:
        super().__init__()
        features, heads = plan.features, plan.num_heads
        self.num_heads: int = heads
        self.scale: float = (features // heads) ** -0.5
        self.v: nn.Linear = nn.Linear(features, features, bias=cfg.qkv_bias)
        self.attn: nn.Linear = nn.Linear(features, heads * self.KERNEL**4)
        self.attn_drop: nn.Dropout = nn.Dropout(cfg.attn_drop_rate)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.pool: nn.AvgPool2d = nn.AvgPool2d(self.STRIDE, self.STRIDE, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        window, count, size = self.KERNEL**2, x.shape[0], x.shape[1:3]
        centers = self.pool(x.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        weights = self.attn(centers).reshape(count, -1, self.num_heads, window, window)
        weights = self.attn_drop((weights * self.scale).softmax(dim=-1))
        v = F.unfold(self.v(x).permute(0, 3, 1, 2), self.KERNEL, padding=1, stride=self.STRIDE)
        v = v.reshape(count, self.num_heads, -1, window, v.shape[-1]).permute(0, 4, 1, 3, 2)
        looks = (weights @ v).permute(0, 2, 4, 3, 1)  # (N, A, D / A, k k, windows)
        looks = looks.reshape(count, -1, looks.shape[-1])
        x = F.fold(looks, size, self.KERNEL, padding=1, stride=self.STRIDE)
        return self.proj(x.permute(0, 2, 3, 1))


class Block(nn.Module):
    """Self-attention, then an MLP, each normalised before and added."""

    def __init__(self, cfg: VoloConfig, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        self.norm1: nn.Module = _norm(cfg, plan)
        self.attn: Attention = Attention(
            plan.features, plan.num_heads, qkv_bias=cfg.qkv_bias, attn_drop=cfg.attn_drop_rate
        )
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.Module = _norm(cfg, plan)
        self.mlp: Mlp = Mlp(plan.features, plan.hidden, nn.GELU())
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        attended = self.attn(self.norm1(x).flatten(1, 2)).reshape(x.shape)
        x = x + self.drop_path1(attended)
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class ClassBlock(nn.Module):
    """The class token attends to itself and the patches, then goes through an MLP
    (https://arxiv.org/abs/2103.17239, section 3)."""

    def __init__(self, cfg: VoloConfig, plan: StagePlan) -> None:
        super().__init__()
        self.norm1: nn.Module = _norm(cfg, plan)
        self.attn: ClassAttention = ClassAttention(cfg, plan)
        self.norm2: nn.Module = _norm(cfg, plan)
        self.mlp: Mlp = Mlp(plan.features, plan.hidden, nn.GELU())

    def forward(self, token: Tensor, patches: Tensor) -> Tensor:
        """The class token, (N, 1, D), to the same shape; the patches, (N, L, D), stay."""
        token = token + self.attn(self.norm1(torch.cat((token, patches), dim=1)))
        return token + self.mlp(self.norm2(token))


class ClassAttention(nn.Module):
    """The first token attends to every token; one layer gives keys and values."""

    def __init__(self, cfg: VoloConfig, plan: StagePlan) -> None:
        super().__init__()
        features = plan.features
        self.num_heads: int = plan.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        self.kv: nn.Linear = nn.Linear(features, 2 * features, bias=cfg.qkv_bias)
        self.q: nn.Linear = nn.Linear(features, features, bias=cfg.qkv_bias)
        self.proj: nn.Linear = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, 1, D)."""
        k, v = self.kv(x).chunk(2, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (self.q(x[:, :1]), k, v))
        return self.proj(merge_heads(attend(q, k, v, self.attn_drop if self.training else 0.0)))


def random_box(rows: int, columns: int) -> Box:
    """A box of a uniform share of the map, around a uniform position and cut at the edges; it may
    be empty."""
    share, y, x = torch.rand(3).tolist()
    height, width = int(rows * share**0.5), int(columns * share**0.5)
    top, left = int(rows * y) - height // 2, int(columns * x) - width // 2
    return max(top, 0), max(left, 0), min(top + height, rows), min(left + width, columns)


def swapped(x: Tensor, box: Box) -> Tensor:
    """Maps (N, h, w, D), in the box those of the reversed batch."""
    top, left, bottom, right = box
    mixed = x.clone()
    mixed[:, top:bottom, left:right] = x.flip(0)[:, top:bottom, left:right]
    return mixed


def _stage(cfg: VoloConfig, plan: StagePlan) -> Blocks:
    if plan.outlooks:
        return Blocks(*(Outlooker(cfg, plan) for _ in plan.rates))
    return Blocks(*(Block(cfg, plan, rate) for rate in plan.rates))


def _norm(cfg: VoloConfig, plan: StagePlan) -> nn.Module:
    return token_norm(cfg.norm_layer, plan.features, cfg.norm_eps)
