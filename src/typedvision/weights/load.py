"""Load weights into a meta-device model: the file is mapped, and its tensors are assigned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike

import torch
from torch import Tensor, nn

from typedvision.architecture.backbone import Backbone
from typedvision.architecture.build import (
    build_backbone,
    build_model,
    check_dtype,
    resolve_device,
)
from typedvision.architecture.image_model import ImageModel, chosen_seed, describe
from typedvision.architecture.wrapped import body_of, model_or_backbone
from typedvision.config.limits import DEFAULT_LIMITS, Limits
from typedvision.errors import Problem, UsageError, WeightsError, problem_count
from typedvision.layers.init import initialize
from typedvision.layers.shard import copy_part, empty_as, sharded
from typedvision.registry import index
from typedvision.registry.backbone import BackboneSpec
from typedvision.registry.family import Parts
from typedvision.registry.spec import ModelSpec
from typedvision.weights.adapt import adapt
from typedvision.weights.header import TensorInfo
from typedvision.weights.inspect import Checkpoint, open_checkpoint
from typedvision.weights.plan import LoadReport, Plan, TensorKind, make_plan
from typedvision.weights.save import ALIGNMENT, DTYPES, digest


def load_model(
    path: str | PathLike[str],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    limits: Limits = DEFAULT_LIMITS,
    verify: bool = False,
    mmap: bool = True,
) -> ImageModel:
    """The model that `save_model` wrote.

    The tensors are views of the file, read when they are used; memory that is written to is the
    model's own. Replacing the file (as `save_model` does) is safe, changing it in place is not:
    where others may do that, write `mmap=False`.

    Args:
        path: the file.
        device: where the weights shall live; by default PyTorch's default device.
        dtype: type of the weights; by default as they were saved.
        limits: refuse a larger model.
        verify: read everything, and compare it with the digests in the header.
        mmap: map the file; otherwise all of it is read into memory of this process.

    Returns:
        The model in training mode; `model.load_report` says what was loaded.

    Raises:
        WeightsError: the file is not there, is of another kind, is damaged, was not written by
            `save_model`, or holds other tensors than its spec says.
        SpecError: the spec in its header is not valid.
        LimitError: the model is larger than `limits`.
        UsageError: `path` is no path, or there is no such device, or no such type of weights.
    """
    checkpoint = open_checkpoint(path, mmap=mmap)
    if isinstance(checkpoint.spec, BackboneSpec):
        raise WeightsError(f"'{path}' holds a backbone: write load_backbone({str(path)!r})")
    if checkpoint.spec is None:
        raise WeightsError(
            f"'{path}' does not say what model it is: "
            f"write create_model(NAME, checkpoint_path={str(path)!r})"
        )
    place = resolve_device(device)
    check_dtype(dtype)
    model = build_model(checkpoint.spec, limits)
    fill(model, checkpoint, None, device=place, dtype=dtype, verify=verify)
    return model


def load_backbone(
    path: str | PathLike[str],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    limits: Limits = DEFAULT_LIMITS,
    verify: bool = False,
    mmap: bool = True,
) -> Backbone[ImageModel]:
    """Load the backbone that `save_model` wrote.

    The tensors are views of the file, read when they are used; memory that is written to is the
    backbone's own. Replacing the file (as `save_model` does) is safe, changing it in place is not.

    Args:
        path: the file.
        device: where the weights shall live; by default PyTorch's default device.
        dtype: type of the weights; by default as they were saved.
        limits: refuse a larger backbone.
        verify: read everything, and compare it with the digests in the header.
        mmap: map the file; otherwise all of it is read into memory of this process.

    Returns:
        The backbone in training mode; `backbone.load_report` says what was loaded.

    Raises:
        WeightsError: the file is not there, is of another kind, is damaged, holds no backbone, or
            holds other tensors than its spec says.
        SpecError: the spec in its header is not valid.
        LimitError: the backbone is larger than `limits`.
        UsageError: `path` is no path, or there is no such device, or no such type of weights.
    """
    checkpoint = open_checkpoint(path, mmap=mmap)
    if not isinstance(checkpoint.spec, BackboneSpec):
        raise WeightsError(
            f"'{path}' holds no backbone: "
            f"write create_backbone(NAME, checkpoint_path={str(path)!r})"
        )
    place = resolve_device(device)
    check_dtype(dtype)
    backbone = build_backbone(checkpoint.spec, limits)
    fill(backbone.model, checkpoint, None, device=place, dtype=dtype, verify=verify)
    return backbone


def load_weights(
    model: ImageModel | Backbone[ImageModel],
    path: str | PathLike[str],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
    mmap: bool = True,
) -> None:
    """Load the weights of a checkpoint into a meta-device model, adapted to its options.

    Where FSDP2's `fully_shard` has split the model among processes, each process calls this and
    reads its own part of the file.

    Args:
        model: what `create_model(..., device="meta")` or `create_backbone` made; it stays
            on the meta device where this fails. Its `load_report` says what was loaded, and what
            was adapted.
        path: a safetensors file, the index of several, or their folder.
        device: where the weights shall live; by default that of the mesh where the model is
            split, and PyTorch's default device where it is not.
        dtype: type of the weights; by default that of the model, or those of the file where the
            model has several.
        seed: seed of the reinitialised tensors, equal in each process; by default PyTorch's
            generator draws it.
        mmap: map the file; otherwise all of it is read into memory of this process.

    Raises:
        UsageError: the model is not a meta-device model that the factory made, or is split in
            another way than by FSDP2 on a mesh of one dimension; or the device or the type of
            weights is not valid.
        WeightsError: the file is not there, is of another kind, is damaged, or does not fit.
        SpecError: the spec in its header is not valid.
    """
    model = model_or_backbone(model, "load_weights")
    body = body_of(model)
    if not all(parameter.is_meta for parameter in body.parameters()):
        raise UsageError(
            f"this {type(model).__name__} has weights: load_weights takes a meta-device model, "
            "create_model(device='meta')"
        )
    check_dtype(dtype)
    parts = [part for tensor in body.parameters() if (part := sharded(tensor)) is not None]
    if device is None and parts:
        device = parts[0].device_mesh.device_type
    fill(
        body,
        open_checkpoint(path, mmap=mmap),
        index.family(body.spec.family).parts(body.spec.config),
        device=resolve_device(device),
        dtype=dtype or _common_dtype(body.state_dict()),
        seed=seed,
    )


def fill(
    model: ImageModel,
    checkpoint: Checkpoint,
    parts: Parts | None,
    *,
    device: torch.device,
    dtype: torch.dtype | None,
    seed: int | None = None,
    verify: bool = False,
    source: str | None = None,
) -> None:
    """Load the weights of a checkpoint, and the names of its classes, into a meta-device model.

    Args:
        model: the meta-device model; it stays one where `device` is meta, or where this fails.
        checkpoint: what `inspect` said of the file.
        parts: what may be adapted; None where the checkpoint must fit as it is. Otherwise it may
            have the layers that a backbone leaves out.
        device: where the weights shall live.
        dtype: type of the weights; None keeps that of the checkpoint.
        seed: seed of the reinitialised tensors; by default PyTorch's generator draws it.
        verify: compare what is read with the digests of the checkpoint.
        source: where the weights are from, in words; by default the checkpoint's path.

    Raises:
        WeightsError: the checkpoint does not fit, or its tensors are not as its digests say.
    """
    source = source or str(checkpoint.path)
    seed = chosen_seed(seed)
    wanted = model.state_dict()
    plan = make_plan(
        {key: TensorKind(tuple(t.shape), t.is_floating_point()) for key, t in wanted.items()},
        {
            name: TensorKind(info.shape, info.dtype.startswith(_FLOATING))
            for name, info in checkpoint.tensors.items()
            if name not in checkpoint.extra
        },
        parts,
        model.left_out if parts else (),
        model=f"'{model.spec.subject}'",
        source=f"'{source}'",
    )
    report = _report(plan, source, checkpoint.extra)
    if device.type != "meta":
        tensors = _read(checkpoint, plan, wanted, device, dtype, verify)
        fresh = _unset(model, tensors, device, dtype or _common_dtype(tensors))
        _assign(model, tensors | fresh)
        if fresh:
            initialize(model, seed, model.initializers, only=fresh)
    elif dtype is not None:
        model.to(dtype)
    model.load_report = report
    _take_names(model, checkpoint.spec)


_FLOATING = ("F", "BF")  # first letters of the format's names of floating-point types
_SMALL = 65_536


def _read(
    checkpoint: Checkpoint,
    plan: Plan,
    wanted: Mapping[str, Tensor],
    device: torch.device,
    dtype: torch.dtype | None,
    verify: bool,
) -> dict[str, Tensor]:
    """The tensors of a plan, by the model's keys."""
    tensors: dict[str, Tensor] = {}
    problems: list[Problem] = []
    for key, name in plan.sources.items():
        tensor, target = _mapped(checkpoint.tensors[name]), wanted[key]
        in_parts = sharded(target) is not None
        used_whole = key in plan.adapted or not in_parts
        if used_whole and not _lies_well(tensor, ours=checkpoint.spec is not None):
            tensor = tensor.clone()
        if verify and name in checkpoint.digests and digest(tensor) != checkpoint.digests[name]:
            problems.append(Problem((name,), "value", "is not what was saved"))
        if key in plan.adapted:
            tensor = adapt(tensor, plan.adapted[key], target.shape)
        kind = dtype if dtype and tensor.is_floating_point() else tensor.dtype
        if in_parts:
            tensors[key] = torch.empty_like(target, device=device, dtype=kind)
            copy_part(tensors[key], tensor)
        else:
            tensors[key] = tensor.to(device, kind)
    if problems:
        count = problem_count(len(problems))
        raise WeightsError(f"{count} in the tensors of '{checkpoint.path}'", problems)
    return tensors


def _mapped(info: TensorInfo) -> Tensor:
    """A tensor where it lies in its file: nothing is read yet."""
    dtype, count = DTYPES[info.dtype], math.prod(info.shape)
    if count == 0:
        return torch.empty(info.shape, dtype=dtype)
    flat = torch.frombuffer(info.file, dtype=dtype, count=count, offset=info.start)
    return flat.reshape(info.shape)


def _lies_well(tensor: Tensor, *, ours: bool) -> bool:
    """Whether a mapped tensor can be used where it lies.

    In files of ours almost all do, and the rest is copied, so that a loaded model computes what
    the saved one did, to the last bit. In others' files almost none would: there we ask no more
    than that every element lies well, and copy only what costs nothing.
    """
    if tensor.data_ptr() % ALIGNMENT == 0:
        return True
    return not ours and tensor.nbytes > _SMALL and tensor.data_ptr() % tensor.element_size() == 0


def _unset(
    model: ImageModel,
    tensors: Mapping[str, Tensor],
    device: torch.device,
    dtype: torch.dtype | None,
) -> dict[str, Tensor]:
    """Memory for the tensors of a model that no checkpoint gives."""
    return {
        key: empty_as(old, device, dtype if old.is_floating_point() else None)
        for key, old in (
            *model.named_parameters(remove_duplicate=False),
            *model.named_buffers(remove_duplicate=False),
        )
        if key not in tensors
    }


def _assign(model: ImageModel, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors into a meta-device model, in the place of its own."""
    for path, module in model.named_modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, old in own:
            new = tensors[f"{path}.{name}" if path else name]
            # What setattr does after it has looked whether the name is free.
            if isinstance(old, nn.Parameter):
                module._parameters[name] = nn.Parameter(new, old.requires_grad)
            else:
                module._buffers[name] = new


def _common_dtype(tensors: Mapping[str, Tensor]) -> torch.dtype | None:
    """The floating-point type of all tensors; None where they have several."""
    dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    return dtypes.pop() if len(dtypes) == 1 else None


def _take_names(model: ImageModel, saved: ModelSpec | BackboneSpec | None) -> None:
    """Names of classes come with the classifier that they are of, where the spec has none."""
    spec = model.spec
    if spec.class_names is None and not model.left_out and isinstance(saved, ModelSpec):
        names = saved.class_names or ()
        if len(names) == spec.config.num_classes > 0:
            describe(model, spec.replace(class_names=names))


def _report(plan: Plan, source: str, extra: Sequence[str]) -> LoadReport:
    return LoadReport(
        source=source,
        matched=tuple(key for key in plan.sources if key not in plan.adapted),
        adapted={key: adaptation.text for key, adaptation in plan.adapted.items()},
        initialised=plan.initialised,
        dropped={**plan.dropped, **dict.fromkeys(extra, "the user's own")},
    )
