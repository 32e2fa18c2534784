"""Reads the header of a safetensors file: what is in it, without reading what is in it.

The layout: eight bytes with the header's length, the header as JSON, then the tensors' bytes one
after the other (https://huggingface.co/docs/safetensors). All of it is checked, so that whoever
maps the file finds every tensor where the header says.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from mmap import ACCESS_COPY
from mmap import mmap as Memory
from pathlib import Path

from typedvision.config.strict_json import parse_json
from typedvision.errors import Problem, SpecError, WeightsError, problem_count
from typedvision.weights.files import open_file

MAX_HEADER = 16 * 2**20
"""Longest header that is read, in bytes: about 100,000 tensors."""
_MAX_RANK = 16
_LENGTH_BYTES = 8

_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}
"""Bits of one element, by the format's name for its type."""

_OTHER_FORMATS = {
    b"PK\x03\x04": "a PyTorch pickle: convert it to safetensors by `typedvision convert`",
    b"\x80": "a pickle: convert it to safetensors by `typedvision convert`",
    b"version ": "a Git LFS pointer: fetch the file that it stands for",
    b"<": "a web page: the download was answered by something else",
}
"""What people have in a file of the wrong kind, by its first bytes."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a header says of one tensor."""

    dtype: str
    """Type of an element, as the format names it: `F32`, `BF16`, `I64`."""
    shape: tuple[int, ...]
    """Length of each dimension."""
    size: int
    """Bytes."""
    start: int
    """Offset of its first byte in the file."""
    file: Memory = field(repr=False, compare=False)
    """The file, mapped or read into memory; what is written there stays in this process."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says of itself."""

    tensors: Mapping[str, TensorInfo]
    """Every tensor by its name."""
    metadata: Mapping[str, str]
    """The writer's own notes."""
    size: int
    """Bytes of the file."""


def read_header(path: Path, *, mmap: bool = True) -> Header:
    """Read and check the header of a safetensors file.

    Args:
        path: the file.
        mmap: map the tensors' bytes; otherwise all of them are read into memory of this process.

    Raises:
        WeightsError: the file is not there, is no ordinary file, is of another kind, or is damaged.
    """
    with open_file(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            start = file.read(_LENGTH_BYTES)
            length = int.from_bytes(start, "little")
            if size == 0:
                raise WeightsError(f"'{path}' is empty")
            if size < _LENGTH_BYTES or not 0 < length <= min(MAX_HEADER, size - _LENGTH_BYTES):
                raise WeightsError(f"'{path}' {_not_safetensors(start, length, size)}")
            text = file.read(length)
            # Tensors are read through this: another file may come in the place of the open one.
            data = _mapped(file) if mmap else _read(file, size)
        except OSError as error:
            raise WeightsError(f"'{path}' cannot be read: {error.strerror or error}") from error
    try:
        document = parse_json(text, max_bytes=MAX_HEADER)
    except SpecError as error:
        raise WeightsError(f"the header of '{path}' cannot be read", error.problems) from None
    if not isinstance(document, dict):
        raise WeightsError(f"the header of '{path}' is no JSON object")
    metadata = document.pop("__metadata__", {})
    problems = _metadata_problems(metadata)
    tensors, rows = _read_tensors(document, data, _LENGTH_BYTES + length)
    problems += rows
    if problems:
        summary = f"{problem_count(len(problems))} in the header of '{path}'"
        raise WeightsError(summary, problems)
    return Header(tensors, metadata, size)


def _mapped(file: BufferedReader) -> Memory:
    try:
        return Memory(file.fileno(), 0, access=ACCESS_COPY)
    except ValueError as error:  # it has become empty
        raise OSError(str(error)) from error


def _read(file: BufferedReader, size: int) -> Memory:
    """The whole file in memory of this process, which starts at a page as a map does."""
    data = Memory(-1, size, access=ACCESS_COPY)  # private, as a map is
    file.seek(0)
    if file.readinto(data) != size:
        raise OSError("it became shorter while it was read")
    return data


def _not_safetensors(start: bytes, length: int, size: int) -> str:
    for prefix, kind in _OTHER_FORMATS.items():
        if start.startswith(prefix):
            return f"is not a safetensors file but {kind}"
    if _LENGTH_BYTES <= size < length <= MAX_HEADER:
        return f"ends after {size} bytes, inside of its header: it is truncated"
    return "is not a safetensors file"


def _metadata_problems(metadata: object) -> list[Problem]:
    path = ("__metadata__",)
    if not isinstance(metadata, dict):
        return [Problem(path, "type", "must be an object", metadata)]
    return [
        Problem((*path, key), "type", "must be a string", value)
        for key, value in metadata.items()
        if not isinstance(value, str)
    ]


def _read_tensors(
    document: Mapping[str, object], file: Memory, data_start: int
) -> tuple[dict[str, TensorInfo], list[Problem]]:
    tensors: dict[str, TensorInfo] = {}
    spans: list[tuple[int, int, str]] = []
    problems: list[Problem] = []
    for name, row in document.items():
        found = _read_row(row)
        if isinstance(found, str):
            problems.append(Problem((name,), "value", found, row))
            continue
        dtype, shape, start, end = found
        tensors[name] = TensorInfo(dtype, shape, end - start, data_start + start, file)
        spans.append((start, end, name))
    position = 0
    for start, end, name in sorted(spans):
        if start != position:
            what = "overlaps another" if start < position else "leaves a gap"
            problems.append(Problem((name, "data_offsets"), "value", f"{what} at byte {start}"))
        position = end
    data_size = len(file) - data_start
    if not problems and position != data_size:
        what = "it is truncated" if position > data_size else "something was appended to it"
        message = f"the tensors take {position} bytes, the file has {data_size}: {what}"
        problems.append(Problem((), "length", message))
    return tensors, problems


def _read_row(row: object) -> tuple[str, tuple[int, ...], int, int] | str:
    """Type, shape, start and end of one tensor, or what is wrong with it."""
    if not isinstance(row, dict) or set(row) != {"dtype", "shape", "data_offsets"}:
        return "must have 'dtype', 'shape' and 'data_offsets', and nothing else"
    dtype, shape, offsets = row["dtype"], row["shape"], row["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        return f"has a type that is not known: {str(dtype)[:60]!r}"
    if not _is_sizes(shape) or len(shape) > _MAX_RANK:
        return f"must have a 'shape' of at most {_MAX_RANK} sizes"
    if not _is_sizes(offsets) or len(offsets) != 2:
        return "must have two 'data_offsets'"
    start, end = offsets
    size = math.prod(shape) * _BITS[dtype] // 8
    if end - start != size:
        return f"takes {size} bytes by its shape and {end - start} by its offsets"
    return dtype, tuple(shape), start, end


def _is_sizes(value: object) -> bool:
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item < 2**63 for item in value
    )
