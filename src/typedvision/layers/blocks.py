"""`Blocks`: a row of blocks, a module of its own, so that hooks fire and wrappers work."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Blocks(nn.Sequential):
    """Blocks, one after the other; each takes the output of the last, and `others` as they are.

    What goes from block to block may be a tuple, whose first is the feature level.

    `grad_checkpointing` recomputes each block in the backward pass instead of keeping what it
    computed; `ImageModel.set_grad_checkpointing` sets it.
    """

    grad_checkpointing: bool = False

    def forward(self, input: Tensor, *others: Tensor | None) -> Tensor:
        """The output of the last block; `input` where there is none."""
        for block in self:
            input = self._run(block, input, *others)
        return input

    def outputs(self, input: Tensor, *others: Tensor | None) -> Iterator[Tensor]:
        """The output of each block."""
        for block in self:
            input = self._run(block, input, *others)
            yield input

    def _run(self, block: nn.Module, input: Tensor, *others: Tensor | None) -> Tensor:
        if self.grad_checkpointing and self.training:
            return checkpoint(block, input, *others, use_reentrant=False)
        return block(input, *others)
