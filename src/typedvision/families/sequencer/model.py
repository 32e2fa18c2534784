"""Sequencer2D (https://arxiv.org/abs/2205.01972).

Shapes: N images, C channels, H x W pixels, h x w positions of a map, D features, S features of a
recurrent state, K classes; B sequences of T tokens. Maps are (N, h, w, D).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.config.names import ConvPool, OutputFormat
from typedvision.families.sequencer.config import SequencerConfig, StagePlan
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.drop import DropPath
from typedvision.layers.head import LinearHead
from typedvision.layers.init import Initializers, uniform
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.pool import pooled_features
from typedvision.layers.transformer_init import transformer_initializers


class Sequencer2d(StagedModel):
    """Patches, stages of recurrent layers and MLPs, pooling and a linear classifier."""

    last_layer: ClassVar[str | None] = "norm"
    output_fmt: OutputFormat = "NHWC"

    def __init__(self, cfg: SequencerConfig) -> None:
        super().__init__(cfg)
        plan = cfg.plan()
        first, size = plan[0].features, (plan[0].reduction, plan[0].reduction)
        self.num_features: int = plan[-1].features
        self.nlhb: bool = cfg.nlhb

        norm = token_norm(cfg.norm_layer, first) if cfg.stem_norm else None
        self.stem: nn.Module = PatchEmbed(cfg.in_chans, first, size, norm=norm)
        self.stages: nn.Sequential = nn.Sequential(*(Stage(cfg, stage) for stage in plan))
        self.norm: nn.Module = token_norm(cfg.norm_layer, self.num_features)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _finish(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last map, normalised; the others have no normalisation."""
        return self.norm(x) if level == len(self.feature_info) - 1 else x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, h, w, D) to (N, K), or to (N, h, w, K) where nothing is pooled."""
        return self.head(x, pre_logits)

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        features, rate = self.num_features, self.drop_rate
        self.head_hidden_size: int = pooled_features(global_pool, features)
        self.head: LinearHead = LinearHead(
            global_pool, features, num_classes, rate, channels_last=True
        )

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """As the JAX code of the Vision Transformer does; recurrent layers as PyTorch does."""
        return transformer_initializers("jax_nlhb" if self.nlhb else "jax", path, module)


class Stage(nn.Module):
    """Patches of the map before, and blocks."""

    def __init__(self, cfg: SequencerConfig, plan: StagePlan) -> None:
        super().__init__()
        self.downsample: nn.Module = nn.Identity()
        if plan.patch_size is not None:
            self.downsample = Downsample(plan.in_features, plan.features, plan.patch_size)
        self.blocks: Blocks = Blocks(*(SequencerBlock(cfg, plan) for _ in range(plan.depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, h / patch, w / patch, D')."""
        return self.blocks(self.downsample(x))


class Downsample(nn.Module):
    """A convolution of patches."""

    def __init__(self, in_features: int, features: int, patch_size: int) -> None:
        super().__init__()
        self.down: nn.Conv2d = nn.Conv2d(in_features, features, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, h / patch, w / patch, D')."""
        return self.down(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class SequencerBlock(nn.Module):
    """Recurrent layers along rows and columns, then an MLP, each normalised before and added
    (figure 1b)."""

    def __init__(self, cfg: SequencerConfig, plan: StagePlan) -> None:
        super().__init__()
        act, drop = activation(cfg.act_layer), cfg.proj_drop_rate
        self.norm1: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.rnn_tokens: RowsAndColumns = RowsAndColumns(cfg, plan)
        self.drop_path: DropPath = DropPath(cfg.drop_path_rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, plan.features)
        self.mlp_channels: Mlp = Mlp(plan.features, plan.hidden, act, drop=drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = x + self.drop_path(self.rnn_tokens(self.norm1(x)))
        return x + self.drop_path(self.mlp_channels(self.norm2(x)))


class RowsAndColumns(nn.Module):
    """Reads each column, and each row, as a sequence (section 3.2, BiLSTM2D)."""

    def __init__(self, cfg: SequencerConfig, plan: StagePlan) -> None:
        super().__init__()
        self.adds: bool = cfg.union == "add"
        self.fc: nn.Module = nn.Linear(plan.mixed, plan.features) if cfg.with_fc else nn.Identity()
        self.rnn_v: Lstm | None = None if cfg.union == "horizontal" else _lstm(cfg, plan)
        self.rnn_h: Lstm | None = None if cfg.union == "vertical" else _lstm(cfg, plan)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        read: list[Tensor] = []
        if self.rnn_v is not None:
            columns = self.rnn_v(x.transpose(1, 2).flatten(0, 1))
            read.append(columns.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2))
        if self.rnn_h is not None:
            read.append(self.rnn_h(x.flatten(0, 1)).unflatten(0, (x.shape[0], x.shape[1])))
        return self.fc(sum(read) if self.adds else torch.cat(read, dim=-1))


def _lstm(cfg: SequencerConfig, plan: StagePlan) -> Lstm:
    return Lstm(plan.features, plan.state, cfg.num_rnn_layers, bidirectional=cfg.bidirectional)


class Lstm(nn.Module):
    """Long short-term memory (https://www.bioinf.jku.at/publications/older/2604.pdf), with the
    parameters of `nn.LSTM`, which cannot be compiled.

    Args:
        in_features: D.
        features: S.
        num_layers: layers, one on top of the other.
        bidirectional: whether each layer also reads backwards.
    """

    def __init__(
        self, in_features: int, features: int, num_layers: int, *, bidirectional: bool
    ) -> None:
        super().__init__()
        self.features = features
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        suffixes = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            inputs = len(suffixes) * features if layer else in_features
            for suffix in suffixes:
                for name, shape in (
                    ("weight_ih", (4 * features, inputs)),
                    ("weight_hh", (4 * features, features)),
                    ("bias_ih", (4 * features,)),
                    ("bias_hh", (4 * features,)),
                ):
                    parameter = nn.Parameter(torch.empty(shape))
                    self.register_parameter(f"{name}_l{layer}{suffix}", parameter)

    def initializers(self) -> Initializers:
        """Uniform in +-1 / sqrt(S)."""
        return dict.fromkeys(self._parameters, uniform(1.0 / math.sqrt(self.features)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, S), or to (B, T, 2 S) where it also reads backwards."""
        weights = tuple(self.parameters())
        layers = self.num_layers * (2 if self.bidirectional else 1)
        state = x.new_zeros(layers, x.shape[0], self.features)
        training, bidirectional = self.training, self.bidirectional
        output, _, _ = torch.lstm(
            x, (state, state), weights, True, self.num_layers, 0.0, training, bidirectional, True
        )
        return output

    def extra_repr(self) -> str:
        """Features, layers and directions."""
        return f"{self.features}, num_layers={self.num_layers}, bidirectional={self.bidirectional}"
