"""Two processes that train together learn what one would from the images of both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import typedvision as tv
from tests.processes import together
from tests.ranks import WORLD, Ranks, shard, whole
from typedvision.layers.blocks import Blocks

pytestmark = together

SIDE = 64  # pixels
# What a batch normalises by is that of a process, so neither model has such a normalisation.
RECOMPUTED = {"test_vit": True, "test_convnext": False}


def parallel(model: tv.ImageModel) -> nn.Module:
    return DistributedDataParallel(model)


def parallel_and_compiled(model: tv.ImageModel) -> nn.Module:
    return torch.compile(DistributedDataParallel(model), backend="eager")  # type: ignore[return-value]


def compiled_stage(model: tv.ImageModel) -> nn.Module:
    path = model.feature_info[0].name
    stage = torch.compile(model.get_submodule(path), backend="eager")
    assert isinstance(stage, nn.Module)
    model.set_submodule(path, stage)
    return DistributedDataParallel(model)


def sharded_blocks(model: tv.ImageModel) -> nn.Module:
    blocks = [block for one in model.modules() if isinstance(one, Blocks) for block in one]
    return shard(model, blocks)


def sharded_stages(model: tv.ImageModel) -> nn.Module:
    return shard(model, [model.get_submodule(level.name) for level in model.feature_info])


def sharded_and_compiled(model: tv.ImageModel) -> nn.Module:
    return torch.compile(sharded_stages(model), backend="eager")  # type: ignore[return-value]


EAGER = (parallel, sharded_blocks, sharded_stages)
COMPILED = (parallel_and_compiled, compiled_stage, sharded_and_compiled)
CASES = [
    *((name, way) for name in RECOMPUTED for way in EAGER),
    *(pytest.param("test_convnext", way, marks=pytest.mark.slow) for way in COMPILED),
]


def learns(name: str, way: Callable[[tv.ImageModel], nn.Module]) -> None:
    size = {"img_size": SIDE} if tv.accepts(name, "img_size") else {}
    model, single = (tv.create_model(name, num_classes=5, seed=1, **size) for _ in range(2))
    for one in (model, single):
        one.set_grad_checkpointing(RECOMPUTED[name])
    images = torch.randn(WORLD, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    loss(single(images)).backward()
    rank, trained = dist.get_rank(), way(model)
    loss(trained(images[rank : rank + 1])).backward()
    for (key, wanted), part in zip(single.named_parameters(), model.parameters(), strict=True):
        assert part.grad is not None, key
        assert wanted.grad is not None, key
        torch.testing.assert_close(whole(part.grad), wanted.grad, atol=1e-5, rtol=1e-3)


def loss(logits: Tensor) -> Tensor:
    return logits.square().sum(1).mean()


@pytest.mark.parametrize(
    ("name", "way"), CASES, ids=lambda value: getattr(value, "__name__", value)
)
def test_they_learn_what_one_would(
    ranks: Ranks, name: str, way: Callable[[tv.ImageModel], nn.Module]
) -> None:
    ranks(learns, name, way)
