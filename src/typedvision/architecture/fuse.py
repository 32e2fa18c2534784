"""`fuse`: a model in its inference form."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from typedvision.architecture.build import build_model
from typedvision.architecture.image_model import ImageModel, check_whole
from typedvision.config.limits import ANY_SIZE
from typedvision.errors import Problem, UsageError, shown
from typedvision.layers.fuse import Fusable, fold_norms
from typedvision.registry.spec import ModelSpec

ModelT = TypeVar("ModelT", bound=ImageModel)


@torch.no_grad()
def fuse(model: ModelT, *, norms: bool = True) -> ModelT:
    """A model that computes in evaluation mode what this one does, with fewer layers.

    Networks such as RepVGG train with parallel branches that one convolution can replace, and most
    convolutional networks have batch normalisations that the convolution before them can take in:
    the inference form is faster and smaller, and trains worse. The model that is given stays as it
    is; the fused one shares no tensor with it, and is in evaluation mode.

    Branches are an option of the config: where they alone are fused, the spec of the result says
    `inference_mode=True`, and it is saved and loaded as what it is. Where normalisations are
    folded, its tensors are no longer those of its spec: it runs and is exported, but not saved.

        fused = tv.fuse(model)
        fused = tv.fuse(model, norms=False)  # which can be saved

    Args:
        model: a model with its weights.
        norms: whether batch normalisations are folded too, and not the branches alone.

    Raises:
        UsageError: there is nothing to fuse, the model is on the meta device, or belongs to a
            backbone.
    """
    if not isinstance(model, ImageModel):
        raise UsageError(f"fuse takes a model of this library; got {shown(model)}")
    check_whole(model)
    if not norms:
        return _branches_fused(model)
    fused, changed = _fused(model)
    if not changed:
        message = "has no branches to fuse, and no batch normalisation to fold"
        raise UsageError(
            f"'{model.spec.subject}' is fused as far as it goes: use it as it is",
            [Problem(("model",), "value", message)],
        )
    return fused


@torch.no_grad()
def inference_form(model: ModelT) -> ModelT:
    """A copy of a model in evaluation mode, fused as far as it goes."""
    return _fused(model)[0]


def _fused(model: ModelT) -> tuple[ModelT, bool]:
    """The copy, and whether anything in it is fused."""
    branches = getattr(model.spec.config, "inference_mode", None) is False
    fused = _branches_fused(model) if branches else deepcopy(model).eval()
    gone = fold_norms(fused)
    return fused, branches or bool(gone)


def _branches_fused(model: ModelT) -> ModelT:
    fused = build_model(_fused_spec(model.spec), ANY_SIZE)
    assert isinstance(fused, type(model))  # one family has one class of models
    _fill(fused, dict(_tensors(model, "")))
    return fused.eval()


def _fused_spec(spec: ModelSpec) -> ModelSpec:
    """The spec of a model whose branches are fused.

    Raises:
        UsageError: there is none, or this is it.
    """
    is_fused = getattr(spec.config, "inference_mode", None)
    if is_fused is None:
        message = f"'{spec.family}' has no option 'inference_mode': it has no branches to fuse"
        raise UsageError(
            f"'{spec.subject}' has no branches: use it as it is, or with norms=True",
            [Problem(("model",), "value", message)],
        )
    if is_fused:
        message = "has 'inference_mode' = True: use it as it is"
        raise UsageError(
            f"the branches of '{spec.subject}' are fused", [Problem(("model",), "value", message)]
        )
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
