"""CSATv2 (https://huggingface.co/Hyunil/CSATv2).

Shapes: N images, C channels in, D channels out, H x W pixels or positions, h x w blocks of 8 x 8
pixels, T tokens, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.head_model import HeadModel
from typedvision.config.names import ConvPool
from typedvision.families.csatv2.config import (
    BLOCK,
    MLP_RATIO,
    BlockPlan,
    CSATv2Config,
    CSATv2Plan,
    StagePlan,
)
from typedvision.layers.attention import attend, merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.conv import conv2d
from typedvision.layers.drop import DropPath
from typedvision.layers.init import (
    Initializers,
    default_initializers,
    trunc_normal,
    values,
    zeros,
)
from typedvision.layers.layer_scale import LayerScale, LayerScale2d
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import GlobalResponseNorm, LayerNorm2d
from typedvision.layers.patch_embed import check_image_size

torch.fx.wrap("check_image_size")  # looks at sizes, which a symbolic trace cannot

HEADS, HEAD_DIM = 8, 32
"""Attention heads of a block, and features of each."""
SIDE = 7
"""Rows and columns that spatial attention makes of a map, whatever its size."""
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of red, green and blue by which images were normalised."""


class CSATv2(HeadModel):
    """A cosine transform, stages of convolution and attention, pooling, and a linear classifier."""

    def __init__(self, cfg: CSATv2Config) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        self.num_features: int = cfg.dims[-1]
        self.stem_dct: CosineStem = CosineStem(plan)
        last = len(plan.stages) - 1
        self.stages: nn.Sequential = nn.Sequential(
            *(
                _stage(cfg, stage, first=index == 0, last=index == last)
                for index, stage in enumerate(plan.stages)
            )
        )
        pooling: ConvPool = cfg.global_pool
        self._add_head(cfg.num_classes, pooling, norm=LayerNorm2d(self.num_features, eps=1e-6))

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, D, h / 8, w / 8) with four stages."""
        return self.stages(self.stem_dct(x))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The output of the stem and of each stage."""
        x = self.stem_dct(x)
        yield x
        for stage in self.stages:
            x = stage(x)
            yield x

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a deviation of 0.02, biases by 0."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        blocks = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"
        return {"stem": r"^stem_dct", "blocks": blocks}


class CosineStem(nn.Module):
    """The frequencies of each 8 x 8 pixels, and a linear layer for brightness, blueness and
    redness each."""

    mean: Tensor
    deviation: Tensor
    order: Tensor

    def __init__(self, plan: CSATv2Plan) -> None:
        super().__init__()
        count = BLOCK**2
        brightness, blueness, redness = plan.stem_channels
        self.transform: CosineTransform2d = CosineTransform2d()
        self.conv_y: nn.Conv2d = nn.Conv2d(count, brightness, 1)
        self.conv_cb: nn.Conv2d = nn.Conv2d(count, blueness, 1)
        self.conv_cr: nn.Conv2d = nn.Conv2d(count, redness, 1)
        self.register_buffer("mean", torch.empty(3, count), persistent=False)
        self.register_buffer("deviation", torch.empty(3, count), persistent=False)
        order = torch.empty(count, dtype=torch.int64)
        self.register_buffer("order", order, persistent=False)

    def initializers(self) -> Initializers:
        """The mean and deviation of each frequency in ImageNet, and their order in zigzag."""
        return {
            "mean": values(lambda: torch.tensor(MEAN)),
            "deviation": values(lambda: torch.tensor(VARIANCE, dtype=torch.float64).sqrt()),
            "order": values(lambda: torch.tensor(zigzag(BLOCK))),
        }

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, D, h, w)."""
        check_image_size(x, (BLOCK, BLOCK), False, None)
        x = self.transform(brightness_and_colours(x)).flatten(-2)[..., self.order]
        x = (x - self.mean[:, None, None]) / (self.deviation[:, None, None] + 1e-8)
        y, cb, cr = x.permute(1, 0, 4, 2, 3).unbind()
        return torch.cat((self.conv_y(y), self.conv_cb(cb), self.conv_cr(cr)), dim=1)


class CosineTransform2d(nn.Module):
    """The discrete cosine transform of each 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.transform: CosineTransform = CosineTransform()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, h, w, 8, 8)."""
        count, channels, rows, columns = x.shape
        x = x.reshape(count, channels, rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
        x = x.transpose(3, 4)
        return self.transform(self.transform(x).transpose(-1, -2)).transpose(-1, -2)


class CosineTransform(nn.Module):
    """The orthonormal discrete cosine transform (type II) of 8 numbers."""

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.empty(BLOCK, BLOCK))

    def initializers(self) -> Initializers:
        """A row for each frequency."""
        return {"weights": values(lambda: cosines(BLOCK))}

    def forward(self, x: Tensor) -> Tensor:
        """(..., 8) to the same shape."""
        return F.linear(x, self.weights)


class ConvBlock(nn.Module):
    """ConvNeXt V2's block (https://arxiv.org/abs/2301.00808, figure 5), whose branch is multiplied
    by spatial attention."""

    def __init__(self, cfg: CSATv2Config, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels, hidden = plan.channels, plan.hidden
        self.dwconv: nn.Conv2d = conv2d(channels, channels, 7, groups=channels, bias=True)
        self.norm: nn.LayerNorm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1: nn.Linear = nn.Linear(channels, hidden)
        self.act: nn.GELU = nn.GELU()
        self.grn: GlobalResponseNorm = GlobalResponseNorm(hidden, channels_last=True)
        self.pwconv2: nn.Linear = nn.Linear(hidden, channels)
        self.ls: nn.Module = _layer_scale(cfg, channels, of_map=True)
        self.drop_path: DropPath = DropPath(drop_path_rate)
        self.attn: SpatialAttention = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        branch = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        branch = self.pwconv2(self.grn(self.act(self.pwconv1(branch)))).permute(0, 3, 1, 2)
        size = branch.shape[-2:]
        weight = F.interpolate(self.attn(branch), size, mode="bilinear", align_corners=True)
        return x + self.drop_path(self.ls(branch * weight))


class SpatialAttention(nn.Module):
    """A weight for each of 7 x 7 regions, out of the mean and the maximum of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv: nn.Conv2d = conv2d(2, 1, 7, bias=True)
        self.attn: SpatialBlock = SpatialBlock()

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to (N, 1, 7, 7)."""
        x = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), dim=1)
        return self.attn(self.conv(F.adaptive_avg_pool2d(x, SIDE)))


class SpatialBlock(nn.Module):
    """A block of attention over tokens of one feature each.

    In the published code each token attends to itself alone: it gets its own value, whatever
    queries and keys are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed: PositionConv = PositionConv(1)
        self.norm1: nn.LayerNorm = nn.LayerNorm(1)
        self.qkv: nn.Linear = nn.Linear(1, 3, bias=False)
        self.norm2: nn.LayerNorm = nn.LayerNorm(1)
        self.mlp: Mlp = Mlp(1, MLP_RATIO, nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 7, 7) to the same shape."""
        tokens = x.flatten(2).transpose(1, 2)
        located = self.pos_embed(self.norm1(tokens), SIDE, SIDE)
        tokens = tokens + self.qkv(located)[..., 2:]
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(x.shape)


class TransformerBlock(nn.Module):
    """Attention over the map, then an MLP, each normalised before and added."""

    def __init__(self, cfg: CSATv2Config, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels = plan.channels
        self.pos_embed: PositionConv = PositionConv(channels)
        self.norm1: nn.LayerNorm = nn.LayerNorm(channels)
        self.attn: Attention = Attention(channels)
        self.ls1: nn.Module = _layer_scale(cfg, channels)
        self.drop_path1: DropPath = DropPath(drop_path_rate)
        self.norm2: nn.LayerNorm = nn.LayerNorm(channels)
        self.mlp: Mlp = Mlp(channels, plan.hidden, nn.GELU())
        self.ls2: nn.Module = _layer_scale(cfg, channels)
        self.drop_path2: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        tokens = x.flatten(2).transpose(1, 2)
        located = self.pos_embed(self.norm1(tokens), x.shape[2], x.shape[3])
        tokens = tokens + self.drop_path1(self.ls1(self.attn(located)))
        tokens = tokens + self.drop_path2(self.ls2(self.mlp(self.norm2(tokens))))
        return tokens.transpose(1, 2).reshape(x.shape)


class Attention(nn.Module):
    """Multi-head self-attention with 8 heads of 32 features."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.qkv: nn.Linear = nn.Linear(features, 3 * HEADS * HEAD_DIM, bias=False)
        self.proj: nn.Linear = nn.Linear(HEADS * HEAD_DIM, features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, HEADS) for part in (q, k, v))
        return self.proj(merge_heads(attend(q, k, v)))


class PositionConv(nn.Module):
    """A depthwise 3x3 convolution, added: by the zeros around the map, tokens know their place."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.proj: nn.Conv2d = conv2d(features, features, 3, groups=features, bias=True)

    def forward(self, x: Tensor, rows: int, columns: int) -> Tensor:
        """The tokens of a map of so many positions, (N, T, D), to the same shape."""
        maps = x.transpose(1, 2).reshape(x.shape[0], -1, rows, columns)
        return x + self.proj(maps).flatten(2).transpose(1, 2)


def brightness_and_colours(x: Tensor) -> Tensor:
    """Normalised images (N, 3, H, W) as brightness, blueness and redness from 0 to 255 (YCbCr)."""
    red, green, blue = x.unbind(1)
    red, green, blue = (
        255.0 * (channel * deviation + mean)
        for channel, mean, deviation in zip((red, green, blue), *IMAGENET, strict=True)
    )
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack((y, 0.564 * (blue - y) + 128.0, 0.713 * (red - y) + 128.0), dim=1)


def cosines(count: int) -> Tensor:
    """The matrix of the orthonormal discrete cosine transform (type II) of so many numbers."""
    steps = torch.arange(count, dtype=torch.float64)
    waves = torch.cos(math.pi * (2.0 * steps + 1.0) * steps[:, None] / (2 * count))
    waves[0] *= math.sqrt(0.5)
    return waves * math.sqrt(2.0 / count)


def zigzag(side: int) -> list[int]:
    """The places of a square table, diagonal by diagonal, there and back, as JPEG orders them."""

    def place(index: int) -> tuple[int, int]:
        row, column = divmod(index, side)
        diagonal = row + column
        return diagonal, row if diagonal % 2 else column

    return sorted(range(side**2), key=place)


def _stage(cfg: CSATv2Config, plan: StagePlan, *, first: bool, last: bool) -> Blocks:
    """A subsampling, blocks, and a normalisation; nothing subsamples before the first stage, and
    nothing normalises behind the last."""
    down = [] if first else [nn.Conv2d(plan.in_channels, plan.channels, 2, stride=2)]
    norm = [] if last else [LayerNorm2d(plan.channels, eps=1e-6)]
    return Blocks(*down, *(_block(cfg, plan, block) for block in plan.blocks), *norm)


def _block(cfg: CSATv2Config, stage: StagePlan, plan: BlockPlan) -> nn.Module:
    block = TransformerBlock if plan.attends else ConvBlock
    return block(cfg, stage, plan.drop_path_rate)


def _layer_scale(cfg: CSATv2Config, channels: int, *, of_map: bool = False) -> nn.Module:
    if cfg.ls_init_value is None:
        return nn.Identity()
    return (LayerScale2d if of_map else LayerScale)(channels, cfg.ls_init_value)


# fmt: off
MEAN = (
    (
        932.42657, -0.0026, 0.33415, -0.0284, 3e-05, -0.02792, -0.00183, 6e-05, 0.00032, 0.03402,
        -0.00571, 0.0002, 6e-05, -0.00038, -0.00558, -0.00116, 0.0, -0.00047, -8e-05, -0.0003,
        0.00942, 0.00161, -9e-05, -6e-05, -0.00014, -0.00035, 1e-05, -0.0022, 0.00033, -2e-05,
        -3e-05, -0.0002, 7e-05, 0.0, 5e-05, 0.00293, -4e-05, 6e-05, 0.00019, 4e-05, 6e-05, -0.00015,
        -2e-05, 7e-05, 0.0001, -4e-05, 8e-05, 0.0, 8e-05, -1e-05, 0.00015, 2e-05, 7e-05, 3e-05,
        4e-05, -1e-05, 4e-05, 0.0, 2e-05, 0.0, -8e-05, 0.0, -3e-05, 3e-05,
    ),
    (
        962.34735, -0.00428, 0.09835, 0.00152, -9e-05, 0.00312, -0.00141, -1e-05, -0.00013, 0.0105,
        0.00065, 6e-05, 0.0, 3e-05, 0.00264, 0.0, 1e-05, 7e-05, -6e-05, 3e-05, 0.00341, 0.00163,
        4e-05, 3e-05, -1e-05, 8e-05, 0.0, 0.0009, 0.00018, -6e-05, -1e-05, 7e-05, -3e-05, -1e-05,
        6e-05, 0.00084, 0.0, -1e-05, 0.0, 4e-05, -1e-05, -2e-05, 0.0, 1e-05, 2e-05, 1e-05, 4e-05,
        0.00011, 0.0, -3e-05, 0.00011, -2e-05, 1e-05, 1e-05, 1e-05, 1e-05, -7e-05, -3e-05, 1e-05,
        0.0, 1e-05, 2e-05, 1e-05, 0.0,
    ),
    (
        1053.16101, -0.00213, -0.09207, 0.00186, 0.00013, 0.00034, -0.00119, 2e-05, 0.00011,
        -0.00984, 0.00046, -7e-05, -1e-05, -5e-05, 0.0018, 0.00042, 2e-05, -0.0001, 4e-05, 3e-05,
        -0.00301, 0.00125, -2e-05, -3e-05, -1e-05, -1e-05, -1e-05, 0.00056, 0.00021, 1e-05, -1e-05,
        2e-05, -1e-05, -1e-05, 5e-05, -0.0007, -2e-05, -2e-05, 5e-05, -4e-05, 0.0, 2e-05, -2e-05,
        1e-05, 0.0, -3e-05, 4e-05, 7e-05, 1e-05, 0.0, 0.00013, 0.0, 0.0, 2e-05, 0.0, -1e-05, -4e-05,
        -3e-05, 0.0, 1e-05, -1e-05, 1e-05, 0.0, 0.0,
    ),
)
"""Mean of each frequency of brightness, blueness and redness over the images of ImageNet."""
VARIANCE = (
    (
        270372.375, 6287.10645, 5974.94043, 1653.10889, 1463.91748, 1832.58997, 755.92468,
        692.41528, 648.57184, 641.46881, 285.79288, 301.621, 380.43405, 349.84027, 374.15891,
        190.3096, 190.76746, 221.64578, 200.82646, 145.87979, 126.92046, 62.14622, 67.75562,
        102.42001, 129.74922, 130.04631, 103.12189, 97.76417, 53.17402, 54.81048, 73.48712,
        81.04342, 69.351, 49.06024, 33.96053, 37.03279, 20.48858, 24.9483, 33.90822, 44.54912,
        47.56363, 40.0316, 30.43313, 22.63899, 26.53739, 26.57114, 21.84404, 17.41557, 15.18253,
        10.69678, 11.24111, 12.97229, 15.08971, 15.31646, 8.90409, 7.44213, 6.66096, 6.97719,
        4.17834, 3.83882, 4.51073, 2.36646, 2.41363, 1.48266,
    ),
    (
        18839.21094, 321.70932, 300.15259, 77.4783, 76.02293, 89.04748, 33.99642, 34.74807,
        32.12333, 28.19588, 12.04675, 14.26871, 18.45779, 16.59588, 15.67892, 7.37718, 8.56312,
        10.28946, 9.41013, 6.6909, 5.16453, 2.55186, 3.03073, 4.66765, 5.85418, 5.74644, 4.33702,
        3.66948, 1.95107, 2.26034, 3.0638, 3.50705, 3.06359, 2.19284, 1.54454, 1.5786, 0.97078,
        1.13941, 1.48653, 1.89996, 1.95544, 1.6495, 1.24754, 0.93677, 1.09267, 1.09516, 0.94163,
        0.78966, 0.72489, 0.50841, 0.50909, 0.55664, 0.63111, 0.64125, 0.38847, 0.33378, 0.30918,
        0.33463, 0.20875, 0.19298, 0.21903, 0.1338, 0.13444, 0.09554,
    ),
    (
        17127.39844, 292.81421, 271.45209, 66.64056, 63.60253, 76.35437, 28.06587, 27.84831,
        25.96656, 23.6037, 9.99173, 11.34992, 14.46955, 12.92553, 12.69353, 5.91537, 6.60187,
        7.90891, 7.32825, 5.32785, 4.2966, 2.13459, 2.44135, 3.66021, 4.50335, 4.38959, 3.34888,
        2.97181, 1.60633, 1.7701, 2.35118, 2.69018, 2.38189, 1.74596, 1.26014, 1.31684, 0.79327,
        0.92046, 1.1767, 1.47609, 1.50914, 1.28725, 0.99898, 0.74832, 0.85736, 0.858, 0.74663,
        0.63508, 0.58748, 0.41098, 0.41121, 0.44663, 0.50277, 0.51519, 0.31729, 0.27336, 0.25399,
        0.27241, 0.17353, 0.16255, 0.1844, 0.11602, 0.11511, 0.0845,
    ),
)
"""Variance of each."""
# fmt: on
