"""Swin Transformer (https://arxiv.org/abs/2103.14030).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, M windows of A tokens each
(M counts those of all images), D features, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel, describe
from typedvision.config.features import FeatureSpec
from typedvision.config.names import ConvPool
from typedvision.families.swin.config import (
    BlockPlan,
    StagePlan,
    StageWindows,
    SwinConfig,
    WindowSize,
)
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, trunc_normal, values
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.pool import GlobalPool, pooled_features
from typedvision.layers.position import (
    relative_position_index,
    relative_position_rows,
    resample_relative_table,
)
from typedvision.layers.transformer_init import transformer_initializers


class SwinTransformer(ImageModel):
    """Patches as tokens, stages of attention in windows, pooling and a linear classifier
    (figure 3)."""

    embed_dim: int
    """Number of features of each token of the first stage."""
    global_pool: ConvPool
    """How the last map becomes a vector; `reset_classifier` changes it."""
    img_size: tuple[int, int]
    """Height and width in pixels that windows are made for; `set_input_size` changes it."""

    def __init__(self, cfg: SwinConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.embed_dim = cfg.embed_dim
        self.num_features: int = plan.stages[-1].features
        self.img_size = plan.img_size
        self._any_size: bool = cfg.input_size() is None
        self._cfg: SwinConfig = cfg

        self.patch_embed: PatchEmbed = PatchEmbed(
            cfg.in_chans, cfg.embed_dim, plan.patch_size, norm=_norm(cfg, cfg.embed_dim)
        )
        self.layers: nn.Sequential = nn.Sequential(*(_stage(cfg, stage) for stage in plan.stages))
        self.norm: nn.Module = _norm(cfg, self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 32, W / 32, 8 D)."""
        return self._finish(self.layers(self._patches(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, H / 4, W / 4, D), ..., (N, H / 32, W / 32, 8 D)."""
        x = self._patches(x)
        for stage in self.layers:
            x = stage(x)
            yield x

    def _patches(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 4, W / 4, D)."""
        if self._any_size:
            self.patch_embed.check_size(x, None)
        else:
            self.patch_embed.check_size(x, self.img_size, "build it with strict_img_size=False")
        return self.patch_embed(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, h, w, D) to (N, K)."""
        return self.head(x, pre_logits)

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level as the last normalisation leaves it; the others as they are."""
        return self.norm(x) if level == len(self.layers) - 1 else x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
        window_size: WindowSize | StageWindows | None = None,
    ) -> None:
        """Take images of another size, in other patches and windows; `spec` follows.

        What was learned for the old patches and windows is resampled.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            patch_size: height and width of a patch; one number for a square; None keeps it.
            window_size: as the config takes it; by default the windows grow with their map.

        Raises:
            ConfigError: the sizes do not go together; the model is as it was.
        """
        cfg = self._cfg.resized(img_size, patch_size, window_size)
        plan = cfg.plan()
        if plan.patch_size != self.patch_embed.patch_size:
            self.patch_embed.set_patch_size(plan.patch_size)
        blocks = [module for module in self.modules() if isinstance(module, SwinBlock)]
        plans = [block for stage in plan.stages for block in stage.blocks]
        for block, block_plan in zip(blocks, plans, strict=True):
            block.set_window(block_plan.window, block_plan.shift)
        self.img_size, self._cfg = plan.img_size, cfg
        self.feature_info: tuple[FeatureSpec, ...] = cfg.features()
        sizes = {"img_size", "patch_size", "window_size"}
        describe(self, self.spec.with_options(**cfg.model_dump(include=sizes)))

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool = global_pool
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.head: Head = Head(global_pool, self.head_hidden_size, num_classes, self._cfg.drop_rate)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """By `weight_init` for what is linear."""
        return transformer_initializers(self._cfg.weight_init, path, module)

    def no_weight_decay(self) -> set[str]:
        """The tables of relative positions."""
        return {
            f"{path}.relative_position_bias_table"
            for path, module in self.named_modules()
            if isinstance(module, WindowAttention)
        }

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, or each stage, then the last normalisation."""
        if coarse:
            return {"stem": r"^patch_embed", "blocks": r"^layers\.(\d+)"}
        return {
            "stem": r"^patch_embed",
            "blocks": [
                (r"^layers\.(\d+)\.downsample", (0,)),
                (r"^layers\.(\d+)\.\w+\.(\d+)", None),
                (r"^norm", LAST_GROUP),
            ],
        }


class PatchMerging(nn.Module):
    """Each 2 x 2 tokens become one of twice the features (section 3.1).

    Args:
        cfg: the model's config.
        features: D, of the tokens that are merged.
    """

    def __init__(self, cfg: SwinConfig, features: int) -> None:
        super().__init__()
        self.norm: nn.Module = _norm(cfg, 4 * features)
        self.reduction: nn.Linear = nn.Linear(4 * features, 2 * features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, h / 2, w / 2, 2 D); the halves are rounded up."""
        x = _pad_to_windows(x, (2, 2))
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class SwinBlock(nn.Module):
    """Attention in windows, then an MLP, each normalised before and added (equation 3)."""

    def __init__(self, cfg: SwinConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.window: tuple[int, int] = plan.window
        self.shift: tuple[int, int] = plan.shift
        self.norm1: nn.Module = _norm(cfg, plan.features)
        self.attn: WindowAttention = WindowAttention(cfg, plan)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = _norm(cfg, plan.features)
        self.mlp: Mlp = Mlp(plan.features, plan.hidden, activation("gelu"), drop=cfg.proj_drop_rate)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def set_window(self, window: tuple[int, int], shift: tuple[int, int]) -> None:
        """Attend in other windows."""
        self.attn.set_window(window)
        self.window, self.shift = window, shift

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = x + self.drop_path1(self._attended(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))

    def _attended(self, x: Tensor) -> Tensor:
        """Attention in windows; a shift moves them down and right, and around (figure 4)."""
        rows, columns = x.shape[1:3]
        down, right = self.shift
        shifted = down > 0 or right > 0
        if shifted:
            x = x.roll((-down, -right), (1, 2))
        x = _pad_to_windows(x, self.window)
        size = x.shape[1], x.shape[2]
        mask = _shift_mask(size, self.window, self.shift, x) if shifted else None
        x = self.attn(_split_windows(x, self.window), mask)
        x = _join_windows(x, size, self.window)[:, :rows, :columns]
        return x.roll((down, right), (1, 2)) if shifted else x


class WindowAttention(nn.Module):
    """Self-attention among the tokens of each window, with a learned bias for each distance
    (equation 4)."""

    relative_position_index: Tensor

    def __init__(self, cfg: SwinConfig, plan: BlockPlan) -> None:
        super().__init__()
        inner = plan.num_heads * plan.head_dim
        self.window: tuple[int, int] = plan.window
        self.num_heads: int = plan.num_heads
        self.attn_drop: float = cfg.attn_drop_rate
        rows, columns = plan.window
        self.relative_position_bias_table: nn.Parameter = nn.Parameter(
            torch.empty(relative_position_rows(plan.window), plan.num_heads)
        )
        index = torch.empty(rows * columns, rows * columns, dtype=torch.int64)
        self.register_buffer("relative_position_index", index, persistent=False)
        self.qkv: nn.Linear = nn.Linear(plan.features, 3 * inner, bias=cfg.qkv_bias)
        self.proj: nn.Linear = nn.Linear(inner, plan.features)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def initializers(self) -> Initializers:
        """A small random bias for each distance."""
        return {
            "relative_position_bias_table": trunc_normal(0.02),
            "relative_position_index": values(lambda: relative_position_index(self.window)),
        }

    def set_window(self, window: tuple[int, int]) -> None:
        """Attend in windows of another size; the table of biases is resampled."""
        old = self.relative_position_bias_table
        table = resample_relative_table(old.detach(), self.window, window)
        self.relative_position_bias_table = nn.Parameter(table, old.requires_grad)
        self.relative_position_index = relative_position_index(window).to(old.device)
        self.window = window

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(M, A, D) to the same shape.

        Args:
            x: the tokens of each window.
            mask: what is added to the attention in each window of one image, (windows, A, A).
        """
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = bias.permute(2, 0, 1)[None]
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(x.shape[0] // mask.shape[0], 1, 1, 1)
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0, bias)
        return self.proj_drop(self.proj(merge_heads(heads)))


class Head(nn.Module):
    """Pooling, dropout and a linear classifier."""

    def __init__(self, pool: ConvPool, features: int, num_classes: int, drop: float) -> None:
        super().__init__()
        self.global_pool: GlobalPool = GlobalPool(pool, channels_last=True)
        self.drop: nn.Dropout = nn.Dropout(drop)
        self.fc: nn.Linear | nn.Identity = linear_classifier(features, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, h, w, D) to (N, K)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.fc(x)


APART = -100.0
"""Added to the attention between tokens that do not belong together; leaves exp(-100) of it."""


def _stage(cfg: SwinConfig, plan: StagePlan) -> nn.Sequential:
    merge = PatchMerging(cfg, plan.features // 2) if plan.merges else nn.Identity()
    blocks = Blocks(*(SwinBlock(cfg, block) for block in plan.blocks))
    return nn.Sequential(OrderedDict(downsample=merge, blocks=blocks))


def _norm(cfg: SwinConfig, features: int) -> nn.Module:
    return token_norm(cfg.norm_layer, features, cfg.norm_eps)


def _pad_to_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """(N, h, w, D), padded with zeros below and right to a multiple of the window."""
    below, right = -x.shape[1] % window[0], -x.shape[2] % window[1]
    return F.pad(x, (0, 0, 0, right, 0, below)) if below or right else x


def _split_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """The windows of maps (N, h, w, D), row by row, (M, A, D)."""
    (count, rows, columns, features), (tall, wide) = x.shape, window
    x = x.reshape(count, rows // tall, tall, columns // wide, wide, features)
    return x.transpose(2, 3).reshape(-1, tall * wide, features)


def _join_windows(windows: Tensor, size: tuple[int, int], window: tuple[int, int]) -> Tensor:
    """The maps (N, h, w, D) of that size whose windows are (M, A, D)."""
    (rows, columns), (tall, wide), features = size, window, windows.shape[-1]
    x = windows.reshape(-1, rows // tall, columns // wide, tall, wide, features)
    return x.transpose(2, 3).reshape(-1, rows, columns, features)


def _shift_mask(
    size: tuple[int, int], window: tuple[int, int], shift: tuple[int, int], like: Tensor
) -> Tensor:
    """Keeps apart the tokens of a window that shifting brought together, (windows, A, A)."""
    below, right = (
        torch.arange(side, device=like.device) >= side - step
        for side, step in zip(size, shift, strict=True)
    )
    region = _split_windows((2 * below[:, None] + right)[None, ..., None], window).squeeze(-1)
    apart = region[:, :, None] != region[:, None, :]
    return like.new_zeros(apart.shape).masked_fill(apart, APART)


for _function in ("_pad_to_windows", "_split_windows", "_join_windows", "_shift_mask"):
    torch.fx.wrap(_function)  # they look at sizes, which a symbolic trace cannot
