"""Gemma 4's image encoder as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Channels, Depth, Heads, planned, to_pair
from typedvision.config.encoders import EncoderConfig, MergeSize, Temperature
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict
from typedvision.config.tokens import BlockPlan

if TYPE_CHECKING:
    from typedvision.families.gemma4_vit.model import Gemma4Vit

HeadWidth = Annotated[int, Field(ge=4, le=4_096, multiple_of=4)]


class Gemma4VitConfig(EncoderConfig, Builds["Gemma4Vit"]):
    """The image encoder of Gemma 4 (https://ai.google.dev/gemma/docs), or a classifier around
    it."""

    global_pool: Literal["", "avg", "soft"] = "avg"  # pyright: ignore[reportIncompatibleVariableOverride] # it is frozen
    """What the encoder gives: the pooler's tokens for the language model (`soft`), the mean of the
    patches (`avg`), or the patches (`""`). What a classifier sees: the mean of what its encoder
    gives (`avg`), or all of it (`""`)."""
    encoder_pool: Literal["", "soft"] = ""  # pyright: ignore[reportIncompatibleVariableOverride] # it is frozen
    """What the encoder of a classifier gives: the patches, or the pooler's tokens (`soft`)."""
    embed_dim: Channels = 768
    """Features of each patch."""
    depth: Depth = 16
    """Number of blocks."""
    num_heads: Heads = 12
    """Heads of queries of each block."""
    head_dim: HeadWidth = 64
    """Features of each head: half for a patch's column, half for its row."""
    num_kv_heads: Heads | None = None
    """Heads of keys and values of each block, each for as many heads of queries; None for as many
    as `num_heads`."""
    intermediate_size: Channels = 3_072
    """Hidden features of the gated MLP."""
    rope_theta: Temperature = 100.0
    """Ratio of the highest frequency of the rotary embedding to the lowest, about."""
    position_embedding_size: Channels = 10_240
    """Rows, and columns, of patches that have a learned position: the most that an image has."""
    pooling_kernel_size: MergeSize = 3
    """Rows and columns of patches of which the pooler makes one token."""
    standardize: bool = False
    """Whether the pooler's tokens are shifted and scaled by statistics of the checkpoint."""
    use_clipped_linears: bool = False
    """Whether each linear layer of a block bounds its inputs and outputs by numbers of the
    checkpoint."""
    act_layer: Activation = "gelu_tanh"
    """Activation of the MLPs' gates."""
    weight_init: Literal["", "skip"] = ""
    """Initial weights of linear layers: a normal distribution of deviation 0.02, and for the
    classifier PyTorch's, its bias 0; or PyTorch's for all (`skip`)."""

    @property
    def hidden(self) -> int:
        """`intermediate_size`."""
        return self.intermediate_size

    @property
    def key_heads(self) -> int:
        """Heads of keys and values of each block."""
        return self.num_heads if self.num_kv_heads is None else self.num_kv_heads

    @property
    def multiple(self) -> int:
        """Whole patches, and whole squares of them where they are pooled."""
        return self.patch_size * (self.pooling_kernel_size if self.projects else 1)

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also heads of queries with those of keys, and images with the
        table of positions."""
        yield from super().conflicts()
        if self.num_heads % self.key_heads:
            yield Conflict(
                f"'num_kv_heads' {self.num_kv_heads} must divide 'num_heads' {self.num_heads}",
                "num_kv_heads",
            )
        most = self.patch_size * self.position_embedding_size
        if max(to_pair(self.img_size)) > most:
            yield Conflict(
                f"'img_size' {self.img_size} must be at most {most}: 'position_embedding_size' "
                f"{self.position_embedding_size} patches",
                "img_size",
            )

    @planned
    def plan(self) -> tuple[BlockPlan, ...]:
        """Every block with its numbers."""
        return super().plan()
