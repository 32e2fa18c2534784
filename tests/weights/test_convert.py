"""Other formats are read in another process, and become files of ours or clear errors."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import typedvision as tv
from typedvision.errors import WeightsError
from typedvision.weights.convert import convert
from typedvision.weights.unpickle import read


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "model.safetensors"


@pytest.fixture(autouse=True)
def folder(target: Path) -> None:
    target.parent.mkdir()


def holds(path: Path, model: nn.Module) -> bool:
    state = tv.load_model(path, verify=True).state_dict()
    return all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())


@pytest.mark.usefixtures("read_here")
def test_a_training_checkpoint(tmp_path: Path, target: Path, model: tv.ImageModel) -> None:
    source = tmp_path / "in.pth"
    average = {f"module.{key}": tensor * 2 for key, tensor in model.state_dict().items()}
    torch.save(
        {
            "epoch": 3,
            "args": argparse.Namespace(lr=0.1),
            "state_dict": model.state_dict(),
            "state_dict_ema": average,
        },
        source,
    )
    report = convert(source, target, model.spec)
    assert report.source == str(source)
    assert holds(target, model)
    convert(source, target, model.spec, ema=True)
    bias = tv.load_model(target).state_dict()["fc.bias"]
    assert torch.equal(bias, average["module.fc.bias"])


@pytest.mark.usefixtures("read_here")
def test_arrays_and_safetensors(tmp_path: Path, saved: Path, target: Path) -> None:
    model = tv.load_model(saved)
    source = tmp_path / "in.npz"
    np.savez(source, **{key: tensor.numpy() for key, tensor in model.state_dict().items()})
    for one in (source, saved):
        convert(one, target, model.spec)
        assert holds(target, model)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_no_code_is_run(tmp_path: Path, target: Path, model: tv.ImageModel) -> None:
    mark = tmp_path / "mark"
    new, old = tmp_path / "new.pth", tmp_path / "old.pth"
    torch.save({"state_dict": model.state_dict(), "x": Evil(mark)}, new)
    old.write_bytes(pickle.dumps({"state_dict": Evil(mark)}))
    for source in (new, old):
        with pytest.raises(WeightsError, match="needs more than tensors"):
            convert(source, target, model.spec)
    assert not mark.exists()
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "ema", "words"),
    [
        ([1, 2], False, "holds a list"),
        ({"a": 3}, False, "no tensors under a"),
        ({}, False, "no tensors under any name"),
        ({"state_dict": {"a": torch.zeros(2)}}, True, "none of state_dict_ema.*it has state_dict"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, content: object, ema: bool, words: str) -> None:
    torch.save(content, tmp_path / "in.pth")
    with pytest.raises(ValueError, match=words):
        read(tmp_path / "in.pth", ema=ema)


def test_the_result_must_be_the_model(
    tmp_path: Path, target: Path, saved: Path, model: tv.ImageModel
) -> None:
    with pytest.raises(WeightsError, match="2 misshaped"):
        convert(saved, target, model.spec.with_options(num_classes=7))
    with pytest.raises(WeightsError, match="is no file"):
        convert(tmp_path / "absent.pth", target, model.spec)
    assert list(target.parent.iterdir()) == []


def test_memory_is_bounded(tmp_path: Path, target: Path, model: tv.ImageModel) -> None:
    """An array that says it has 6 GiB."""
    source = tmp_path / "in.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (6 * 2**30,)}
    )
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("a.npy", header.getvalue())
    with pytest.raises(WeightsError, match="MemoryError"):
        convert(source, target, model.spec)


def test_a_name_is_no_spec(tmp_path: Path, target: Path) -> None:
    with pytest.raises(tv.UsageError, match=r"convert takes a ModelSpec: write specify\("):
        convert(tmp_path / "in.pth", target, "test_resnet")  # type: ignore[arg-type]


@pytest.mark.usefixtures("read_here")
def test_a_prefix_is_found_where_one_fits(
    tmp_path: Path, target: Path, model: tv.ImageModel
) -> None:
    source, state = tmp_path / "last.ckpt", model.state_dict()
    others = {"loss.weight": torch.ones(3), "metric.total": torch.zeros(())}
    lightning = {f"net.backbone.{key}": tensor for key, tensor in state.items()} | others
    torch.save({"state_dict": lightning, "pytorch-lightning_version": "2.5.0"}, source)
    convert(source, target, model.spec)
    assert holds(target, model)


@pytest.mark.usefixtures("read_here")
def test_of_two_models_one_is_chosen(tmp_path: Path, target: Path, model: tv.ImageModel) -> None:
    source, state = tmp_path / "last.ckpt", model.state_dict()
    teacher = {f"teacher.{key}": tensor * 2 for key, tensor in state.items()}
    torch.save({f"student.{key}": tensor for key, tensor in state.items()} | teacher, source)
    with pytest.raises(WeightsError, match=r"2 times, behind 'student\.' or 'teacher\.'"):
        convert(source, target, model.spec)
    assert not target.exists()
    convert(source, target, model.spec, prefix="student.")
    assert holds(target, model)
    with pytest.raises(WeightsError, match=r"no tensor of .* starts with 'model\.'"):
        convert(source, target, model.spec, prefix="model.")


@pytest.mark.usefixtures("read_here")
def test_an_error_shows_ten_lines_and_a_count(
    tmp_path: Path, target: Path, model: tv.ImageModel
) -> None:
    source = tmp_path / "in.pth"
    torch.save({f"{key}.x": tensor for key, tensor in model.state_dict().items()}, source)
    with pytest.raises(WeightsError) as caught:
        convert(source, target, model.spec)
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[-1].endswith(
        f"and {len(caught.value.problems) - 10:,} more: `problems` has all of them"
    )
    assert len(caught.value.problems) > 100
