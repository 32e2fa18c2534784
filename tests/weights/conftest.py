"""A small model, its file, and ways to write safetensors files that no library would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import typedvision as tv

Blob = Callable[..., Path]


@pytest.fixture(scope="session")
def model() -> tv.ImageModel:
    return tv.create_model("test_resnet", num_classes=5, seed=1).eval()


@pytest.fixture
def saved(model: tv.ImageModel, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tv.save_model(model, path)
    return path


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    """Writes a file of a header (an object, or raw bytes) and data."""

    def write(header: object, data: bytes = b"", *, length: int | None = None) -> Path:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path = tmp_path / "blob.safetensors"
        size = len(text) if length is None else length
        path.write_bytes(size.to_bytes(8, "little") + text + data)
        return path

    return write
