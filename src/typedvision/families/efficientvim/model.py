"""EfficientViM (https://arxiv.org/abs/2411.15241).

Shapes: N images, C channels in, D channels, H x W positions, L = H W, S hidden states, F features
of all classifiers together, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Generator, Tensor, nn

from typedvision.architecture.distilled_model import DistilledModel
from typedvision.architecture.image_model import LAST_GROUP, chosen_levels
from typedvision.config.names import OutputFormat
from typedvision.families.efficientvim.config import EfficientViMConfig, StagePlan
from typedvision.layers.blocks import Blocks
from typedvision.layers.channel_attention import SqueezeExcite, reduced_channels
from typedvision.layers.conv import conv2d
from typedvision.layers.conv_norm_act import ConvNormAct
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import (
    Initializers,
    constant,
    default_initializers,
    ones,
    trunc_normal,
    zeros,
)
from typedvision.layers.norm import LayerNorm2d

Stated = tuple[Tensor, Tensor | None]
"""A map (N, D, H, W), and the hidden states (N, D, S) that the last block made of it; None before
the first."""


class EfficientViM(DistilledModel):
    """A stem that subsamples by 16, stages of blocks, and a classifier for the hidden states of
    each stage and for the last map, whose logits are weighted (figure 3).

    The features are what all classifiers see, one after the other.
    """

    def __init__(self, cfg: EfficientViMConfig) -> None:
        super().__init__(cfg)
        self.widths: tuple[int, ...] = (*cfg.embed_dim, cfg.embed_dim[-1])
        self.num_features: int = sum(self.widths)
        self.head_hidden_size: int = self.num_features
        self.distilled: bool = cfg.distilled

        count = len(self.widths)
        self.weights: nn.Parameter = nn.Parameter(torch.empty(count))
        self.weights_dist: nn.Parameter | None = (
            nn.Parameter(torch.empty(count)) if cfg.distilled else None
        )
        self.patch_embed: nn.Sequential = _stem(cfg)
        self.stages: nn.ModuleList = nn.ModuleList(Stage(plan) for plan in cfg.plan())
        self.norm: nn.ModuleList = nn.ModuleList(
            (*(nn.LayerNorm(width) for width in cfg.embed_dim), LayerNorm2d(self.widths[-1]))
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The map of each stage, (N, D, H / 16, W / 16) and less; then the features, (N, F)."""
        found: list[Tensor] = []
        x = self.patch_embed(x)
        for stage in self.stages:
            x, states = stage(x)
            yield x
            found.append(states)
            x = cast("Stage", stage).downsample(x)
        *norms, last_norm = self.norm
        pooled = [norm(states.mT).mean(1) for norm, states in zip(norms, found, strict=True)]
        yield torch.cat((*pooled, last_norm(x).mean((2, 3))), dim=1)

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        *,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: OutputFormat = "NCHW",
        intermediates_only: bool = False,
    ) -> tuple[Tensor, list[Tensor]] | list[Tensor]:
        """The final features of images, and the outputs of some levels: see `ImageModel`.

        The features come after the last level, which is not early.
        """
        levels = len(self.feature_info)
        last = max(chosen_levels(indices, levels), default=-1)
        return super().forward_intermediates(
            x,
            indices,
            norm=norm,
            stop_early=stop_early and last < levels - 1,
            output_fmt=output_fmt,
            intermediates_only=intermediates_only,
        )

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, F) to (N, K); in training after `set_distilled_training`, to two of these."""
        if pre_logits or not self.num_classes:
            return self.head_drop(x)
        if self.distilled:
            return self._distilled_logits(x)
        return self._logits(self.head_drop(x), self.heads, self.weights)

    def _is_distilled(self) -> bool:
        return self.distilled

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, F) to (N, K) of each classifier."""
        x = self.head_drop(x)
        heads, weights = cast("nn.ModuleList", self.heads_dist), cast("Tensor", self.weights_dist)
        return self._logits(x, self.heads, self.weights), self._logits(x, heads, weights)

    def _logits(self, x: Tensor, heads: nn.ModuleList, weights: Tensor) -> Tensor:
        """(N, F) to the weighted sum of the logits of some classifiers, (N, K)."""
        parts = x.split_with_sizes(self.widths, dim=1)
        logits = [head(parts[index]) for index, head in enumerate(heads)]
        return torch.stack(logits, dim=-1) @ weights.softmax(0)

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.heads: nn.ModuleList = _classifiers(self.widths, num_classes)
        self.heads_dist: nn.ModuleList | None = (
            _classifiers(self.widths, num_classes) if self.distilled else None
        )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Classifiers by a deviation of 0.02; their weights are equal."""
        if module is self:
            return {"weights": ones, "weights_dist": ones}
        if isinstance(module, nn.Linear):
            return {"weight": trunc_normal(0.02), "bias": zeros}
        return default_initializers(module)

    def divided(self, path: str) -> tuple[list[str], list[str]]:
        """What is used up to the module at a path, and what comes in after it; a stage subsamples
        after its feature level."""
        if path not in {level.name for level in self.feature_info}:
            return super().divided(path)
        until, after = super().divided(f"{path}.blocks")
        return until, [*after, *self.late_parameters(path)]

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The weights of the classifiers."""
        return ("weights", "weights_dist") if self.distilled else ("weights",)

    def no_weight_decay(self) -> set[str]:
        """What passes by a mixer."""
        return {key for key, _ in self.named_parameters() if key.endswith(".mixer.D")}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or each stage."""
        if coarse:
            return {"stem": r"^patch_embed", "blocks": r"^stages\.(\d+)"}
        return {
            "stem": r"^patch_embed",
            "blocks": [
                (r"^stages\.(\d+)\.blocks\.(\d+)", None),
                (r"^stages\.(\d+)\.downsample", LAST_GROUP),
                (r"^norm", LAST_GROUP),
            ],
        }


class Stage(nn.Module):
    """Blocks. What subsamples their map for the next stage comes after the feature level, and is
    called by the model."""

    def __init__(self, plan: StagePlan) -> None:
        super().__init__()
        self.blocks: Blocks = Blocks(
            *(EfficientViMBlock(plan, rate) for rate in plan.drop_path_rates)
        )
        self.downsample: nn.Module = nn.Identity()
        if plan.out_channels is not None:
            self.downsample = PatchMerging(plan.channels, plan.out_channels)

    def forward(self, x: Tensor) -> Stated:
        """(N, D, H, W) to a map of that shape and its hidden states, (N, D, S)."""
        return self.blocks((x, None))


class EfficientViMBlock(nn.Module):
    """A depthwise convolution, a mixer, a depthwise convolution and an MLP; a learned share of each
    takes the place of its input (figure 3b)."""

    def __init__(self, plan: StagePlan, drop_path_rate: float) -> None:
        super().__init__()
        channels = plan.channels
        self.alpha: nn.Parameter = nn.Parameter(torch.empty(4, channels))
        self.mixer: StateMixer = StateMixer(channels, plan.states, plan.inner)
        self.norm: LayerNorm2d = LayerNorm2d(channels)
        self.dwconv1: ConvNormAct = _depthwise(channels)
        self.dwconv2: ConvNormAct = _depthwise(channels)
        self.ffn: nn.Sequential = _mlp(channels, plan.hidden)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def initializers(self) -> Initializers:
        """About a half of each branch."""
        return {"alpha": constant(1e-4)}

    def forward(self, stated: Stated) -> Stated:
        """A map (N, D, H, W) to a map of that shape and its hidden states (N, D, S)."""
        x, _ = stated
        first, second, third, fourth = self.alpha.sigmoid()[:, :, None, None]
        x = self._share(x, self.dwconv1(x), first)
        y, states = self.mixer(self.norm(x))
        x = self._share(x, y, second)
        x = self._share(x, self.dwconv2(x), third)
        return self._share(x, self.ffn(x), fourth), states

    def _share(self, x: Tensor, y: Tensor, share: Tensor) -> Tensor:
        return (1 - share) * x + self.drop_path(share * y)


class StateMixer(nn.Module):
    """Hidden-state mixer: positions are gathered in a few states, whose channels are mixed and
    gated before they are spread again (section 4.1).

    Args:
        channels: D.
        states: S.
        inner: channels of a state while it is gated.
    """

    def __init__(self, channels: int, states: int, inner: int) -> None:
        super().__init__()
        self.A: nn.Parameter = nn.Parameter(torch.empty(states))
        self.D: nn.Parameter = nn.Parameter(torch.empty(1))
        self.BCdt_proj: nn.Sequential = _conv1d(channels, 3 * states)
        dw = conv2d(3 * states, 3 * states, 3, groups=3 * states)
        self.dw: nn.Sequential = nn.Sequential(OrderedDict(conv=dw))
        self.hz_proj: nn.Sequential = _conv1d(channels, 2 * inner)
        self.out_proj: nn.Sequential = _conv1d(inner, channels)
        self.act: nn.SiLU = nn.SiLU()  # the gate is a view, and stays as it is

    def initializers(self) -> Initializers:
        """Steps between 1 and 16; states pass by as they are."""
        return {"A": _steps, "D": ones}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D, H, W) to the same shape, and the hidden states, (N, D, S)."""
        tokens = x.flatten(2)
        shares = self.dw(self.BCdt_proj(tokens).unflatten(2, x.shape[2:])).flatten(2)
        gather, spread, steps = shares.chunk(3, dim=1)
        gather = gather * (steps + self.A[:, None]).softmax(dim=-1)
        states, gate = self.hz_proj(tokens @ gather.mT).chunk(2, dim=1)
        states = self.out_proj(states * self.act(gate) + states * self.D)
        return (states @ spread).unflatten(2, x.shape[2:]), states


class PatchMerging(nn.Module):
    """Depthwise convolutions beside shortcuts, and between them an inverted residual block without
    one, which subsamples by 2.

    Args:
        in_channels: C.
        channels: D.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        hidden = 4 * channels
        self.conv: nn.Sequential = nn.Sequential(
            ConvNormAct(in_channels, hidden, 1, act="relu"),
            ConvNormAct(hidden, hidden, 3, act="relu", stride=2, groups=hidden),
            SqueezeExcite(hidden, reduced_channels(hidden, 0.25)),
            ConvNormAct(hidden, channels, 1),
        )
        self.dwconv1: ConvNormAct = _depthwise(in_channels)
        self.dwconv2: ConvNormAct = _depthwise(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        x = self.conv(x + self.dwconv1(x))
        return x + self.dwconv2(x)


def _stem(cfg: EfficientViMConfig) -> nn.Sequential:
    """Four 3x3 convolutions, each of which subsamples by 2 and doubles the channels."""
    first, second, third, last = (cfg.embed_dim[0] // divisor for divisor in (8, 4, 2, 1))
    convs = nn.Sequential(
        ConvNormAct(cfg.in_chans, first, 3, act="relu", stride=2),
        ConvNormAct(first, second, 3, act="relu", stride=2),
        ConvNormAct(second, third, 3, act="relu", stride=2),
        ConvNormAct(third, last, 3, stride=2),
    )
    return nn.Sequential(OrderedDict(conv=convs))


def _mlp(channels: int, hidden: int) -> nn.Sequential:
    """Two pointwise convolutions."""
    first, second = ConvNormAct(channels, hidden, 1, act="relu"), ConvNormAct(hidden, channels, 1)
    return nn.Sequential(OrderedDict(fc1=first, fc2=second))


def _depthwise(channels: int) -> ConvNormAct:
    return ConvNormAct(channels, channels, 3, groups=channels)


def _conv1d(in_channels: int, channels: int) -> nn.Sequential:
    """A linear layer of tokens whose channels come first, (N, C, L) to (N, D, L)."""
    return nn.Sequential(OrderedDict(conv=nn.Conv1d(in_channels, channels, 1, bias=False)))


def _classifiers(widths: tuple[int, ...], num_classes: int) -> nn.ModuleList:
    return nn.ModuleList(linear_classifier(width, num_classes) for width in widths)


def _steps(tensor: Tensor, generator: Generator) -> object:
    return tensor.uniform_(1.0, 16.0, generator=generator)
