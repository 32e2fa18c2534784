"""A header is read alone, and nothing in it is believed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from typedvision.errors import WeightsError
from typedvision.weights.header import _BITS, MAX_HEADER, read_header
from typedvision.weights.inspect import DIGESTS_KEY, FORMAT_KEY, SPEC_KEY, inspect
from typedvision.weights.save import DTYPES

Blob = Callable[..., Path]
ROW = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def test_reads_what_safetensors_writes(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(7),
        "c": torch.empty(0, 4, dtype=torch.bfloat16),
    }
    path = tmp_path / "x.safetensors"
    save_file(tensors, path, {"note": "hello"})
    header = read_header(path)
    assert header.metadata == {"note": "hello"}
    assert header.size == path.stat().st_size
    found = {name: (info.dtype, info.shape, info.size) for name, info in header.tensors.items()}
    assert found == {"a": ("F32", (2, 3), 24), "b": ("I64", (), 8), "c": ("BF16", (0, 4), 0)}
    data = path.read_bytes()
    start = header.tensors["a"].start
    assert data[start : start + 24] == bytes(tensors["a"].untyped_storage())


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        ({"a": ROW}, bytes(4), "truncated"),
        ({"a": ROW}, bytes(9), "appended"),
        ({"a": ROW, "b": {**ROW, "data_offsets": [4, 12]}}, bytes(12), "overlaps"),
        ({"a": ROW, "b": {**ROW, "data_offsets": [12, 20]}}, bytes(20), "gap"),
        ({"a": {**ROW, "shape": [3]}}, bytes(8), "takes 12 bytes by its shape"),
        ({"a": {**ROW, "shape": [-2]}}, bytes(8), "'shape'"),
        ({"a": {**ROW, "shape": [True, 2]}}, bytes(8), "'shape'"),
        ({"a": {**ROW, "shape": [2.0]}}, bytes(8), "'shape'"),
        ({"a": {**ROW, "shape": [1] * 16 + [2]}}, bytes(8), "'shape'"),
        ({"a": {**ROW, "data_offsets": [0]}}, bytes(8), "'data_offsets'"),
        ({"a": {**ROW, "dtype": "F31"}}, bytes(8), "not known"),
        ({"a": {**ROW, "more": 1}}, bytes(8), "nothing else"),
        ({"a": 3}, b"", "nothing else"),
        ({"__metadata__": {"a": 1}}, b"", "must be a string"),
        ({"__metadata__": []}, b"", "must be an object"),
        ([], b"", "no JSON object"),
        (b'{"a": 1, "a": 2}', b"", "twice"),
        (b'{"a": NaN}', b"", "NaN"),
        (b"{", b"", "is not JSON"),
        (b"[" * 100_000, b"", "nest"),
        (b"\xff", b"", "is not JSON"),
    ],
)
def test_damage_is_named(blob: Blob, header: object, data: bytes, words: str) -> None:
    with pytest.raises(WeightsError, match="header of") as caught:
        read_header(blob(header, data))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"1234", "is not a safetensors file"),
        (bytes(8), "is not a safetensors file"),
        ((2**63).to_bytes(8, "little") + b"{}", "is not a safetensors file"),
        ((MAX_HEADER + 1).to_bytes(8, "little") + b"{}", "is not a safetensors file"),
        ((50).to_bytes(8, "little") + b"{}", "truncated"),
        (b"PK\x03\x04 and so on", "typedvision convert"),
        (b"\x80\x02}q\x00 and so on", "typedvision convert"),
        (b"version https://git-lfs.github.com/spec/v1", "LFS"),
        (b"<!doctype html><html>", "web page"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_header(path)
    assert words in str(caught.value)


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        read_header(tmp_path / "absent")
    with pytest.raises(WeightsError, match=r"model\.safetensors.*No such file"):
        inspect(tmp_path)


def test_inspect_says_what_a_model_file_holds(saved: Path) -> None:
    checkpoint = inspect(saved)
    assert checkpoint.spec is not None
    assert checkpoint.spec.variant == "test_resnet"
    assert checkpoint.tensors["fc.weight"].shape == (5, 96)
    assert checkpoint.size == saved.stat().st_size
    assert checkpoint.elements > 370_000
    assert set(checkpoint.digests) == set(checkpoint.tensors)
    document = json.loads(json.dumps(checkpoint.to_dict()))
    assert document["tensors"]["fc.bias"] == {"dtype": "F32", "shape": [5], "size": 20}


def test_inspect_loads_no_torch(saved: Path) -> None:
    code = (
        "import sys; from typedvision.weights.inspect import inspect;"
        "assert inspect(sys.argv[1]).spec; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, saved], check=False).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'\\"num_classes\\":5', b'\\"num_classes\\":6', "SHA-256"),
        (FORMAT_KEY.encode() + b'":"1"', FORMAT_KEY.encode() + b'":"2"', "another version"),
        (SPEC_KEY.encode() + b'"', SPEC_KEY.encode()[:-1] + b'x"', "SHA-256"),
        (DIGESTS_KEY.encode() + b'"', DIGESTS_KEY.encode()[:-1] + b'x"', "one digest for each"),
    ],
)
def test_changed_notes_are_damage(saved: Path, old: bytes, new: bytes, words: str) -> None:
    content = saved.read_bytes()
    assert content.count(old) == 1
    saved.write_bytes(content.replace(old, new))
    with pytest.raises(WeightsError, match="is damaged") as caught:
        inspect(saved)
    assert words in str(caught.value)


def test_every_known_type_can_be_loaded() -> None:
    assert set(DTYPES) == set(_BITS)
    assert all(dtype.itemsize * 8 == _BITS[name] for name, dtype in DTYPES.items())
