"""`Blocks`: a row of blocks, a module of its own, so that hooks fire and wrappers work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

StateT = TypeVar("StateT", bound="Tensor | tuple[Tensor, ...]")
"""What goes from block to block: a map or tokens, or several at once, of which the first is the
feature level."""


class Blocks(nn.Sequential):
    """Blocks, one after the other; each takes the output of the last, and `others` as they are.

    `grad_checkpointing` recomputes each block in the backward pass instead of keeping what it
    computed; `ImageModel.set_grad_checkpointing` sets it.
    """

    grad_checkpointing: bool = False

    def forward(self, input: StateT, *others: Tensor | None) -> StateT:
        """The output of the last block; `input` where there is none."""
        for block in self:
            input = self._run(block, input, *others)
        return input

    def outputs(self, input: StateT, *others: Tensor | None) -> Iterator[StateT]:
        """The output of each block."""
        for block in self:
            input = self._run(block, input, *others)
            yield input

    def _run(self, block: nn.Module, input: StateT, *others: Tensor | None) -> StateT:
        if self.grad_checkpointing and self.training:
            return checkpoint(block, input, *others, use_reentrant=False)
        return block(input, *others)
