"""From a spec to a model: built on the meta device, counted, then given memory and weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.utils._device import DeviceContext

from typedvision.architecture.backbone import Backbone
from typedvision.architecture.image_model import ImageModel, describe
from typedvision.config.base import ModelConfig
from typedvision.config.limits import Limits
from typedvision.errors import DeclarationError, LimitError, Problem, UsageError, shown
from typedvision.layers.init import initialize
from typedvision.layers.shard import empty_as
from typedvision.registry import index
from typedvision.registry.backbone import BackboneSpec
from typedvision.registry.spec import ModelSpec


def build_model(spec: ModelSpec, limits: Limits) -> ImageModel:
    """The model that a spec describes, on the meta device: no memory is taken.

    Raises:
        LimitError: the model is larger than `limits`.
        DeclarationError: the family's `build` gave something else than an `ImageModel`.
    """
    model = _built(spec, limits)
    _check_size(model, spec.subject, limits)
    return model


def build_backbone(spec: BackboneSpec, limits: Limits) -> Backbone[ImageModel]:
    """The backbone that a spec describes, on the meta device: no memory is taken.

    Raises:
        LimitError: what is kept of the model is larger than `limits`.
        DeclarationError: the family's `build` gave something else than an `ImageModel`.
    """
    backbone = Backbone(_built(spec.model, limits), spec)
    _check_size(backbone, spec.model.subject, limits)
    return backbone


def materialize(
    model: ImageModel, device: torch.device, dtype: torch.dtype | None, seed: int | None
) -> None:
    """Give a meta-device model memory on `device` and initial weights; on `meta` it stays as it is.

    Inside of accelerate's `init_empty_weights` only its buffers get memory and values, as there.

    Args:
        model: the model, changed in place.
        device: where its tensors shall live.
        dtype: their type; None keeps it.
        seed: seed of the weights; by default PyTorch's.
    """
    if dtype is not None:
        model.to(dtype)
    if device.type == "meta":
        parameters, buffers = _default_places()
        if parameters != buffers:
            _materialize_buffers(model, buffers)
        return
    # As `to_empty` does it, which asks `torch.empty_like`.
    model._apply(lambda tensor: empty_as(tensor, device))  # type: ignore[no-untyped-call]
    model.init_weights(seed)


def _default_places() -> tuple[torch.device, torch.device]:
    """Where a module's parameters and its buffers go that are made here: a context of another
    library may decide it by PyTorch's default device, or when they are registered."""
    probe = nn.Module()
    probe.register_parameter("parameter", nn.Parameter(torch.empty(0)))
    probe.register_buffer("buffer", torch.empty(0))
    return probe.get_parameter("parameter").device, probe.get_buffer("buffer").device


def _materialize_buffers(model: ImageModel, device: torch.device) -> None:
    keys = [key for key, _ in model.named_buffers()]
    for key in keys:
        path, _, name = key.rpartition(".")
        owner = model.get_submodule(path)
        owner._buffers[name] = empty_as(model.get_buffer(key), device)
    initialize(model, 0, model.initializers, only=keys)


def resolve_device(device: torch.device | str | None) -> torch.device:
    """The device that a caller names; where they name none, the one where parameters go: PyTorch's
    default, or `meta` inside of accelerate's `init_empty_weights`.

    Raises:
        UsageError: there is no such device here.
    """
    if device is None:
        return _default_places()[0]
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise UsageError(
            f"device must name one of PyTorch's, such as 'cpu' or 'cuda:0'; got {shown(device)}"
        ) from None
    try:
        torch.empty(0, device=found)
    except Exception as error:  # each backend has its own
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UsageError(f"device '{found}' cannot be used here: {reason}") from None
    return found


def check_dtype(dtype: object) -> None:
    """Refuse what cannot be the type of a model's weights.

    Raises:
        UsageError: it is no floating-point type of PyTorch.
    """
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise UsageError(
            f"dtype must be a floating-point type, such as torch.bfloat16; got {shown(dtype)}"
        )


class _OnMeta(DeviceContext):
    """What `torch.device("meta")` does, and skips the filling of tensors that hold nothing, which
    is half of the time; one mode, because each is asked at every call of a function of PyTorch."""

    _FILLED = frozenset({torch.zeros, torch.ones})
    _FILLERS = frozenset(
        {
            nn.init.kaiming_uniform_,
            nn.init.uniform_,
            Tensor.uniform_,
            Tensor.normal_,
            Tensor.fill_,
            Tensor.zero_,
        }
    )

    def __init__(self) -> None:
        super().__init__(torch.device("meta"))

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if func in self._FILLERS:
            tensor = args[0] if args else (kwargs or {})["tensor"]
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        elif func in self._FILLED and not (kwargs and kwargs.get("device")):
            func = torch.empty
        found: object = super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        return found


def _built(spec: ModelSpec, limits: Limits) -> ImageModel:
    if not isinstance(limits, Limits):
        raise UsageError(f"limits must be Limits(params=...); got {shown(limits)}")
    family = index.family(spec.family)
    fewest = fewest_modules(spec.config)
    if fewest > limits.modules:
        excess = _excess("modules", limits.modules, spec.subject, f"at least {fewest:,}")
        raise _too_large(spec.subject, [excess])
    with _OnMeta(), _counted(spec.subject, limits):
        model = family.build(spec.config)
    if not isinstance(model, ImageModel):
        raise DeclarationError(
            f"build of family '{spec.family}' must return an ImageModel; got {type(model).__name__}"
        )
    describe(model, spec)
    return model


def fewest_modules(config: ModelConfig) -> int:
    """How many modules a model of this config has at least, without making one."""
    return _MODULES_OF_AN_ENTRY * _entries(config.plan())


_MODULES_OF_AN_ENTRY = 4
"""A block is a module, and so are its convolution, its normalisation and its activation."""


def _entries(plan: object) -> int:
    """How many stages and blocks a plan lists; some blocks by their drop path rate only."""
    if isinstance(plan, tuple | list):
        return sum(1 if isinstance(item, float) else _entries(item) for item in plan)
    if is_dataclass(plan):
        return 1 + sum(_entries(getattr(plan, field.name)) for field in fields(plan))
    return 0


class _Making(threading.local):
    """The model that this thread is making: how many modules it may still have."""

    left: int | None = None


_making = _Making()


class _TooMany(Exception):
    """More modules than the limits allow."""


@contextmanager
def _counted(name: str, limits: Limits) -> Generator[None]:
    """Stop the making of a model as soon as it has more modules than the limits allow."""
    _watch_modules()
    outer, _making.left = _making.left, limits.modules - 1  # the model itself stands in no other
    try:
        yield
    except _TooMany:
        raise _too_large(name, [_excess("modules", limits.modules, name, "more")]) from None
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise _too_large(
            name, [_excess("bytes", limits.most_bytes, name, "2**63 or more")]
        ) from None
    finally:
        _making.left = outer


@cache
def _watch_modules() -> None:
    """Have PyTorch tell of each module that is set into another; it asks for this once, since its
    table of hooks must not change while another thread makes modules."""
    register_module_module_registration_hook(_one_more)


def _one_more(module: nn.Module, name: str, child: nn.Module | None) -> None:
    if _making.left is not None and child is not None:
        _making.left -= 1
        if _making.left < 0:
            raise _TooMany


def _check_size(module: nn.Module, name: str, limits: Limits) -> None:
    parameters = [*module.parameters()]  # once: to walk the modules takes a while
    params = sum(parameter.numel() for parameter in parameters)
    size = sum(one.numel() * one.element_size() for one in (*parameters, *module.buffers()))
    rows = [("params", limits.params, params)]
    if limits.bytes is not None or params <= limits.params:  # else they say the same twice
        rows.append(("bytes", limits.most_bytes, size))
    problems = [_excess(what, most, name, count) for what, most, count in rows if count > most]
    if problems:
        raise _too_large(name, problems)


def _excess(what: str, most: int, name: str, count: int | str) -> Problem:
    has = f"{count:,}" if isinstance(count, int) else count
    return Problem((what,), "range", f"must be at most {most:,}; '{name}' has {has}", count)


def _too_large(name: str, problems: list[Problem]) -> LimitError:
    return LimitError(f"'{name}' is larger than the limits allow", problems)
