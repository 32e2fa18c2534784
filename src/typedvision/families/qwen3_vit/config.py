"""Qwen3-VL's image encoder as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Ratio, planned
from typedvision.config.encoders import MergeSize, MergingEncoderConfig
from typedvision.config.names import Activation
from typedvision.config.tokens import BlockPlan

if TYPE_CHECKING:
    from typedvision.families.qwen3_vit.model import Qwen3Vit

GridSize = Annotated[int, Field(ge=1, le=1_024)]


class Qwen3VitConfig(MergingEncoderConfig, Builds["Qwen3Vit"]):
    """The image encoder of Qwen3-VL (https://arxiv.org/abs/2511.21631), or a classifier around
    it."""

    global_pool: Literal["", "avg", "merge"] = "avg"  # pyright: ignore[reportIncompatibleVariableOverride] # it is frozen
    """What the encoder gives: the projector's tokens for the language model (`merge`), the mean of
    the patches (`avg`), or the patches (`""`). What a classifier sees: the mean of what its encoder
    gives (`avg`), or all of it (`""`)."""
    encoder_pool: Literal["", "merge"] = ""  # pyright: ignore[reportIncompatibleVariableOverride] # it is frozen
    """What the encoder of a classifier gives: the patches, or the projector's tokens (`merge`)."""
    mlp_ratio: Ratio = 3.736111111111111
    """Hidden features of the MLP, for each feature of a patch."""
    merge_size: MergeSize = 2
    """Rows and columns of patches of which the projector makes one token."""
    pos_embed_grid_size: GridSize = 48
    """Rows and columns of the learned table of positions, which is stretched over the image."""
    act_layer: Activation = "gelu_tanh"
    """Activation of the MLPs."""

    @property
    def merges(self) -> int:
        """`merge_size`."""
        return self.merge_size

    @property
    def multiple(self) -> int:
        """Whole patches, and whole squares of them where they are merged."""
        return self.patch_size * (self.merge_size if self.projects else 1)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the table of positions."""
        return self.pos_embed_grid_size, self.pos_embed_grid_size

    @planned
    def plan(self) -> tuple[BlockPlan, ...]:
        """Every block with its numbers."""
        return super().plan()
