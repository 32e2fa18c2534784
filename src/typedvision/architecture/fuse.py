"""`fuse`: a model in its inference form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from typedvision.architecture.build import build_model
from typedvision.architecture.image_model import ImageModel, check_whole
from typedvision.config.limits import ANY_SIZE
from typedvision.errors import Problem, UsageError, shown
from typedvision.layers.fuse import Fusable
from typedvision.registry.spec import ModelSpec

ModelT = TypeVar("ModelT", bound=ImageModel)


@torch.no_grad()
def fuse(model: ModelT) -> ModelT:
    """A model that computes in evaluation mode what this one does, with fewer layers.

    Networks such as RepVGG train with parallel branches that one convolution can replace: the
    inference form is faster and smaller, and trains worse. Its spec says `inference_mode=True`, so
    that it is built, saved and loaded as what it is. The model that is given stays as it is; the
    fused one shares no tensor with it, and is in evaluation mode.

        fused = tv.fuse(model)
        tv.save_model(fused, "fused.safetensors")

    Args:
        model: a model whose config has the option `inference_mode`, with its weights.

    Raises:
        UsageError: the model has no branches to fuse, or is fused already, or belongs to a
            backbone.
    """
    if not isinstance(model, ImageModel):
        raise UsageError(f"fuse takes a model of this library; got {shown(model)}")
    check_whole(model)
    spec = _fused_spec(model.spec)
    fused = build_model(spec, ANY_SIZE)
    assert isinstance(fused, type(model))  # one family has one class of models
    _fill(fused, dict(_tensors(model, "")))
    return fused.eval()


def _fused_spec(spec: ModelSpec) -> ModelSpec:
    """The spec of the inference form.

    Raises:
        UsageError: there is none, or this is it.
    """
    is_fused = getattr(spec.config, "inference_mode", None)
    if is_fused is None:
        message = f"'{spec.family}' has no option 'inference_mode': there is nothing to fuse"
        raise UsageError(
            f"'{spec.subject}' has no inference form: use it as it is",
            [Problem(("model",), "value", message)],
        )
    if is_fused:
        message = "has 'inference_mode' = True: use it as it is"
        raise UsageError(f"'{spec.subject}' is fused", [Problem(("model",), "value", message)])
    return spec.with_options(inference_mode=True)


def _tensors(module: nn.Module, path: str) -> Iterator[tuple[str, Tensor]]:
    """Copies of all tensors of a module's inference form, with their keys; `path` ends in a dot."""
    if isinstance(module, Fusable):
        module = module.fused()
    for name, tensor in (
        *module.named_parameters(recurse=False),
        *module.named_buffers(recurse=False),
    ):
        yield f"{path}{name}", tensor.detach().clone()
    for name, child in module.named_children():
        yield from _tensors(child, f"{path}{name}.")


def _fill(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Give a meta-device model these tensors: every one, and no other.

    Raises:
        LookupError: the tensors are not the model's: a mistake of the family, not of the caller.
    """
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for name, parameter in [*module.named_parameters(recurse=False)]:
            values = _taken(tensors, f"{prefix}{name}", parameter)
            setattr(module, name, nn.Parameter(values, parameter.requires_grad))
        for name, buffer in [*module.named_buffers(recurse=False)]:
            setattr(module, name, _taken(tensors, f"{prefix}{name}", buffer))
    if tensors:
        raise LookupError(f"the inference form has no {', '.join(tensors)}")


def _taken(tensors: dict[str, Tensor], key: str, place: Tensor) -> Tensor:
    tensor = tensors.pop(key, None)
    if tensor is None or tensor.shape != place.shape:
        raise LookupError(f"fusing gives no {key} of shape {tuple(place.shape)}")
    return tensor
