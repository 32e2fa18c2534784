"""RepViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    KernelSize,
    ModelConfig,
    Ratio,
    planned,
    unpooled_classifier,
)
from typedvision.config.features import FeatureSpec, halving_levels
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.repvit.model import RepVit


class RepVitConfig(ModelConfig, Builds["RepVit"]):
    """A RepViT (https://arxiv.org/abs/2307.09283): a mobile network that is built like a Vision
    Transformer, of convolutions that become fewer after training."""

    embed_dim: tuple[Channels, Channels, Channels, Channels] = (48, 96, 192, 384)
    """Channels of each stage."""
    depth: tuple[Depth, Depth, Depth, Depth] = (2, 2, 14, 2)
    """Number of blocks of each stage."""
    mlp_ratio: Ratio | tuple[Ratio, Ratio, Ratio, Ratio] = 2.0
    """Hidden channels of the channel mixers for each of their own; one for all stages, or one
    each."""
    kernel_size: KernelSize = 3
    """Kernel of the depthwise convolutions, odd."""
    act_layer: Activation = "gelu"
    """Activation."""
    legacy: bool = False
    """Normalise the branches of a token mixer one by one, and not their sum."""
    distillation: bool = True
    """Have a second classifier for distillation; the logits are the mean of both."""
    global_pool: Literal["", "avg"] = "avg"
    """How the last feature map becomes a vector."""
    inference_mode: bool = False
    """Whether convolutions have no branches and normalisations any more; `typedvision.fuse` makes
    this form."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if self.kernel_size % 2 == 0:
            yield Conflict(f"'kernel_size' must be odd; got {self.kernel_size}", "kernel_size")
        if any(
            stage.hidden < 1 or (stage.in_channels and stage.in_hidden < 1) for stage in self.plan()
        ):
            yield Conflict(
                "'mlp_ratio' leaves no channel to a channel mixer: raise it", "mlp_ratio"
            )
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The four stages."""
        return halving_levels(stage.channels for stage in self.plan())

    @planned
    def plan(self) -> tuple[StagePlan, ...]:
        """Every stage with its numbers."""
        ratios = self.mlp_ratio
        each = ratios if isinstance(ratios, tuple) else (ratios,) * 4
        inputs = (None, *self.embed_dim[:-1])
        return tuple(
            StagePlan(
                in_channels=in_channels,
                in_hidden=int((in_channels or 0) * ratio),
                channels=channels,
                hidden=int(channels * ratio),
                depth=depth,
            )
            for in_channels, channels, depth, ratio in zip(
                inputs, self.embed_dim, self.depth, each, strict=True
            )
        )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int | None
    """Channels of what the stage subsamples first; None where it does not."""
    in_hidden: int
    """Hidden channels of the channel mixer before that."""
    channels: int
    """Output channels."""
    hidden: int
    """Hidden channels of the channel mixers."""
    depth: int
    """Number of blocks; every second one, from the first, has an attention over channels."""
