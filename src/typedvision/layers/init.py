"""Initialisation: which numbers a fresh tensor gets, as a step of its own.

Each tensor's random stream depends on the seed and on its own key, so that the same seed gives the
same weights in any order of construction. The global random state is neither read nor advanced.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from typedvision.layers.shard import copy_part, sharded

Initializer = Callable[[Tensor, Generator], object]
"""Fills a tensor in place, drawing from the generator."""
Initializers = Mapping[str, Initializer]
"""An `Initializer` for each tensor that a module itself owns, by attribute name."""


@runtime_checkable
class OwnsInitializers(Protocol):
    """A module that says how its own tensors are initialised."""

    def initializers(self) -> Initializers:
        """An `Initializer` for each parameter and buffer of this module."""
        ...


def constant(value: float) -> Initializer:
    """Every element is `value`."""
    return lambda tensor, _: tensor.fill_(value)


zeros: Initializer = constant(0.0)
ones: Initializer = constant(1.0)


def values(compute: Callable[[], Tensor]) -> Initializer:
    """What `compute` returns, of the tensor's shape; for tables that are a formula."""
    return lambda tensor, _: tensor.copy_(compute())


def normal(std: float, mean: float = 0.0) -> Initializer:
    """A normal distribution."""
    return lambda tensor, generator: tensor.normal_(mean, std, generator=generator)


def uniform(bound: float) -> Initializer:
    """A uniform distribution on [-bound, bound]."""
    return lambda tensor, generator: tensor.uniform_(-bound, bound, generator=generator)


def trunc_normal(
    std: float, mean: float = 0.0, low: float = -2.0, high: float = 2.0
) -> Initializer:
    """A normal distribution cut at `low` and `high`, which are values, not deviations."""

    def fill(tensor: Tensor, generator: Generator) -> object:
        return nn.init.trunc_normal_(tensor, mean, std, low, high, generator=generator)

    return fill


def lecun_normal() -> Initializer:
    """A normal distribution of variance 1 / fan_in, cut at two deviations."""

    def fill(tensor: Tensor, generator: Generator) -> object:
        # 0.8796 is the deviation of a unit normal that is cut at +-2.
        std = math.sqrt(1.0 / fan_in(tensor)) / 0.87962566103423978
        nn.init.trunc_normal_(tensor, 0.0, 1.0, -2.0, 2.0, generator=generator)
        return tensor.mul_(std)

    return fill


def kaiming_normal_fan_out() -> Initializer:
    """A normal distribution of variance 2 / fan_out (https://arxiv.org/abs/1502.01852, eq. 14)."""

    def fill(tensor: Tensor, generator: Generator) -> object:
        fan_out = tensor.numel() // tensor.shape[1]
        return tensor.normal_(0.0, math.sqrt(2.0 / fan_out), generator=generator)

    return fill


def xavier_uniform() -> Initializer:
    """A uniform distribution of variance 2 / (fan_in + fan_out)."""

    def fill(tensor: Tensor, generator: Generator) -> object:
        return nn.init.xavier_uniform_(tensor, generator=generator)

    return fill


def scaled(init: Initializer, factor: float) -> Initializer:
    """What `init` gives, times `factor`."""

    def fill(tensor: Tensor, generator: Generator) -> object:
        init(tensor, generator)
        return tensor.mul_(factor)

    return fill


def fan_in(weight: Tensor) -> int:
    """Number of inputs of each output of a weight, shape (out, in, ...)."""
    return weight.numel() // weight.shape[0]


def torch_linear(module: nn.Linear | nn.modules.conv._ConvNd) -> Initializers:
    """PyTorch's own choice for linear layers and convolutions: uniform in +-1 / sqrt(fan_in)."""
    bound = 1.0 / math.sqrt(fan_in(module.weight))
    return {"weight": uniform(bound), "bias": uniform(bound)}


NORM: Initializers = {
    "weight": ones,
    "bias": zeros,
    "running_mean": zeros,
    "running_var": ones,
    "num_batches_tracked": zeros,
}
"""Initial values of any normalisation layer."""


def default_initializers(module: nn.Module) -> Initializers:
    """How a module's own tensors are initialised where its family says nothing else."""
    if isinstance(module, OwnsInitializers):
        return module.initializers()
    if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
        return torch_linear(module)
    if isinstance(
        module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm | nn.RMSNorm
    ):
        return NORM
    if isinstance(module, nn.PReLU):
        return {"weight": constant(0.25)}
    return {}


LARGE = 50_000  # numbers of a tensor that it takes longer to fill than to tell another thread


def initialize(
    model: nn.Module,
    seed: int,
    initializers: Callable[[str, nn.Module], Initializers],
    *,
    only: Collection[str] | None = None,
) -> None:
    """Fill every parameter and buffer of a model, large ones in parallel, each from its own stream.

    Args:
        model: the model; its tensors are overwritten in place.
        seed: any integer.
        initializers: the `Initializer` of each tensor that a module (path, module) itself owns.
        only: keys of the tensors to fill; all by default.

    Raises:
        LookupError: a tensor has no `Initializer`: a mistake of the family, not of the caller.
    """

    inference = torch.is_inference_mode_enabled()  # a thread starts without its caller's modes

    def fill_large(key: str, tensor: Tensor, init: Initializer) -> None:
        with torch.inference_mode(inference), torch.no_grad():
            _fill(tensor, init, Generator().manual_seed(stream(seed, key)))

    generator = Generator()
    with torch.no_grad(), ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
        jobs = []
        for key, tensor, init in _plan(model, initializers, only):
            if tensor.numel() > LARGE:
                jobs.append(pool.submit(fill_large, key, tensor, init))
            else:
                _fill(tensor, init, generator.manual_seed(stream(seed, key)))
        for job in jobs:
            job.result()


def stream(seed: int, key: str) -> int:
    """The seed of one tensor's random stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8])


def _plan(
    model: nn.Module,
    initializers: Callable[[str, nn.Module], Initializers],
    only: Collection[str] | None,
) -> Iterator[tuple[str, Tensor, Initializer]]:
    for path, module in model.named_modules():
        own = [
            (f"{path}.{name}" if path else name, name, tensor)
            for name, tensor in (
                *module.named_parameters(recurse=False),
                *module.named_buffers(recurse=False),
            )
        ]
        chosen = [row for row in own if only is None or row[0] in only]
        known = initializers(path, module) if chosen else {}
        for key, name, tensor in chosen:
            if name not in known:
                raise LookupError(
                    f"{key} has no initialisation: say it in {type(module).__name__}.initializers"
                )
            yield key, tensor, known[name]


def _fill(tensor: Tensor, init: Initializer, generator: Generator) -> None:
    """Draw all of it in float32 on the CPU, so that any device, dtype and shard gets the same."""
    plain = tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.int64)
    if plain and sharded(tensor) is None:
        init(tensor, generator)
        return
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    draft = torch.empty(tensor.shape, dtype=dtype)
    init(draft, generator)
    copy_part(tensor, draft)
