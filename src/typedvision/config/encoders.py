"""The base of configs of image encoders that were trained with a language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from typedvision.config.base import (
    Channels,
    Count,
    Depth,
    Eps,
    Heads,
    ModelConfig,
    Pixels,
    Rate,
    Ratio,
    Size,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import BlockPlan

MergeSize = Annotated[int, Field(ge=1, le=16)]
Temperature = Annotated[float, Field(gt=0.0, le=1e12)]


class EncoderConfig(ModelConfig):
    """What configs share of a language model's image encoder, or a classifier around it. Patches
    attend with rotary positions; a projector makes tokens for the language model of neighbours.

    A family says its `encoder_pool` and `global_pool`, the MLPs' `hidden` features, and which
    images go in (`multiple`).
    """

    encoder_pool: str
    """Whether a classifier sees the tokens of the projector."""
    global_pool: str
    """What the encoder gives, or the classifier sees."""
    encoder_only: bool = False
    """Be the encoder alone, which gives what `global_pool` says; else a classifier around it, whose
    tensors' keys start with `encoder.`."""
    img_size: Size = 768
    """Height and width of the input in pixels; one number for a square. Other sizes go in, too."""
    patch_size: Pixels = 16
    """Side of a patch in pixels."""
    embed_dim: Channels = 1152
    """Features of each patch."""
    depth: Depth = 27
    """Number of blocks."""
    num_heads: Heads = 16
    """Attention heads of each block."""
    norm_eps: Eps = 1e-6
    """Added to the variance in each normalisation."""
    final_norm: bool = True
    """Whether the classifier normalises what was pooled."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of a block."""
    attn_drop_rate: Rate = 0.0
    """Dropout probability of the attention weights."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branches; grows linearly from 0."""

    @property
    def projects(self) -> bool:
        """Whether there is a projector, which makes tokens for the language model."""
        return (self.global_pool if self.encoder_only else self.encoder_pool) not in ("", "avg")

    @property
    def multiple(self) -> int:
        """Pixels that height and width of an image must be a multiple of."""
        raise NotImplementedError(f"{type(self).__name__} must say which images go in")

    @property
    def hidden(self) -> int:
        """Hidden features of each block's MLP."""
        raise NotImplementedError(f"{type(self).__name__} must say the width of its MLPs")

    @property
    def out_channels(self) -> int:
        """Features of each token that the encoder gives."""
        return self.embed_dim

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: images with patches, classes with an encoder alone."""
        if any(side % self.multiple for side in to_pair(self.img_size)):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of {self.multiple} pixels: whole "
                "patches, and a whole number of those that are merged",
                "img_size",
            )
        if self.encoder_only and self.encoder_pool:
            yield Conflict(
                "'encoder_pool' must be '' where 'encoder_only' is true: 'global_pool' says what "
                "the encoder gives",
                "encoder_pool",
            )
        if not self.encoder_only and self.global_pool not in ("", "avg"):
            yield Conflict(
                f"'global_pool' must be 'avg' or '' where 'encoder_only' is false: set "
                f"'encoder_pool' to '{self.global_pool}', and a classifier sees its tokens",
                "global_pool",
            )
        if self.encoder_only and self.num_classes:
            yield Conflict(
                "'num_classes' must be 0 where 'encoder_only' is true: there is no classifier",
                "num_classes",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`; the model takes others, too."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The patches after each block; all have one resolution."""
        path = "blocks" if self.encoder_only else "encoder.blocks"
        return tuple(
            FeatureSpec(self.embed_dim, self.patch_size, f"{path}.{index}")
            for index in range(self.depth)
        )

    def plan(self) -> tuple[BlockPlan, ...]:
        """Every block with its numbers."""
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        return tuple(BlockPlan(hidden=self.hidden, drop_path_rate=rate) for rate in rates)


class MergingEncoderConfig(EncoderConfig):
    """What configs share of encoders whose heads share the features evenly, and whose projector
    makes one token of a square of patches, by an MLP.

    A family says how many patches its projector `merges`.
    """

    out_features: Count = 0
    """Features of each token that the projector makes; 0 for its default, where it has one."""
    mlp_ratio: Ratio = 4.0
    """Hidden features of the MLP, for each feature of a patch."""
    rope_temperature: Temperature = 10_000.0
    """Ratio of the highest frequency of the rotary embedding to the lowest, about."""

    @property
    def merges(self) -> int:
        """Rows and columns of patches of which the projector makes one token."""
        raise NotImplementedError(f"{type(self).__name__} must say how many patches are merged")

    @property
    def hidden(self) -> int:
        """Hidden features of each block's MLP."""
        return int(self.embed_dim * self.mlp_ratio)

    @property
    def out_channels(self) -> int:
        """Features of each token that the encoder gives."""
        if not self.projects:
            return self.embed_dim
        return self.out_features or self.embed_dim * self.merges**2

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also heads with features, and a projector's features with
        none."""
        width, rest = divmod(self.embed_dim, self.num_heads)
        if rest or width % 4:
            yield Conflict(
                f"'num_heads' must leave each head a multiple of 4 features of 'embed_dim' "
                f"{self.embed_dim}; got {self.num_heads}",
                "num_heads",
            )
        if self.hidden < 1:
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave the MLP a hidden feature; 'embed_dim' is "
                f"{self.embed_dim}",
                "mlp_ratio",
            )
        yield from super().conflicts()
        if self.out_features and not self.projects:
            yield Conflict(
                "'out_features' means nothing where no projector makes tokens for a language model",
                "out_features",
            )
