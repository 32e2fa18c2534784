"""Tensors that the processes of a mesh hold in parts, as FSDP2's `fully_shard` makes them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from typedvision.errors import UsageError

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def sharded(tensor: Tensor) -> DTensor | None:
    """The tensor itself where it is held in parts; None where this process has all of it.

    Raises:
        UsageError: it is held in another way than FSDP2's on a mesh of one dimension.
    """
    if "torch.distributed.tensor" not in sys.modules:  # so there are none; importing takes a second
        return None
    from torch.distributed.tensor import DTensor, Replicate, Shard

    if not isinstance(tensor, DTensor):
        return None
    if len(tensor.placements) != 1 or not isinstance(tensor.placements[0], Shard | Replicate):
        raise UsageError(
            "weights can be given to tensors that are sharded or replicated on a mesh of one "
            f"dimension; got {tensor.placements} on {tensor.device_mesh}"
        )
    return tensor


def empty_as(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Memory for a tensor of this shape, held in the same parts.

    What `torch.empty_like` gives; but of a tensor on meta that computes its strides in Python,
    which takes ten times as long and imports sympy.

    Args:
        tensor: the tensor.
        device: where the memory is.
        dtype: the type of the numbers; the tensor's own by default.
    """
    if sharded(tensor) is not None:
        return torch.empty_like(tensor, device=device, dtype=dtype)
    return torch.empty(tensor.shape, device=device, dtype=dtype or tensor.dtype)


@torch.no_grad()
def copy_part(target: Tensor, whole: Tensor) -> None:
    """Copy into a tensor, from all of its values, those that this process holds.

    Args:
        target: the tensor, on any device, in any dtype; only this process's part has memory.
        whole: all of its values, of the whole tensor's shape; no others than those are read.
    """
    parts = sharded(target)
    if parts is None:
        target.copy_(whole)
        return
    from torch.distributed.tensor import Shard

    mesh, placement = parts.device_mesh, parts.placements[0]
    if isinstance(placement, Shard):
        dim, rank = placement.dim, mesh.get_local_rank()
        chunks = whole.chunk(mesh.size(), dim)
        # The last processes may have nothing: `chunk` then gives fewer.
        whole = chunks[rank] if rank < len(chunks) else whole.narrow(dim, 0, 0)
    parts.to_local().copy_(whole)
