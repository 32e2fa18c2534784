"""A checkpoint in several files with an index loads as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import typedvision as tv
from typedvision.errors import WeightsError
from typedvision.weights.inspect import inspect

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(model: tv.ImageModel, tmp_path: Path) -> Path:
    folder = tmp_path / "sharded"
    folder.mkdir()
    keys = sorted(model.state_dict())
    names = {
        key: f"model-0000{1 + number % 3}-of-00003.safetensors" for number, key in enumerate(keys)
    }
    for file in set(names.values()):
        part = {key: model.state_dict()[key] for key in keys if names[key] == file}
        save_file(part, folder / file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return folder


@pytest.mark.parametrize("path", ["", INDEX])
def test_loads_as_one(model: tv.ImageModel, folder: Path, path: str) -> None:
    checkpoint = inspect(folder / path)
    assert checkpoint.tensors.keys() == model.state_dict().keys()
    loaded = tv.create_model("test_resnet", num_classes=5, checkpoint_path=folder / path)
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())


def test_a_missing_part_is_named(folder: Path) -> None:
    next(folder.glob("*-00002-*")).unlink()
    with pytest.raises(WeightsError, match=r"00002-of-00003.*No such file"):
        inspect(folder)


@pytest.mark.parametrize("file", ["../x.safetensors", "/etc/x.safetensors", "x.bin", "", 3, None])
def test_parts_stand_beside_the_index(folder: Path, file: object) -> None:
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"]["fc.bias"] = file
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(WeightsError) as caught:
        inspect(folder)
    assert caught.value.problems[0].path == ("weight_map", "fc.bias")


def test_index_and_files_must_agree(folder: Path) -> None:
    index = json.loads((folder / INDEX).read_text())
    del index["weight_map"]["fc.bias"]
    index["weight_map"]["stranger"] = "model-00001-of-00003.safetensors"
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="does not fit its files") as caught:
        inspect(folder)
    assert {problem.path for problem in caught.value.problems} == {("fc.bias",), ("stranger",)}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"weight_map": {}}', '{"weight_map": 3}'])
def test_what_is_no_index(folder: Path, text: str) -> None:
    (folder / INDEX).write_text(text)
    with pytest.raises(WeightsError):
        inspect(folder)
