"""Says what a checkpoint holds, by its headers alone; imports no torch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from typedvision.config.strict_json import parse_json
from typedvision.errors import (
    ConfigError,
    Problem,
    SpecError,
    UsageError,
    WeightsError,
    problem_count,
    shown,
)
from typedvision.registry.backbone import BackboneSpec, parse_spec
from typedvision.registry.spec import ModelSpec
from typedvision.weights.files import read_bytes, to_path
from typedvision.weights.header import MAX_HEADER, TensorInfo, read_header

FORMAT: Final = 1
"""Version of what we write into the metadata of a file."""
FORMAT_KEY: Final = "typedvision.format"
"""Holds `FORMAT`."""
VERSION_KEY: Final = "typedvision.version"
"""Holds the version of the library that wrote the file."""
SPEC_KEY: Final = "typedvision.spec"
"""Holds the spec of the model or the backbone, in its canonical form."""
SPEC_DIGEST_KEY: Final = "typedvision.spec.sha256"
"""Holds the SHA-256 of that text."""
DIGESTS_KEY: Final = "typedvision.tensors.sha256"
"""Holds a JSON object: for each tensor of the file, the SHA-256 of its bytes."""

EXTRA_KEY: Final = "typedvision.extra"
"""Holds a JSON array: the tensors of the file that are not the model's, but the user's own."""

_INDEX_SUFFIX = ".safetensors.index.json"
_FILE_NAME = re.compile(r"[\w-][\w.-]{0,250}\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says of itself."""

    path: Path
    """The file or folder."""
    spec: ModelSpec | BackboneSpec | None
    """The model or the backbone; None where another library wrote the file."""
    version: str | None
    """Version of typedvision that wrote it."""
    tensors: Mapping[str, TensorInfo]
    """Every tensor by its name."""
    digests: Mapping[str, str]
    """SHA-256 of tensors' bytes, where the file has them."""
    size: int
    """Bytes of all files together."""
    extra: tuple[str, ...] = ()
    """Names of the tensors that are not the model's, but the user's own."""

    @property
    def elements(self) -> int:
        """Numbers in all tensors together."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())

    def to_dict(self) -> dict[str, object]:
        """All of it as JSON-ready data."""
        return {
            "path": str(self.path),
            "size": self.size,
            "version": self.version,
            "spec": None if self.spec is None else self.spec.to_dict(),
            "elements": self.elements,
            "tensors": {
                name: {"dtype": tensor.dtype, "shape": list(tensor.shape), "size": tensor.size}
                for name, tensor in self.tensors.items()
            },
        }


def inspect(path: str | PathLike[str]) -> Checkpoint:
    """Read what a checkpoint says of itself: its spec, its tensors and their sizes.

    Args:
        path: a safetensors file; the index (`*.safetensors.index.json`) of a checkpoint in several
            files; or a folder that holds `model.safetensors` or its index.

    Raises:
        WeightsError: the file is not there, is of another kind, or is damaged.
        SpecError: the spec in its header is not valid; paths start at the header's root.
        UsageError: `path` is no path.
    """
    return open_checkpoint(path)


def open_checkpoint(path: str | PathLike[str], *, mmap: bool = True) -> Checkpoint:
    """What `inspect` reads, with a choice of where the tensors' bytes are.

    Args:
        path: what `inspect` takes.
        mmap: map the files; otherwise all of them are read into memory of this process, and what
            becomes of them then does not matter.

    Raises:
        WeightsError: the file is not there, is of another kind, or is damaged.
        SpecError: the spec in its header is not valid; paths start at the header's root.
        UsageError: `path` is no path.
    """
    if type(mmap) is not bool:
        raise UsageError(f"mmap must be True or False; got {shown(mmap)}")
    file = to_path(path)
    if os.path.isdir(file):
        whole, in_parts = file / "model.safetensors", file / f"model{_INDEX_SUFFIX}"
        file = in_parts if os.path.exists(in_parts) and not os.path.exists(whole) else whole
    if file.name.endswith(_INDEX_SUFFIX):
        return _open_index(file, mmap)
    return _open_one(file, mmap)


def _open_one(path: Path, mmap: bool) -> Checkpoint:
    header = read_header(path, mmap=mmap)
    metadata, tensors = header.metadata, header.tensors
    written = metadata.get(FORMAT_KEY)
    if written is None:
        return Checkpoint(path, None, None, tensors, {}, header.size)
    if written != str(FORMAT):
        message = f"must be '{FORMAT}'; '{written[:20]}' needs another version of typedvision"
        raise _damaged(path, FORMAT_KEY, message)
    spec = _read_spec(path, metadata)
    digests = _read_digests(path, metadata, tensors)
    extra = _read_extra(path, metadata, tensors)
    return Checkpoint(path, spec, metadata.get(VERSION_KEY), tensors, digests, header.size, extra)


def _open_index(path: Path, mmap: bool) -> Checkpoint:
    """All files of an index as one checkpoint; each of them holds just what the index says."""
    files: dict[str, set[str]] = {}
    for tensor, file in _weight_map(path).items():
        files.setdefault(file, set()).add(tensor)
    _refuse_outside(path, files)
    parts = [_open_one(path.with_name(file), mmap) for file in files]
    problems = [
        Problem((name,), "value", f"'{file}' and the index do not agree about it")
        for (file, names), part in zip(files.items(), parts, strict=True)
        for name in sorted(names ^ part.tensors.keys())
    ]
    if len({part.spec for part in parts}) > 1:
        problems.append(Problem((), "conflict", "its files are of different models"))
    if problems:
        raise WeightsError(f"'{path}' does not fit its files", problems)
    return Checkpoint(
        path,
        parts[0].spec,
        parts[0].version,
        {name: info for part in parts for name, info in part.tensors.items()},
        {name: digest for part in parts for name, digest in part.digests.items()},
        sum(part.size for part in parts),
    )


def _refuse_outside(path: Path, files: Iterable[str]) -> None:
    """Refuse files of an index that are links out of its folder.

    The cache of `huggingface_hub` is made of links: what it shows under `snapshots/COMMIT` stands
    in the `blobs` of the same repository, and these may be read.
    """
    folder = Path(os.path.realpath(path.parent))
    above = [folder, *folder.parents]
    allowed = {folder}
    allowed |= {one.parents[1] / "blobs" for one in above if one.parent.name == "snapshots"}
    problems = [
        Problem(("weight_map",), "value", f"'{file}' is a link to a file outside of the folder")
        for file in files
        if Path(os.path.realpath(folder / file)).parent not in allowed
    ]
    if problems:
        raise WeightsError(f"{problem_count(len(problems))} in '{path}'", problems)


def _weight_map(path: Path) -> dict[str, str]:
    """For each tensor, the file that holds it, out of an index."""
    try:
        document = parse_json(read_bytes(path, MAX_HEADER), max_bytes=MAX_HEADER)
    except SpecError as error:
        raise WeightsError(f"'{path}' cannot be read", error.problems) from None
    files = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(files, dict) or not files:
        problem = Problem(("weight_map",), "missing", "must say which file holds each tensor")
        raise WeightsError(f"'{path}' is no index", [problem])
    problems = [
        Problem(("weight_map", tensor), "value", "must be a file beside the index", file)
        for tensor, file in files.items()
        if not isinstance(file, str) or not _FILE_NAME.fullmatch(file)
    ]
    if problems:
        raise WeightsError(f"{problem_count(len(problems))} in '{path}'", problems)
    return files


def _read_spec(path: Path, metadata: Mapping[str, str]) -> ModelSpec | BackboneSpec:
    text = metadata.get(SPEC_KEY, "")
    if hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() != metadata.get(
        SPEC_DIGEST_KEY
    ):
        message = f"does not have the SHA-256 that '{SPEC_DIGEST_KEY}' says"
        raise _damaged(path, SPEC_KEY, message)
    try:
        return parse_spec(text)
    except ConfigError as error:
        problems = [
            dataclasses.replace(problem, path=("__metadata__", SPEC_KEY, *problem.path))
            for problem in error.problems
        ]
        raise SpecError(f"the spec in the header of '{path}' is not valid", problems) from None


def _read_digests(
    path: Path, metadata: Mapping[str, str], tensors: Mapping[str, TensorInfo]
) -> dict[str, str]:
    try:
        digests = json.loads(metadata.get(DIGESTS_KEY, "{}"))
    except (ValueError, RecursionError):
        digests = None
    if not isinstance(digests, dict) or set(digests) != set(tensors):
        raise _damaged(path, DIGESTS_KEY, "must hold one digest for each tensor")
    return {name: str(digest) for name, digest in digests.items()}


def _read_extra(
    path: Path, metadata: Mapping[str, str], tensors: Mapping[str, TensorInfo]
) -> tuple[str, ...]:
    try:
        extra = json.loads(metadata.get(EXTRA_KEY, "[]"))
    except (ValueError, RecursionError):
        extra = None
    if not isinstance(extra, list) or not all(
        isinstance(name, str) and name in tensors for name in extra
    ):
        raise _damaged(path, EXTRA_KEY, "must hold names of tensors")
    return tuple(extra)


def _damaged(path: Path, key: str, message: str) -> WeightsError:
    problem = Problem(("__metadata__", key), "value", message)
    return WeightsError(f"the header of '{path}' is damaged", [problem])
