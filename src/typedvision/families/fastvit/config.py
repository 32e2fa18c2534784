"""FastViT as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    Eps,
    KernelSize,
    ModelConfig,
    Rate,
    Ratio,
    norm_conflicts,
    planned,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvNorm, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates, uneven_stages

if TYPE_CHECKING:
    from typedvision.families.fastvit.model import FastVit

HEAD_CHANNELS = 32
"""Channels of an attention head."""

_PER_STAGE = Field(min_length=1, max_length=8)


class FastVitConfig(ModelConfig, Builds["FastVit"]):
    """A FastViT (https://arxiv.org/abs/2303.14189), also as the image tower of a MobileCLIP
    (https://arxiv.org/abs/2311.17049) or a MobileCLIP 2 (https://arxiv.org/abs/2508.20691)."""

    layers: Annotated[tuple[Depth, ...], _PER_STAGE] = (2, 2, 6, 2)
    """Number of blocks of each stage."""
    embed_dims: Annotated[tuple[Channels, ...], _PER_STAGE] = (64, 128, 256, 512)
    """Channels of each stage."""
    token_mixers: Annotated[tuple[Literal["repmixer", "attention"], ...], _PER_STAGE] = (
        "repmixer",
        "repmixer",
        "repmixer",
        "repmixer",
    )
    """How the blocks of each stage mix positions: by a depthwise convolution (section 3.2.1), or by
    self-attention."""
    mlp_ratios: Annotated[tuple[Ratio, ...], _PER_STAGE] = (4, 4, 4, 4)
    """Hidden channels of the MLPs of each stage for each of its own."""
    downsamples: Annotated[tuple[bool, ...], _PER_STAGE] = (False, True, True, True)
    """Whether patches are embedded before each stage; where its channels are other ones than
    before, they always are."""
    se_downsamples: Annotated[tuple[bool, ...], _PER_STAGE] = (False, False, False, False)
    """Whether the embedding of each stage's patches has squeeze-and-excitation."""
    pos_embs: Annotated[tuple[KernelSize | None, ...], _PER_STAGE] = (None, None, None, None)
    """Kernel of the conditional position encoding before each stage's blocks
    (https://arxiv.org/abs/2102.10882), odd; None for no encoding."""
    repmixer_kernel_size: KernelSize = 3
    """Kernel of the convolutions that mix positions, odd."""
    down_patch_size: KernelSize = 7
    """Kernel of the embedding of patches, odd and at least 3."""
    down_stride: Annotated[int, Field(ge=1, le=16)] = 2
    """Stride of the embedding of patches."""
    lkc_use_act: bool = False
    """Whether the large kernels of the embeddings are followed by an activation."""
    stem_use_scale_branch: bool = True
    """Whether the stem's convolutions have a 1x1 branch."""
    layer_scale_init_value: Annotated[float, Field(ge=0.0, le=1_024.0)] | None = 1e-5
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    cls_ratio: Ratio = 2.0
    """Channels of the last feature map for each of the last stage."""
    norm_layer: ConvNorm = "batchnorm2d"
    """Normalisation before attention."""
    norm_eps: Eps | None = None
    """Added to the variance in that normalisation; None for the usual value of the layer."""
    act_layer: Activation = "gelu"
    """Activation of the convolutions and the MLPs."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each projection of attention and MLPs."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""
    inference_mode: bool = False
    """Whether each block of branches is one convolution, which `typedvision.fuse` makes of the
    branches that it has in training (section 3.2)."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if uneven := uneven_stages(
            self,
            "layers",
            "embed_dims",
            "token_mixers",
            "mlp_ratios",
            "downsamples",
            "se_downsamples",
            "pos_embs",
        ):
            yield from uneven
            return
        for name, sizes in (
            ("repmixer_kernel_size", (self.repmixer_kernel_size,)),
            ("down_patch_size", (self.down_patch_size,)),
            ("pos_embs", tuple(size for size in self.pos_embs if size)),
        ):
            if any(size % 2 == 0 for size in sizes):
                yield Conflict(f"'{name}' must be odd; got {getattr(self, name)}", name)
        if self.down_patch_size < 3:
            yield Conflict("'down_patch_size' must be at least 3", "down_patch_size")
        yield from self._channel_conflicts()

    def _channel_conflicts(self) -> Iterator[Conflict]:
        for before, stage in zip((None, *self.plan().stages[:-1]), self.plan().stages, strict=True):
            channels = self.embed_dims[0] if before is None else before.channels
            if stage.embeds and stage.channels % channels:
                yield Conflict(
                    f"'embed_dims' = {self.embed_dims}: {stage.channels} must be a multiple of "
                    f"{channels}, the groups of the large kernel between them",
                    "embed_dims",
                )
                return
            if stage.hidden < 1:
                yield Conflict("'mlp_ratios' leave an MLP no hidden channel", "mlp_ratios")
                return
            if stage.attends and stage.channels % HEAD_CHANNELS:
                yield Conflict(
                    f"'token_mixers' have an attention of {stage.channels} channels, which must be "
                    f"a multiple of {HEAD_CHANNELS}: choose other 'embed_dims', or 'repmixer'",
                    "token_mixers",
                )
                return
        if self.plan().features % self.embed_dims[-1] or not self.plan().features:
            yield Conflict(
                f"'cls_ratio' = {self.cls_ratio} must be whole: the last convolution has a group "
                "for each channel of the last stage",
                "cls_ratio",
            )
        yield from norm_conflicts(
            self.norm_layer, [stage.channels for stage in self.plan().stages if stage.attends]
        )

    def features(self) -> tuple[FeatureSpec, ...]:
        """Every stage."""
        return tuple(
            FeatureSpec(stage.channels, stage.reduction, f"stages.{index}")
            for index, stage in enumerate(self.plan().stages)
        )

    @planned
    def plan(self) -> FastVitPlan:
        """Every stage with its numbers."""
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.layers)))
        reduction, in_channels, stages = 4, self.embed_dims[0], []
        for depth, channels, mixer, ratio, downsample, use_se, pos_emb in zip(
            self.layers,
            self.embed_dims,
            self.token_mixers,
            self.mlp_ratios,
            self.downsamples,
            self.se_downsamples,
            self.pos_embs,
            strict=True,
        ):
            embeds = downsample or channels != in_channels
            reduction *= self.down_stride if embeds else 1
            stages.append(
                StagePlan(
                    in_channels=in_channels,
                    channels=channels,
                    hidden=int(channels * ratio),
                    embeds=embeds,
                    use_se=use_se,
                    pos_kernel_size=pos_emb,
                    attends=mixer == "attention",
                    reduction=reduction,
                    drop_path_rates=tuple(islice(rates, depth)),
                )
            )
            in_channels = channels
        return FastVitPlan(tuple(stages), int(in_channels * self.cls_ratio))


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of blocks."""

    in_channels: int
    channels: int
    hidden: int
    """Hidden channels of the MLPs."""
    embeds: bool
    """Whether patches are embedded before the blocks."""
    use_se: bool
    """Whether that embedding has squeeze-and-excitation."""
    pos_kernel_size: int | None
    """Kernel of the position encoding; None for none."""
    attends: bool
    """Whether positions are mixed by attention."""
    reduction: int
    """Input pixels for each position of the stage's output."""
    drop_path_rates: tuple[float, ...]
    """The rate of stochastic depth of each block."""


@dataclass(frozen=True, slots=True)
class FastVitPlan:
    """The whole network, with every number decided."""

    stages: tuple[StagePlan, ...]
    features: int
    """Channels of the last feature map."""
