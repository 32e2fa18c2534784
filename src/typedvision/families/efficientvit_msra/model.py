"""EfficientViT of Microsoft (https://arxiv.org/abs/2305.07027).

Shapes: N images, C channels in, D channels out, H x W positions, M windows of A tokens each (M
counts those of all images), F features of a value, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import describe
from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import ConvPool
from typedvision.families.efficientvit_msra.config import EfficientVitMsraConfig, StagePlan
from typedvision.layers.attention import attend
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.distance_bias import DistanceAttention
from typedvision.layers.fuse import ConvBn2d
from typedvision.layers.init import (
    NORM,
    Initializers,
    default_initializers,
    trunc_normal,
    zeros,
)
from typedvision.layers.pool import GlobalPool, pooled_features
from typedvision.layers.windows import in_windows

MLP_RATIO = 2
"""Hidden channels of an MLP, for each of its own."""
MERGE_RATIO = 4
"""Hidden channels of what subsamples, for each that comes in."""


class EfficientVitMsra(StagedModel):
    """Four convolutions, stages of blocks, pooling, a normalisation and a linear classifier
    (figure 6)."""

    stem_name: ClassVar[str] = "patch_embed"

    def __init__(self, cfg: EfficientVitMsraConfig) -> None:
        super().__init__(cfg)
        self._cfg: EfficientVitMsraConfig = cfg
        self.num_features: int = cfg.embed_dim[-1]

        self.patch_embed: nn.Sequential = _patch_embed(cfg.in_chans, cfg.embed_dim[0])
        self.stages: nn.Sequential = nn.Sequential(*(_stage(stage) for stage in cfg.plan()))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.global_pool(x)
        return x if pre_logits else self.head(x)

    def set_input_size(self, img_size: int | tuple[int, int]) -> None:
        """Make the windows for images of another size; `spec` follows.

        What was learned for windows of another size is resampled.

        Args:
            img_size: height and width in pixels; one number for a square.

        Raises:
            ConfigError: the images are too small; the model is as it was.
        """
        spec = self.spec.with_options(img_size=img_size)
        cfg = self._cfg.replace(img_size=img_size)
        for stage, plan in zip(self.stages, cfg.plan(), strict=True):
            for module in stage.modules():
                if isinstance(module, WindowAttention):
                    module.set_window((plan.window, plan.window))
        self._cfg = cfg
        describe(self, spec)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        features = pooled_features(global_pool, self.num_features)
        self.head_hidden_size: int = features
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.head: nn.Module = nn.Identity()
        if num_classes:
            layers = {
                "bn": nn.BatchNorm1d(features),
                "drop": nn.Dropout(self.drop_rate),
                "linear": nn.Linear(features, num_classes),
            }
            self.head = nn.Sequential(OrderedDict(layers))

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """The classifier by a deviation of 0.02; the last normalisation of residual branches by
        0."""
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        if path.endswith(("dw0.m.bn", "dw1.m.bn", "pw2.bn", "proj.1.bn")):
            return {**NORM, "weight": zeros}
        return default_initializers(module)


class WindowAttention(nn.Module):
    """Attention in the windows of a map."""

    def __init__(self, plan: StagePlan) -> None:
        super().__init__()
        self.window: tuple[int, int] = (plan.window, plan.window)
        self.attn: CascadedAttention = CascadedAttention(plan)

    def set_window(self, window: tuple[int, int]) -> None:
        """Attend in windows of another size."""
        self.window = window
        self.attn.set_grid(window)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        x = in_windows(x.permute(0, 2, 3, 1), self.window, (0, 0), self._attend)
        return x.permute(0, 3, 1, 2)

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x.mT.reshape(-1, x.shape[2], *self.window)  # windows that are not shifted have no mask
        return self.attn(x).flatten(2).mT


class CascadedAttention(DistanceAttention):
    """Attention whose heads each have a part of the channels, to which what the head before gave
    is added (section 3.1)."""

    def __init__(self, plan: StagePlan) -> None:
        heads = len(plan.kernels)
        super().__init__(heads, (plan.window, plan.window))
        value, key = plan.channels // heads, plan.key_dim
        self.widths: tuple[int, int, int] = (key, key, value)
        self.qkvs: nn.ModuleList = nn.ModuleList(
            [ConvBn2d(value, sum(self.widths), 1) for _ in range(heads)]
        )
        self.dws: nn.ModuleList = nn.ModuleList(
            [ConvBn2d(key, key, kernel_size, groups=key) for kernel_size in plan.kernels]
        )
        self.proj: nn.Sequential = nn.Sequential(
            nn.ReLU(), ConvBn2d(plan.channels, plan.channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Windows as maps, (M, D, h, w), to the same shape."""
        outputs: list[Tensor] = []
        parts, biases = x.chunk(self.num_heads, dim=1), self.bias()
        for head, (qkv, dw) in enumerate(zip(self.qkvs, self.dws, strict=True)):
            part = parts[head] + outputs[-1] if outputs else parts[head]
            q, k, v = qkv(part).split_with_sizes(self.widths, dim=1)
            q, k, v = (y.flatten(2).mT[:, None] for y in (dw(q), k, v))  # (M, 1, A, F)
            outputs.append(attend(q, k, v, bias=biases[head]).mT.reshape(part.shape))
        return self.proj(torch.cat(outputs, dim=1))


class PatchMerging(nn.Module):
    """An inverted bottleneck with squeeze-and-excitation, which halves the map.

    Args:
        in_channels: C.
        out_channels: D.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        hidden = MERGE_RATIO * in_channels
        self.conv1: ConvBn2d = ConvBn2d(in_channels, hidden, 1)
        self.act: nn.ReLU = nn.ReLU()
        self.conv2: ConvBn2d = ConvBn2d(hidden, hidden, 3, stride=2, groups=hidden)
        self.se: SqueezeExcite = SqueezeExcite(hidden, reduced_channels(hidden, 1 / 4))
        self.conv3: ConvBn2d = ConvBn2d(hidden, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        x = self.act(self.conv2(self.act(self.conv1(x))))
        return self.conv3(self.se(x))


class Residual(nn.Module):
    """A branch beside a shortcut.

    Args:
        branch: what gives the shape that it takes.
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.m = branch

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return x + self.m(x)


def _patch_embed(in_chans: int, channels: int) -> nn.Sequential:
    """Four convolutions of stride 2, each with twice the channels of the last."""
    layers: dict[str, nn.Module] = {}
    for index in (1, 2, 3, 4):
        width = channels // 2 ** (4 - index)
        layers[f"conv{index}"] = ConvBn2d(in_chans, width, 3, stride=2)
        if index < 4:
            layers[f"relu{index}"] = nn.ReLU()
        in_chans = width
    return nn.Sequential(OrderedDict(layers))


def _stage(plan: StagePlan) -> nn.Sequential:
    """A subsampling, and blocks."""
    before, channels = plan.in_channels, plan.channels
    downsample: nn.Module = nn.Identity()
    if plan.subsamples:
        merge = PatchMerging(before, channels)
        layers = {"res1": _mixed(before), "patchmerge": merge, "res2": _mixed(channels)}
        downsample = nn.Sequential(OrderedDict(layers))
    blocks = Blocks(*(_block(plan) for _ in range(plan.depth)))
    return nn.Sequential(OrderedDict(downsample=downsample, blocks=blocks))


def _block(plan: StagePlan) -> nn.Sequential:
    """Attention between depthwise convolutions and MLPs, each beside a shortcut (section 3.1)."""
    channels = plan.channels
    layers = {
        "dw0": Residual(_depthwise(channels)),
        "ffn0": Residual(_mlp(channels)),
        "mixer": Residual(WindowAttention(plan)),
        "dw1": Residual(_depthwise(channels)),
        "ffn1": Residual(_mlp(channels)),
    }
    return nn.Sequential(OrderedDict(layers))


def _mixed(channels: int) -> nn.Sequential:
    """A depthwise convolution and an MLP, each beside a shortcut."""
    return nn.Sequential(Residual(_depthwise(channels)), Residual(_mlp(channels)))


def _depthwise(channels: int) -> ConvBn2d:
    return ConvBn2d(channels, channels, 3, groups=channels)


def _mlp(channels: int) -> nn.Sequential:
    hidden = MLP_RATIO * channels
    layers = {
        "pw1": ConvBn2d(channels, hidden, 1),
        "act": nn.ReLU(),
        "pw2": ConvBn2d(hidden, channels, 1),
    }
    return nn.Sequential(OrderedDict(layers))
