"""Two processes of one group, and calls on both."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from tests.processes import CONTEXT
from typedvision.architecture.image_model import ImageModel
from typedvision.layers.shard import sharded

WORLD = 2
PATIENCE = 120  # seconds that a process waits for the other

Ranks = Callable[..., None]


@contextmanager
def started(store: Path) -> Generator[Ranks]:
    """Calls a function on both ranks of a group, and raises what is raised on one."""
    pools = [ProcessPoolExecutor(1, CONTEXT, join, (rank, store)) for rank in range(WORLD)]

    def call(work: Callable[..., None], *arguments: object) -> None:
        for answer in [pool.submit(work, *arguments) for pool in pools]:
            answer.result(2 * PATIENCE)

    yield call
    for pool in pools:
        pool.shutdown(cancel_futures=True)


def shard(
    model: ImageModel, parts: Iterable[nn.Module], mesh: DeviceMesh | None = None
) -> ImageModel:
    """Share a model, each of these parts as a unit, between the processes of a mesh; of all."""
    from torch.distributed.fsdp import fully_shard  # not above: it takes a second, everywhere

    mesh = mesh or init_device_mesh("cpu", (WORLD,))
    for part in parts:
        fully_shard(part, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, of which each process may hold a part."""
    part = sharded(tensor)
    return tensor if part is None else part.full_tensor()


def join(rank: int, store: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=PATIENCE),
    )
