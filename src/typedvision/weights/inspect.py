"""Says what a checkpoint holds, by its headers alone; imports no torch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from typedvision.config.strict_json import parse_json
from typedvision.errors import ConfigError, Problem, SpecError, WeightsError, problem_count
from typedvision.registry.backbone import BackboneSpec, parse_spec
from typedvision.registry.spec import ModelSpec
from typedvision.weights.header import MAX_HEADER, TensorInfo, read_bytes, read_header

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
    """
    file = Path(path)
    if file.is_dir():
        whole, in_parts = file / "model.safetensors", file / f"model{_INDEX_SUFFIX}"
        file = in_parts if in_parts.is_file() and not whole.is_file() else whole
    return _inspect_index(file) if file.name.endswith(_INDEX_SUFFIX) else _inspect_file(file)


def _inspect_file(path: Path) -> Checkpoint:
    header = read_header(path)
    metadata, tensors = header.metadata, header.tensors
    written = metadata.get(FORMAT_KEY)
    if written is None:
        return Checkpoint(path, None, None, tensors, {}, header.size)
    if written != str(FORMAT):
        message = f"must be '{FORMAT}'; '{written[:20]}' needs another version of typedvision"
        raise _damaged(path, FORMAT_KEY, message)
    spec = _read_spec(path, metadata)
    digests = _read_digests(path, metadata, tensors)
    return Checkpoint(path, spec, metadata.get(VERSION_KEY), tensors, digests, header.size)


def _inspect_index(path: Path) -> Checkpoint:
    """All files of an index as one checkpoint; each of them holds just what the index says."""
    files: dict[str, set[str]] = {}
    for tensor, file in _weight_map(path).items():
        files.setdefault(file, set()).add(tensor)
    parts = [_inspect_file(path.with_name(file)) for file in files]
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


def _damaged(path: Path, key: str, message: str) -> WeightsError:
    problem = Problem(("__metadata__", key), "value", message)
    return WeightsError(f"the header of '{path}' is damaged", [problem])
