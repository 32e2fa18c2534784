from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import typedvision as tv
from typedvision import export
from typedvision.weights.inspect import SPEC_DIGEST_KEY, SPEC_KEY

SIZE = 64


@pytest.fixture
def model() -> tv.ImageModel:
    return tv.create_model("test_resnet", num_classes=5, seed=1)


@pytest.mark.parametrize("name", ["test_resnet", pytest.param("test_vit", marks=pytest.mark.slow)])
def test_an_onnx_takes_any_number_of_images_and_carries_its_spec(name: str, tmp_path: Path) -> None:
    import onnxruntime

    model, path = tv.create_model(name, num_classes=5, seed=1), tmp_path / "model.onnx"
    report = tv.export_model(model, path, format="onnx")
    assert report.difference is not None
    assert 0 < report.difference < 1e-5
    assert report.size == path.stat().st_size
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    notes = session.get_modelmeta().custom_metadata_map
    assert tv.ModelSpec.from_json(notes[SPEC_KEY]) == model.spec
    assert notes[SPEC_DIGEST_KEY] == model.spec.digest()
    (given,) = session.get_inputs()
    assert (given.name, given.shape) == ("input", ["batch", 3, *model.spec.image.size])
    images = torch.rand(5, 3, *model.spec.image.size)
    (served,) = session.run(["output"], {"input": images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(served), model.eval()(images))


def test_the_model_stays_as_it_was(model: tv.ImageModel, tmp_path: Path) -> None:
    model.get_submodule("layer1").eval()  # frozen, say
    before = {path: module.training for path, module in model.named_modules()}
    tv.export_model(model, tmp_path / "model.pt2", format="pt2", img_size=SIZE, check=False)
    assert {path: module.training for path, module in model.named_modules()} == before
    assert model.spec.image.size == (160, 160)


def test_nothing_is_checked_where_nobody_asks(
    model: tv.ImageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _corrupt(monkeypatch, float("nan"))
    path = tmp_path / "model.pt2"
    report = tv.export_model(model, path, format="pt2", img_size=SIZE, check=False)
    assert report.difference is None
    assert path.is_file()


@pytest.mark.parametrize("error", [1e-3, float("inf"), float("nan")])
def test_a_program_that_differs_is_no_file(
    model: tv.ImageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    _corrupt(monkeypatch, error)
    path = tmp_path / "model.pt2"
    path.write_text("what was there")
    with pytest.raises(tv.ExportError, match="differs from the model"):
        tv.export_model(model, path, format="pt2", img_size=SIZE)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2"]
    assert path.read_text() == "what was there"


def _corrupt(monkeypatch: pytest.MonkeyPatch, error: float) -> None:
    """Let the second run of a loaded program be wrong by `error`."""
    save, load = export._FORMATS["pt2"]

    def wrong(path: Path) -> Any:
        program = load(path)
        return lambda x: program(x) + (error if len(x) > 1 else 0.0)

    monkeypatch.setitem(export._FORMATS, "pt2", (save, wrong))


def test_a_model_that_cannot_be_traced(model: tv.ImageModel, tmp_path: Path) -> None:
    def stubborn(x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x

    model.get_submodule("fc").register_forward_hook(lambda module, args, out: stubborn(out))
    with pytest.raises(tv.ExportError, match="'test_resnet' cannot be exported: "):
        tv.export_model(model, tmp_path / "model.pt2", format="pt2", img_size=SIZE)
    assert not list(tmp_path.iterdir())
    assert model.training


def test_a_size_that_the_model_does_not_take(tmp_path: Path) -> None:
    model = tv.create_model("test_vit", dynamic_img_size=False, seed=1)
    with pytest.raises(tv.UsageError, match="set_input_size"):
        tv.export_model(model, tmp_path / "model.pt2", format="pt2", img_size=SIZE)


def test_missing_packages_are_named(
    model: tv.ImageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_runtime(name: str) -> object:
        return None if name == "onnxruntime" else find_spec(name)

    monkeypatch.setattr(export, "find_spec", no_runtime)
    with pytest.raises(tv.ExportError, match=r"pip install 'typedvision\[onnx\]'") as caught:
        tv.export_model(model, tmp_path / "model.onnx", format="onnx")
    assert [problem.path for problem in caught.value.problems] == [("onnxruntime",)]


def test_a_model_too_large_for_one_file(
    model: tv.ImageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ONNX_BYTES", 1_000_000)
    with pytest.raises(tv.ExportError, match="one ONNX file holds 1,000,000"):
        tv.export_model(model, tmp_path / "model.onnx", format="onnx")


def test_arguments_that_make_no_sense(model: tv.ImageModel, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    arguments: Any = {"format": "pt3"}
    with pytest.raises(tv.UsageError, match="'pt2' or 'onnx'; got 'pt3'"):
        tv.export_model(model, path, **arguments)
    with pytest.raises(tv.UsageError, match="no weights"):
        tv.export_model(tv.create_model("test_resnet", device="meta"), path, format="pt2")
    stranger: Any = torch.nn.Linear(1, 1)
    with pytest.raises(tv.UsageError, match="got Linear"):
        tv.export_model(stranger, path, format="pt2")
    with pytest.raises(tv.ConfigError, match="size"):
        tv.export_model(model, path, format="pt2", img_size=0)


def test_what_cannot_be_written_is_refused_before_the_model_is_traced(
    model: tv.ImageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(export, "traced")
    for path in (tmp_path, tmp_path / "no" / "model.pt2", Path("/dev/null")):
        with pytest.raises(tv.ExportError, match="cannot be written"):
            tv.export_model(model, path, format="pt2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("format", ["pt2", "onnx"])
def test_a_full_disk_ends_the_export_and_not_the_process(tmp_path: Path, format: str) -> None:
    """A limit on the size of files stands for the disk."""
    code = (
        "import resource, sys, typedvision as tv\n"
        "model = tv.create_model('test_resnet', num_classes=5, seed=1)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try: tv.export_model(model, sys.argv[1], format=sys.argv[2], img_size=64)\n"
        "except tv.ExportError as error: print(error)\n"
    )
    path = tmp_path / f"model.{format}"
    done = subprocess.run(
        [sys.executable, "-c", code, path, format], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []
