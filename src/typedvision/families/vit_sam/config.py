"""SAM's image encoder as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from typedvision.config.base import (
    Builds,
    Channels,
    Eps,
    Ratio,
    Size,
    planned,
    to_pair,
    unpooled_classifier,
)
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict
from typedvision.config.stages import drop_path_rates
from typedvision.config.tokens import BlockPlan, PatchConfig

if TYPE_CHECKING:
    from typedvision.families.vit_sam.model import VisionTransformerSAM

BlockIndexes = Annotated[tuple[Annotated[int, Field(ge=0, le=1_023)], ...], Field(max_length=1_024)]
Window = Annotated[int, Field(ge=0, le=1_024)]


class ViTSamConfig(PatchConfig, Builds["VisionTransformerSAM"]):
    """The image encoder of Segment Anything (https://arxiv.org/abs/2304.02643): a Vision
    Transformer for detection, most of whose blocks attend in windows
    (https://arxiv.org/abs/2203.16527)."""

    img_size: Size = 1024
    """Height and width in pixels that the positions are made for, in whole patches; one number for
    a square. Images of other sizes go in, with positions that are resampled."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    norm_eps: Eps = 1e-5
    """Added to the variance in each normalisation of a block."""
    qk_norm: bool = False
    """Normalise queries and keys of each head (https://arxiv.org/abs/2302.05442, section 2.2)."""
    init_values: Ratio | None = None
    """Initial factor of LayerScale (https://arxiv.org/abs/2103.17239); None for no LayerScale."""
    pre_norm: bool = False
    """Normalise the tokens before the first block; the patches then have no bias."""
    act_layer: Activation = "gelu"
    """Activation of the MLPs."""
    use_abs_pos: bool = True
    """Add a learned embedding of its position to each patch."""
    use_rel_pos: bool = False
    """Learn what the distance of two patches, in rows and in columns, adds to the attention
    (https://arxiv.org/abs/2112.01526, section 4.1)."""
    use_rope: bool = False
    """Give queries and keys a rotary embedding of the position of their patch."""
    window_size: Window = 14
    """Rows and columns of patches in a window; 0 for blocks that all attend to the whole image."""
    global_attn_indexes: BlockIndexes = ()
    """Which blocks attend to the whole image, counted from 0; the others attend in windows."""
    neck_chans: Channels | None = 256
    """Channels of the map behind the blocks, of two convolutions; None for a normalisation, which
    the head does where it has a hidden layer."""
    head_hidden_size: Channels | None = None
    """Outputs of a hidden layer before the classifier, behind a normalisation; None for neither."""
    ref_feat_shape: tuple[Size, Size] | None = None
    """Rows and columns of patches that rotary positions are stretched to, of the whole image and of
    a window; None for no stretching."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: also two kinds of relative positions."""
        yield from super().conflicts()
        yield from unpooled_classifier(self, self.global_pool)
        sides = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image % patch for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of 'patch_size' {self.patch_size}",
                "img_size",
            )
        if any(index >= self.depth for index in self.global_attn_indexes):
            yield Conflict(
                f"'global_attn_indexes' must be below 'depth' {self.depth}: it says which blocks "
                "attend to the whole image",
                "global_attn_indexes",
            )
        if self.head_hidden_size and self.global_pool in ("", "catavgmax"):
            yield Conflict(
                f"'global_pool' must not be '{self.global_pool}' where there is a "
                "'head_hidden_size': that layer sees a vector of as many features as the map has; "
                "pool by 'avg' or 'avgmax'",
                "global_pool",
            )
        yield from self._rope_conflicts()

    def _rope_conflicts(self) -> Iterator[Conflict]:
        if not self.use_rope:
            if self.ref_feat_shape:
                yield Conflict(
                    "'ref_feat_shape' means nothing where 'use_rope' is false: leave it out",
                    "ref_feat_shape",
                )
            return
        if self.use_rel_pos:
            yield Conflict(
                "'use_rel_pos' must be false where 'use_rope' is true: there is one kind of "
                "relative positions",
                "use_rel_pos",
            )
        width, rest = divmod(self.embed_dim, self.num_heads)
        if width % 4 and not rest:
            yield Conflict(
                "'num_heads' must leave each head a multiple of 4 features where 'use_rope' is "
                f"true; 'embed_dim' {self.embed_dim} over {self.num_heads} heads is {width}",
                "num_heads",
            )

    @planned
    def plan(self) -> ViTSamPlan:
        """Every block with its numbers."""
        (height, width), (tall, wide) = to_pair(self.img_size), to_pair(self.patch_size)
        grid = height // tall, width // wide
        rates = drop_path_rates(self.drop_path_rate, self.depth)
        window = (self.window_size, self.window_size) if self.window_size else None
        windows = [
            None if index in self.global_attn_indexes else window for index in range(self.depth)
        ]
        whole, part = self.ref_feat_shape or (None, None)
        return ViTSamPlan(
            patch_size=(tall, wide),
            grid=grid,
            blocks=tuple(
                ViTSamBlockPlan(
                    hidden=int(self.embed_dim * self.mlp_ratio),
                    drop_path_rate=rate,
                    window=own,
                    reach=(own or grid) if self.use_rel_pos else None,
                )
                for own, rate in zip(windows, rates, strict=True)
            ),
            global_reference=to_pair(whole) if whole else None,
            window_reference=to_pair(part) if part else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTSamBlockPlan(BlockPlan):
    """One block, with every number decided."""

    window: tuple[int, int] | None
    """Rows and columns of a window; None where the block attends to the whole image."""
    reach: tuple[int, int] | None
    """Rows and columns of patches whose distances have learned biases; None for no biases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTSamPlan:
    """The model, with every number decided."""

    patch_size: tuple[int, int]
    grid: tuple[int, int]
    """Rows and columns of patches."""
    blocks: tuple[ViTSamBlockPlan, ...]
    global_reference: tuple[int, int] | None
    """The grid that rotary positions of the whole image are stretched to; None for their own."""
    window_reference: tuple[int, int] | None
    """The grid that rotary positions of a window are stretched to; None for their own."""
