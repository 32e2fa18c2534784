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
from torch import Tensor

from typedvision._version import __version__
from typedvision.architecture.backbone import Backbone
from typedvision.architecture.image_model import ImageModel, check_whole
from typedvision.errors import UsageError
from typedvision.registry.document import Document
from typedvision.weights.files import replace_file, to_path
from typedvision.weights.inspect import (
    DIGESTS_KEY,
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
    model: ImageModel | Backbone[ImageModel],
    path: str | PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
) -> None:
    """Write a model's weights and its spec into one safetensors file.

    A backbone's tensors have the model's keys; `load_backbone` reads it.

    The file is written beside and then renamed: at any moment `path` holds the old file or the new
    one, whole. A model that maps the old file keeps it.

    Args:
        model: a model or a backbone that the factory made; on any device, in any dtype.
        path: the file, usually `*.safetensors`; its folder must exist.
        class_names: a name for each class, which the saved spec has from now on; by default those
            that the model's spec has.

    Raises:
        UsageError: the model is none of ours, is on the meta device, or is that of a backbone.
        ConfigError: there are more or fewer names than classes, or one is not as it should be.
        WeightsError: the file cannot be written; what was at `path` is as it was.
    """
    body = model.model if isinstance(model, Backbone) else model
    if not isinstance(body, ImageModel):
        kind = type(model).__name__
        raise UsageError(f"save_model takes what create_model or create_backbone made; got {kind}")
    if body is model:
        check_whole(body)
    spec = model.spec
    if class_names is not None:
        spec = spec.replace(class_names=class_names)
    tensors = {key: _on_cpu(tensor) for key, tensor in body.state_dict().items()}
    metadata = {
        "format": "pt",  # other libraries look for it
        **spec_notes(spec),
        DIGESTS_KEY: json.dumps(_digests(tensors), sort_keys=True),
    }
    replace_file(to_path(path), lambda draft: write_file(draft, tensors, metadata))


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
        path: the file; it must not exist.
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
    with path.open("xb") as file:
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
    if tensor.is_meta:
        raise UsageError("a model on the meta device has no weights to save")
    return tensor.detach().cpu().contiguous()
