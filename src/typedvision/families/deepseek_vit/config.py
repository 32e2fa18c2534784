"""DeepSeek's image encoder as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import Builds, Channels, Depth, Pixels, Ratio, Size, planned
from typedvision.config.encoders import MergeSize, MergingEncoderConfig
from typedvision.config.problems import Conflict
from typedvision.config.tokens import BlockPlan

if TYPE_CHECKING:
    from typedvision.families.deepseek_vit.model import DeepseekVit


class DeepseekVitConfig(MergingEncoderConfig, Builds["DeepseekVit"]):
    """DeepSeek's image encoder, or a classifier around it: a Vision Transformer with rotary
    positions only, root-mean-square normalisations and gated MLPs."""

    global_pool: Literal["", "avg", "align"] = "avg"  # pyright: ignore[reportIncompatibleVariableOverride] # it is frozen
    """What the encoder gives: the projector's tokens for the language model (`align`), the mean of
    the patches (`avg`), or the patches (`""`). What a classifier sees: the mean of what its encoder
    gives (`avg`), or all of it (`""`)."""
    encoder_pool: Literal["", "align"] = ""  # pyright: ignore[reportIncompatibleVariableOverride] # it is frozen
    """What the encoder of a classifier gives: the patches, or the projector's tokens (`align`)."""
    img_size: Size = 546
    """Height and width of the input in pixels; one number for a square. Other sizes go in, too."""
    patch_size: Pixels = 14
    """Side of a patch in pixels."""
    embed_dim: Channels = 1024
    """Features of each patch."""
    depth: Depth = 32
    """Number of blocks."""
    mlp_ratio: Ratio = 2.75
    """Hidden features of the MLP's gate, for each feature of a patch."""
    downsample_ratio: MergeSize = 3
    """Rows and columns of patches of which the projector makes one token."""
    dynamic_img_pad: bool = False
    """Pad images at the right and bottom to whole patches; others are refused otherwise."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also a projector of unknown width."""
        yield from super().conflicts()
        if self.projects and not self.out_features:
            yield Conflict(
                "'out_features' must be at least 1 where there is a projector: the features of the "
                "language model's tokens",
                "out_features",
            )

    @property
    def merges(self) -> int:
        """`downsample_ratio`."""
        return self.downsample_ratio

    @property
    def multiple(self) -> int:
        """Whole patches, unless images are padded."""
        return 1 if self.dynamic_img_pad else self.patch_size

    @planned
    def plan(self) -> tuple[BlockPlan, ...]:
        """Every block with its numbers."""
        return super().plan()
