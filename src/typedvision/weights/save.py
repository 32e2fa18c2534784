"""Writes a model as one safetensors file that says what it is."""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor
from torch.nn import Buffer, Parameter

from typedvision._version import __version__
from typedvision.architecture.backbone import Backbone
from typedvision.architecture.build import build_backbone, build_model
from typedvision.architecture.image_model import ImageModel, check_whole
from typedvision.architecture.wrapped import (
    Wrapped,
    body_of,
    model_or_backbone,
    plain_key,
    unwrapped,
)
from typedvision.config.image import ImageSpec
from typedvision.config.limits import ANY_SIZE
from typedvision.errors import UsageError, WeightsError
from typedvision.layers.shard import sharded
from typedvision.registry import index
from typedvision.registry.backbone import BackboneSpec
from typedvision.registry.document import Document
from typedvision.registry.spec import ModelSpec
from typedvision.weights.contents import extra_tensors
from typedvision.weights.files import replace_file, to_path
from typedvision.weights.inspect import (
    DIGESTS_KEY,
    EXTRA_KEY,
    FORMAT,
    FORMAT_KEY,
    SPEC_DIGEST_KEY,
    SPEC_KEY,
    VERSION_KEY,
)

ALIGNMENT = 64
"""Bytes; what PyTorch's own allocator gives."""

DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "U16": torch.uint16,
    "U32": torch.uint32,
    "U64": torch.uint64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""The types that a tensor can have, by the format's names for them."""
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def save_model(
    model: Wrapped,
    path: str | PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    image: ImageSpec | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
    allow_extra: bool = False,
) -> None:
    """Write a model's weights and its spec into one safetensors file.

    A backbone's tensors have the model's keys; `load_backbone` reads it. A model inside of
    `torch.compile`, `DistributedDataParallel` or `AveragedModel` is saved as it is inside. Where
    FSDP2's `fully_shard` has split it among processes, each process calls this, and the first one
    writes what all of them hold.

    The file is written beside and then renamed: at any moment `path` holds the old file or the new
    one, whole. A model that maps the old file keeps it.

    Args:
        model: a model or a backbone that the factory made; on any device, in any dtype.
        path: the file, usually `*.safetensors`; its folder must exist.
        class_names: a name for each class, which the saved spec has; by default those that the
            model's spec has.
        image: what the saved spec says of the input image, such as the size that the model was
            fine-tuned at: `model.spec.image.replace(size=(64, 64))`; by default the model's.
        metadata: the user's own keys of the saved spec; by default the model's.
        allow_extra: whether the model may have layers of the user's own, whose tensors go into the
            file too. `load_model` gives the model of the spec without them, and without a
            classifier where they replace it; any reader of safetensors gives them.

    Raises:
        UsageError: the model is none of ours, is on the meta device, is that of a backbone, is
            quantised, has other tensors than its spec says, or does not take such images.
        ConfigError: there are more or fewer names than classes, or one is not as it should be.
        WeightsError: the file cannot be written; what was at `path` is as it was.
    """
    model = model_or_backbone(unwrapped(model), "save_model")
    body = body_of(model)
    if body is model:
        check_whole(body)
    spec = model.spec
    said = {"class_names": class_names, "image": image, "metadata": metadata}
    changed = {name: value for name, value in said.items() if value is not None}
    if changed and isinstance(spec, BackboneSpec):
        spec = spec.replace(model=spec.model.replace(**changed))
    elif changed:
        spec = spec.replace(**changed)
    target = to_path(path)
    bare = _bare(model.spec)
    if image is not None and image.size != body.spec.image.size:
        _check_size(image, bare)
    tensors = {plain_key(key): tensor for key, tensor in body.state_dict().items()}
    classifier = index.family(body.spec.family).parts(body.spec.config).classifier
    wanted = body_of(bare).state_dict()
    extra = extra_tensors(
        tensors, wanted, classifier, subject=body.spec.subject, allow_extra=allow_extra
    )
    if isinstance(spec, ModelSpec) and not wanted.keys() <= tensors.keys():
        spec = spec.with_options(num_classes=0)  # the user's own layers are the classifier
    for key, tensor in tensors.items():
        _check_plain(key, tensor)
    if any(sharded(tensor) is not None for tensor in tensors.values()):
        _write_together(target, tensors, spec, extra)
    else:
        _write(target, {key: _on_cpu(tensor) for key, tensor in tensors.items()}, spec, extra)


def _bare(spec: ModelSpec | BackboneSpec) -> ImageModel | Backbone[ImageModel]:
    """The model of a spec, on the meta device."""
    if isinstance(spec, BackboneSpec):
        return build_backbone(spec, ANY_SIZE)
    return build_model(spec, ANY_SIZE)


def _check_size(image: ImageSpec, bare: ImageModel | Backbone[ImageModel]) -> None:
    """Refuse a size of images that the model, on the meta device, does not take."""
    x = torch.empty(1, body_of(bare).spec.config.in_chans, *image.size, device="meta")
    try:
        with torch.no_grad():
            bare.eval()(x)
    except (UsageError, RuntimeError) as error:
        reason = error.summary if isinstance(error, UsageError) else str(error)
        raise UsageError(f"no image of {image.size} pixels can be the model's: {reason}") from None


def _check_plain(key: str, tensor: Tensor) -> None:
    if tensor.is_meta:
        raise UsageError("a model on the meta device has no weights to save")
    if tensor.dtype not in _NAMES or type(tensor) not in (Tensor, Parameter, Buffer):
        if sharded(tensor) is not None:
            return
        raise UsageError(
            f"'{key}' is a {type(tensor).__name__} of {tensor.dtype}, which no file of weights "
            "holds: save the model before it is quantised or otherwise converted"
        )


def _write(
    target: Path, tensors: Mapping[str, Tensor], spec: Document, extra: Sequence[str]
) -> None:
    metadata = {
        "format": "pt",  # other libraries look for it
        **spec_notes(spec),
        DIGESTS_KEY: json.dumps(_digests(tensors), sort_keys=True),
    }
    if extra:
        metadata[EXTRA_KEY] = json.dumps(extra)
    replace_file(target, lambda draft: write_file(draft, tensors, metadata))


def _write_together(
    target: Path, tensors: Mapping[str, Tensor], spec: Document, extra: Sequence[str]
) -> None:
    """Gather tensors that processes hold in parts; the first process writes all of them.

    Raises:
        WeightsError: it could not, in each process.
    """
    import torch.distributed as dist

    first, whole = dist.get_rank() == 0, dict[str, Tensor]()
    for key, tensor in tensors.items():
        part = sharded(tensor)
        gathered = tensor if part is None else part.full_tensor()
        if first:
            whole[key] = _on_cpu(gathered)
    failure: list[str | None] = [None]
    if first:
        try:
            _write(target, whole, spec, extra)
        except WeightsError as error:
            failure = [error.summary]
    dist.broadcast_object_list(failure, src=0)
    if failure[0] is not None:
        raise WeightsError(failure[0])


def spec_notes(spec: Document) -> dict[str, str]:
    """What every file that we write says of its model."""
    text = spec.canonical()
    return {
        FORMAT_KEY: str(FORMAT),
        VERSION_KEY: __version__,
        SPEC_KEY: text,
        SPEC_DIGEST_KEY: hashlib.sha256(text.encode()).hexdigest(),
    }


def digest(tensor: Tensor) -> str:
    """SHA-256 of the bytes of a contiguous tensor on the CPU, in hexadecimal."""
    return hashlib.sha256(_memory(tensor)).hexdigest()


def write_file(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, in which nearly every tensor starts at a multiple of `ALIGNMENT`.

    A matrix product depends in its last bit on where its operands lie. As the format allows no
    gaps, the tensors of odd sizes, which are few and small, come last.

    Args:
        path: the file; one that is there is overwritten.
        tensors: contiguous tensors on the CPU.
        metadata: the notes of the header.

    Raises:
        OSError: the file cannot be written.
    """
    order = sorted(tensors, key=lambda key: (tensors[key].nbytes % ALIGNMENT != 0, key))
    document: dict[str, object] = {"__metadata__": metadata}
    position = 0
    for key in order:
        tensor = tensors[key]
        offsets = [position, position + tensor.nbytes]
        dtype = _NAMES[tensor.dtype]
        document[key] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        position += tensor.nbytes
    header = json.dumps(document, separators=(",", ":")).encode()
    header += b" " * (-(8 + len(header)) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for key in order:
            file.write(_memory(tensors[key]))


def _memory(tensor: Tensor) -> ctypes.Array[ctypes.c_ubyte]:
    """The bytes of a contiguous tensor on the CPU, not copied."""
    return (ctypes.c_ubyte * tensor.nbytes).from_address(tensor.data_ptr())


def _digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
        return dict(zip(tensors, pool.map(digest, tensors.values()), strict=True))


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
