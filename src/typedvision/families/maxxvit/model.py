"""MaxViT (https://arxiv.org/abs/2204.01697), CoAtNet (https://arxiv.org/abs/2106.04803) and their
relatives.

Shapes: N images, C channels in, D channels out, h x w positions of a map, T tokens, M windows or
grids of T tokens each (M counts those of all images), A attention heads, K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

import torch
import torch.fx
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.architecture.image_model import LAST_GROUP, describe
from typedvision.architecture.staged_model import StagedModel
from typedvision.config.base import to_pair
from typedvision.config.windows import WindowSize
from typedvision.families.maxxvit.config import (
    CONVNEXT_KERNEL,
    SIZES,
    AttentionPlan,
    BlockPlan,
    ConvPlan,
    Halving,
    MaxxVitConfig,
    MaxxVitPlan,
)
from typedvision.layers.activation import activation
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, channel_attention
from typedvision.layers.conv import conv2d, pad_same
from typedvision.layers.drop import DropPath
from typedvision.layers.fuse import Pairs
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    normal,
    scaled,
    trunc_normal,
    values,
    xavier_uniform,
    zeros,
)
from typedvision.layers.layer_scale import LayerScale, LayerScale2d
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import conv_norm, token_norm
from typedvision.layers.patch_embed import check_image_size
from typedvision.layers.position import (
    relative_position_index,
    relative_position_rows,
    resample_relative_map,
    resample_relative_table,
)
from typedvision.layers.relative_bias import RelativeBiasMap, RelativeBiasMlp, RelativeBiasTable
from typedvision.layers.windows import in_blocks, in_grid

torch.fx.wrap("check_image_size")  # looks at sizes, which a symbolic trace cannot


class MaxxVit(StagedModel, HeadModel):
    """A stem, stages of convolutions and attention, pooling and a classifier."""

    last_layer: ClassVar[str | None] = "norm"

    def __init__(self, cfg: MaxxVitConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self._cfg: MaxxVitConfig = cfg
        self.num_features: int = plan.stages[-1].channels
        self.img_size: tuple[int, int] = to_pair(cfg.img_size)
        self._takes: tuple[int, int] | None = self.img_size if cfg.input_size() else None

        norm = _map_norm(cfg, self.num_features)
        self.stem: nn.Module = Stem(cfg, plan)
        self.stages: nn.Sequential = nn.Sequential(
            *(
                nn.Sequential(
                    OrderedDict(blocks=Blocks(*(_block(cfg, block) for block in stage.blocks)))
                )
                for stage in plan.stages
            )
        )
        self.norm: nn.Module = nn.Identity() if cfg.head_hidden_size else norm
        self._add_head(
            cfg.num_classes,
            cfg.global_pool,
            norm=norm if cfg.head_hidden_size else None,
            hidden_size=cfg.head_hidden_size,
            hidden_act="tanh",
        )

    def _embed(self, x: Tensor) -> Tensor:
        """Images of a size that windows and tables are for, (N, C, H, W), to the stem's map."""
        check_image_size(x, (1, 1), False, self._takes)
        return super()._embed(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The output of the stem and of each stage."""
        x = self._embed(x)
        yield x
        for stage in self.stages:
            x = stage(x)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation, where it does not stand behind the pooling."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level as the last normalisation leaves it; the others as they are."""
        return self.norm(x) if level == len(self.stages) else x

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        window_size: WindowSize | None = None,
        grid_size: WindowSize | None = None,
        partition_ratio: int | None = None,
    ) -> None:
        """Take images of another size, in other windows and grids; `spec` follows.

        Learned biases are resampled.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            window_size: rows and columns of positions in a window; None for a share of the new
                `img_size`, or to keep it where that stays.
            grid_size: rows and columns of the sparse grid; None as for `window_size`.
            partition_ratio: pixels for each row and column of windows and grids that are a share of
                `img_size`; None keeps it.

        Raises:
            ConfigError: the sizes do not go together; the model is as it was.
        """
        cfg = self._cfg.resized(img_size, window_size, grid_size, partition_ratio)
        blocks = (block for stage in cfg.plan().stages for block in stage.blocks)
        plans = [attention for block in blocks for attention in block.attentions]
        attentions = [module for module in self.modules() if isinstance(module, Attention)]
        for attention, plan in zip(attentions, plans, strict=True):
            attention.set_window(plan.window)
        self.img_size, self._cfg = to_pair(cfg.img_size), cfg
        self._takes = self.img_size if cfg.input_size() else None
        describe(self, self.spec.with_options(**cfg.model_dump(include=SIZES)))

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """By `weight_init` for what is linear; the head as PyTorch does."""
        if path.startswith("head") or not isinstance(module, nn.Linear | nn.Conv2d):
            return default_initializers(module)
        weight, shape = module.weight, module.weight.shape
        match self._cfg.weight_init:
            case "":
                return default_initializers(module)
            case "normal":
                return {"weight": normal(0.02), "bias": zeros}
            case "trunc_normal":
                return {"weight": scaled(trunc_normal(1.0), 0.02), "bias": zeros}
            case "xavier_normal":
                fans = (shape[0] + shape[1]) * weight[0, 0].numel()
                return {"weight": normal(math.sqrt(2.0 / fans)), "bias": zeros}
            case "vit_eff" if self._attends(path):
                return {
                    "weight": xavier_uniform(),
                    "bias": normal(1e-6) if "mlp" in path else zeros,
                }
            case "vit_eff":
                groups = module.groups if isinstance(module, nn.Conv2d) else 1
                fan_out = weight[:, 0].numel() // groups
                return {"weight": normal(math.sqrt(2.0 / fan_out)), "bias": zeros}

    def _attends(self, path: str) -> bool:
        """Whether a module belongs to an attention and its MLP, and not to convolutions."""
        block = self.get_submodule(".".join(path.split(".")[:4]))
        return isinstance(block, TransformerBlock) or ".attn" in path

    def no_weight_decay(self) -> set[str]:
        """What makes the biases of relative positions."""
        return {key for key, _ in self.named_parameters() if ".rel_pos." in key}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each stage, then the last normalisation."""
        return {"stem": r"^stem", "blocks": [(r"^stages\.(\d+)", None), (r"^norm", LAST_GROUP)]}


class Stem(nn.Module):
    """Two 3x3 convolutions, of which the first subsamples."""

    folds: ClassVar[Pairs] = (("conv1", "norm1"),)

    def __init__(self, cfg: MaxxVitConfig, plan: MaxxVitPlan) -> None:
        super().__init__()
        width, channels = plan.stem_channels
        self.conv1: nn.Conv2d = conv2d(
            cfg.in_chans, width, 3, stride=2, bias=cfg.stem_bias, pad_type=cfg.conv_padding
        )
        self.norm1: nn.Module = _conv_norm(cfg, width)
        self.act1: nn.Module = activation(cfg.conv_act_layer)
        self.conv2: nn.Conv2d = conv2d(
            width, channels, 3, bias=cfg.stem_bias, pad_type=cfg.conv_padding
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return self.conv2(self.act1(self.norm1(self.conv1(x))))


class MaxVitBlock(nn.Module):
    """Convolutions, then attention in windows, then attention in a sparse grid (MaxViT,
    figure 2)."""

    def __init__(self, cfg: MaxxVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        *block, grid = plan.attentions
        self.channels_last: bool = not cfg.transformer_use_nchw_attn
        self.conv: nn.Module = _convolutions(cfg, plan.convs[0], plan.drop_path_rate)
        self.attn_block: nn.Module = nn.Identity()
        for attention in block:
            self.attn_block = PartitionAttention(cfg, plan, attention, by_grid=False)
        self.attn_grid: PartitionAttention = PartitionAttention(cfg, plan, grid, by_grid=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        x = self.conv(x)
        if self.channels_last:
            return self.attn_grid(self.attn_block(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.attn_grid(self.attn_block(x))


class ParallelMaxVitBlock(nn.Module):
    """Convolutions, then attention in windows beside attention in a sparse grid."""

    def __init__(self, cfg: MaxxVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        self.conv: nn.Sequential = nn.Sequential(
            *(_convolutions(cfg, conv, plan.drop_path_rate) for conv in plan.convs)
        )
        self.attn: ParallelAttention = ParallelAttention(cfg, plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        return self.attn(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MBConv(nn.Module):
    """An inverted bottleneck that normalises its input (CoAtNet, appendix A.1)."""

    def __init__(self, cfg: MaxxVitConfig, plan: ConvPlan, drop_path_rate: float) -> None:
        super().__init__()
        mode = cfg.conv_stride_mode if plan.halves else ""
        hidden, act, pad_type = plan.hidden, cfg.conv_act_layer, cfg.conv_padding
        early = cfg.conv_attn_early
        self.shortcut: nn.Module = nn.Identity()
        if plan.halves:
            self.shortcut = Downsample(
                plan.in_channels,
                plan.channels,
                cfg.conv_pool_type,
                same=pad_type == "same",
                bias=cfg.conv_output_bias,
            )
        self.pre_norm: nn.Module = _conv_norm(cfg, plan.in_channels)
        self.pre_act: nn.Module = activation(act) if cfg.conv_pre_norm_act else nn.Identity()
        down, same = cfg.conv_downsample_pool_type, pad_type == "same"
        self.down: nn.Module = Halve(down, same=same) if mode == "pool" else nn.Identity()
        self.conv1_1x1: nn.Conv2d = conv2d(
            plan.in_channels, hidden, 1, stride=2 if mode == "1x1" else 1, pad_type=pad_type
        )
        self.norm1: nn.Module = _conv_norm(cfg, hidden)
        self.act1: nn.Module = activation(act)
        self.conv2_kxk: nn.Conv2d = conv2d(
            hidden,
            hidden,
            cfg.conv_kernel_size,
            stride=2 if mode == "dw" else 1,
            groups=plan.groups,
            pad_type=pad_type,
        )
        self.se_early: nn.Module = _channel_attention(cfg, plan) if early else nn.Identity()
        self.norm2: nn.Module = _conv_norm(cfg, hidden)
        self.act2: nn.Module = activation(act)
        self.se: nn.Module = nn.Identity() if early else _channel_attention(cfg, plan)
        self.conv3_1x1: nn.Conv2d = conv2d(
            hidden, plan.channels, 1, bias=cfg.conv_output_bias, pad_type=pad_type
        )
        self.drop_path: DropPath = DropPath(drop_path_rate)
        self.folds: Pairs = _folds(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        branch = self.down(self.pre_act(self.pre_norm(x)))
        branch = self.act1(self.norm1(self.conv1_1x1(branch)))
        branch = self.act2(self.norm2(self.se_early(self.conv2_kxk(branch))))
        branch = self.conv3_1x1(self.se(branch))
        return self.shortcut(x) + self.drop_path(branch)


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution, a normalisation and an MLP (https://arxiv.org/abs/2201.03545,
    figure 4)."""

    folds: ClassVar[Pairs] = (("conv_dw", "norm"),)

    def __init__(self, cfg: MaxxVitConfig, plan: ConvPlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, bias = plan.channels, cfg.conv_output_bias
        mode = cfg.conv_stride_mode if plan.halves else ""
        self.shortcut: nn.Module = nn.Identity()
        if plan.halves:
            self.shortcut = Downsample(plan.in_channels, channels, "avg2", same=False, bias=True)
        down = cfg.conv_downsample_pool_type
        self.down: nn.Module = Halve(down, same=False) if mode == "pool" else nn.Identity()
        self.conv_dw: nn.Conv2d = conv2d(
            plan.in_channels,
            channels,
            CONVNEXT_KERNEL,
            stride=2 if mode == "dw" else 1,
            groups=plan.groups,
            bias=bias,
            pad_type=cfg.conv_padding,
        )
        self.norm: nn.Module = _conv_norm(cfg, channels)
        act = activation(cfg.conv_act_layer, inplace=False)
        self.mlp: Mlp = Mlp(channels, plan.hidden, act, bias=bias, use_conv=True)
        self.ls: nn.Module = (
            LayerScale2d(channels, cfg.conv_init_values) if cfg.conv_init_values else nn.Identity()
        )
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        branch = self.ls(self.mlp(self.norm(self.conv_dw(self.down(x)))))
        return self.shortcut(x) + self.drop_path(branch)


class TransformerBlock(nn.Module):
    """Attention over the whole map, then an MLP, each normalised before and added (CoAtNet,
    section 2)."""

    def __init__(self, cfg: MaxxVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        (attention,), before, channels = plan.attentions, plan.in_channels, plan.channels
        norm1, pooling = _map_norm(cfg, before), cfg.transformer_pool_type
        self.shortcut: nn.Module = nn.Identity()
        if plan.halves:
            bias = cfg.transformer_shortcut_bias
            self.shortcut = Downsample(before, channels, pooling, same=False, bias=bias)
            down = Halve(pooling, same=False)
            norm1 = nn.Sequential(OrderedDict(norm=norm1, down=down))
        self.norm1: nn.Module = norm1
        self.attn: Attention = Attention(cfg, attention, use_conv=True, head_first=True)
        self.ls1: nn.Module = _layer_scale(cfg, channels, use_conv=True)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = _map_norm(cfg, channels)
        self.mlp: Mlp = _mlp(cfg, plan, use_conv=True)
        self.ls2: nn.Module = _layer_scale(cfg, channels, use_conv=True)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, h, w)."""
        x = self.shortcut(x) + self.drop_path1(self.ls1(self._attend(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    def _attend(self, x: Tensor) -> Tensor:
        tokens = self.attn(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape[0], -1, x.shape[2], x.shape[3])


class PartitionAttention(nn.Module):
    """Attention in windows or in a sparse grid, then an MLP, each normalised before and added
    (MaxViT, section 3.2).

    Args:
        cfg: the model's config.
        plan: the block.
        attention: the attention.
        by_grid: whether positions attend in the grid, and not in windows.
    """

    def __init__(
        self, cfg: MaxxVitConfig, plan: BlockPlan, attention: AttentionPlan, *, by_grid: bool
    ) -> None:
        super().__init__()
        channels, use_conv = plan.channels, cfg.transformer_use_nchw_attn
        norm = _map_norm if use_conv else _token_norm
        self.by_grid = by_grid
        self.use_conv: bool = use_conv
        self.norm1: nn.Module = norm(cfg, channels)
        self.attn: Attention = Attention(
            cfg, attention, use_conv=use_conv, head_first=cfg.transformer_head_first
        )
        self.ls1: nn.Module = _layer_scale(cfg, channels, use_conv=use_conv)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(cfg, channels)
        self.mlp: Mlp = _mlp(cfg, plan, use_conv=use_conv)
        self.ls2: nn.Module = _layer_scale(cfg, channels, use_conv=use_conv)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D), or with convolutions (N, D, h, w), to the same shape."""
        x = x + self.drop_path1(self.ls1(self._attend(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    def _attend(self, x: Tensor) -> Tensor:
        apart = in_grid if self.by_grid else in_blocks
        if self.use_conv:
            return apart(x.permute(0, 2, 3, 1), self.attn.window, self.attn).permute(0, 3, 1, 2)
        return apart(x, self.attn.window, self.attn)


class ParallelAttention(nn.Module):
    """Attention in windows and in a sparse grid, each of which gives half of the features, then an
    MLP."""

    def __init__(self, cfg: MaxxVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        block, grid = plan.attentions
        self.norm1: nn.Module = _token_norm(cfg, plan.channels)
        first = cfg.transformer_head_first
        self.attn_block: Attention = Attention(cfg, block, use_conv=False, head_first=first)
        self.attn_grid: Attention = Attention(cfg, grid, use_conv=False, head_first=first)
        self.ls1: nn.Module = _layer_scale(cfg, plan.channels)
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = _token_norm(cfg, plan.channels)
        self.mlp: Mlp = _mlp(cfg, plan)
        self.ls2: nn.Module = _layer_scale(cfg, plan.channels)
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = x + self.drop_path1(self.ls1(self._attend(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    def _attend(self, x: Tensor) -> Tensor:
        block = in_blocks(x, self.attn_block.window, self.attn_block)
        grid = in_grid(x, self.attn_grid.window, self.attn_grid)
        return torch.cat((block, grid), dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention with a bias for the distance of each two tokens of a window.

    Args:
        cfg: the model's config.
        plan: its numbers.
        use_conv: whether its linear layers are 1x1 convolutions.
        head_first: whether what the first one gives is by heads, and then by queries, keys and
            values.
    """

    relative_position_index: Tensor

    def __init__(
        self, cfg: MaxxVitConfig, plan: AttentionPlan, *, use_conv: bool, head_first: bool
    ) -> None:
        super().__init__()
        self.window: tuple[int, int] = plan.window
        self.num_heads: int = plan.num_heads
        self.head_first = head_first
        self.attn_drop: float = cfg.transformer_attn_drop
        dense, bias = _TokenConv if use_conv else nn.Linear, cfg.transformer_attn_bias
        self.qkv: nn.Module = dense(plan.in_features, 3 * plan.width, bias=bias)
        self.rel_pos: nn.Module | None = _relative_bias(cfg, plan)
        if self.rel_pos is not None:
            tokens = plan.window[0] * plan.window[1]
            index = torch.empty(tokens, tokens, dtype=torch.int64)
            self.register_buffer("relative_position_index", index, persistent=False)
        self.proj: nn.Module = dense(plan.width, plan.features, bias=bias)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.transformer_proj_drop)

    def initializers(self) -> Initializers:
        """The distance of each two tokens."""
        return {"relative_position_index": values(lambda: relative_position_index(self.window))}

    def set_window(self, window: tuple[int, int]) -> None:
        """Attend in windows of another size; learned biases are resampled."""
        match self.rel_pos:
            case RelativeBiasMlp():
                self.rel_pos.window = window
            case RelativeBiasTable() | RelativeBiasMap():
                old = self.rel_pos.relative_position_bias_table
                is_map = isinstance(self.rel_pos, RelativeBiasMap)
                resample = resample_relative_map if is_map else resample_relative_table
                table = resample(old.detach(), self.window, window)
                self.rel_pos.relative_position_bias_table = nn.Parameter(table, old.requires_grad)
        if self.rel_pos is not None:
            device = self.relative_position_index.device
            self.relative_position_index = relative_position_index(window).to(device)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """The tokens of each window, (M, T, C), to (M, T, D)."""
        qkv = self.qkv(x)
        if self.head_first:
            q, k, v = split_heads(qkv, self.num_heads).chunk(3, dim=-1)
        else:
            q, k, v = qkv.chunk(3, dim=-1)
            q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        bias = None if self.rel_pos is None else self.rel_pos(self.relative_position_index)
        heads = attend(q, k, v, self.attn_drop if self.training else 0.0, bias)
        return self.proj_drop(self.proj(merge_heads(heads)))


class _TokenConv(nn.Conv2d):
    """A linear layer of tokens whose weight is that of a 1x1 convolution."""

    def __init__(self, features: int, out_features: int, *, bias: bool) -> None:
        super().__init__(features, out_features, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """(M, T, C) to (M, T, D)."""
        return super().forward(input.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)


class Downsample(nn.Module):
    """A pooling, and a 1x1 convolution where the channels change.

    Args:
        in_channels: C.
        channels: D.
        pooling: which pooling.
        same: whether it pads as TensorFlow's `same` does.
        bias: whether the convolution has a bias.
    """

    def __init__(
        self, in_channels: int, channels: int, pooling: Halving, *, same: bool, bias: bool
    ) -> None:
        super().__init__()
        self.pool: Halve = Halve(pooling, same=same)
        self.expand: nn.Module = nn.Identity()
        if in_channels != channels:
            self.expand = nn.Conv2d(in_channels, channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        return self.expand(self.pool(x))


class Halve(nn.Module):
    """A pooling with stride 2.

    Args:
        pooling: average or maximum of 3 x 3 positions, or of 2 x 2 (`avg2`, `max2`).
        same: whether it pads as TensorFlow's `same` does.
    """

    def __init__(self, pooling: Halving, *, same: bool) -> None:
        super().__init__()
        size = 2 if pooling.endswith("2") else 3
        padding, takes_maximum = 0 if same else size // 3, pooling.startswith("max")
        self.size: int = size
        self.same = same
        self.outside: float = -torch.inf if takes_maximum else 0.0
        self.pool: nn.Module = (
            nn.MaxPool2d(size, 2, padding)
            if takes_maximum
            else nn.AvgPool2d(size, 2, padding, count_include_pad=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / 2, W / 2)."""
        return self.pool(pad_same(x, self.size, 2, value=self.outside) if self.same else x)


def _block(cfg: MaxxVitConfig, plan: BlockPlan) -> nn.Module:
    match plan.kind:
        case "C":
            return _convolutions(cfg, plan.convs[0], plan.drop_path_rate)
        case "T":
            return TransformerBlock(cfg, plan)
        case "M":
            return MaxVitBlock(cfg, plan)
        case "PM":
            return ParallelMaxVitBlock(cfg, plan)


def _convolutions(cfg: MaxxVitConfig, plan: ConvPlan, drop_path_rate: float) -> nn.Module:
    block = MBConv if cfg.conv_block_type == "mbconv" else ConvNeXtBlock
    return block(cfg, plan, drop_path_rate)


def _folds(block: MBConv) -> Pairs:
    """The convolutions of a bottleneck with the normalisations that nothing stands between."""
    between = isinstance(block.pre_act, nn.Identity) and isinstance(block.down, nn.Identity)
    first = (("pre_norm", "conv1_1x1"),) if between else ()
    last = (("conv2_kxk", "norm2"),) if isinstance(block.se_early, nn.Identity) else ()
    return (*first, ("conv1_1x1", "norm1"), *last)


def _channel_attention(cfg: MaxxVitConfig, plan: ConvPlan) -> nn.Module:
    match cfg.conv_attn_layer:
        case None:
            return nn.Identity()
        case "se":
            return SqueezeExcite(plan.hidden, plan.reduced, cfg.conv_attn_act_layer)
        case name:
            return channel_attention(name, plan.hidden)


def _relative_bias(cfg: MaxxVitConfig, plan: AttentionPlan) -> nn.Module | None:
    match cfg.transformer_rel_pos_type:
        case None:
            return None
        case "bias":
            return RelativeBiasTable(relative_position_rows(plan.window), plan.num_heads)
        case "bias_tf":
            return RelativeBiasMap(plan.window, plan.num_heads)
        case "mlp":
            hidden = cfg.transformer_rel_pos_dim
            return RelativeBiasMlp(plan.window, plan.num_heads, hidden=hidden)


def _conv_norm(cfg: MaxxVitConfig, channels: int) -> nn.Module:
    return conv_norm(cfg.conv_norm_layer, channels, cfg.conv_norm_eps)


def _map_norm(cfg: MaxxVitConfig, channels: int) -> nn.Module:
    return conv_norm(cfg.transformer_norm_layer, channels, cfg.transformer_norm_eps)


def _token_norm(cfg: MaxxVitConfig, features: int) -> nn.Module:
    return token_norm(cfg.transformer_norm_layer_cl, features, cfg.transformer_norm_eps)


def _layer_scale(cfg: MaxxVitConfig, features: int, *, use_conv: bool = False) -> nn.Module:
    if not cfg.transformer_init_values:
        return nn.Identity()
    return (LayerScale2d if use_conv else LayerScale)(features, cfg.transformer_init_values)


def _mlp(cfg: MaxxVitConfig, plan: BlockPlan, *, use_conv: bool = False) -> Mlp:
    act, drop = activation(cfg.transformer_act_layer, inplace=False), cfg.transformer_proj_drop
    return Mlp(plan.channels, plan.hidden, act, drop=drop, use_conv=use_conv)
