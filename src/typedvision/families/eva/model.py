"""EVA (https://arxiv.org/abs/2211.07636, https://arxiv.org/abs/2303.11331) and its relatives with
rotary embeddings of positions.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, d features of each head, B blocks, A attention heads,
K classes.
"""

from __future__ import annotations

from torch import Tensor

from typedvision.architecture.token_model import Inputs, TokenModel
from typedvision.families.eva.config import EvaConfig
from typedvision.layers.rotary import (
    MixedRotaryEmbedding,
    RotaryEmbedding,
    choose_patches,
    rotary_embedding,
)
from typedvision.layers.rotary_block import RotaryBlock, RotaryPostNormBlock


class Eva(TokenModel):
    """Patches as tokens, a transformer encoder whose queries and keys have a rotary embedding of
    each patch's position, pooling and a linear classifier."""

    def __init__(self, cfg: EvaConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        self.rope: RotaryEmbedding | None = (
            rotary_embedding(cfg.rope()) if cfg.use_rot_pos_emb else None
        )
        block = RotaryPostNormBlock if cfg.use_post_norm else RotaryBlock
        self._add_encoder(block(each) for each in plan.blocks)

    def _embed(self, x: Tensor, *, all_patches: bool = False) -> Inputs:
        """(N, C, H, W) to the tokens, (N, T, D), and the patches' rotary embedding, (2, L, d / 2)
        or (2, B, A, L, d / 2)."""
        patches = self._patches(x)
        x = self._tokens(patches)
        rows, columns = patches.shape[1:3]
        rope = None if self.rope is None else self.rope((rows, columns), x)
        chosen = None if all_patches else self.patch_drop.choose(x)
        if rope is not None and chosen is not None:
            rope = choose_patches(rope, chosen)
        return self.norm_pre(self.patch_drop.keep(x, chosen)), rope

    def no_weight_decay(self) -> set[str]:
        """The learned tokens, positions and frequencies."""
        learned = {"rope.freqs"} if isinstance(self.rope, MixedRotaryEmbedding) else set()
        return super().no_weight_decay() | learned

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation; learned frequencies, which
        every block has a part of, go with the head."""
        groups = super().group_matcher(coarse)
        learned = isinstance(self.rope, MixedRotaryEmbedding)
        return groups | {"head": r"^rope|attn_pool|fc_norm|head"} if learned else groups
