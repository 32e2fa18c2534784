from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.cli.running import run
from typedvision import export


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "m.v1.safetensors"
    tv.save_model(tv.create_model("test_vit", num_classes=5, seed=1), path)
    return path


def test_a_checkpoint_becomes_a_program_beside_it(saved: Path) -> None:
    result = run("export", str(saved), "--format", "pt2")
    assert result.exit_code == 0, result.stderr
    target = saved.with_name("m.v1.pt2")
    size = target.stat().st_size
    assert result.stdout.startswith(
        f"{target}: images of 160 x 160, {size:,} bytes; largest difference "
    )
    images = torch.rand(3, 3, 160, 160)
    with torch.no_grad():
        wanted = tv.load_model(saved).eval()(images)
        torch.testing.assert_close(torch.export.load(target).module()(images), wanted)
    before = target.read_bytes()
    again = run("export", str(saved), "--format", "pt2")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert target.read_bytes() == before
    assert run("export", str(saved), "--format", "pt2", "--no-check", "--force").exit_code == 0


def test_another_size_adapts_the_positions(saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "other.pt2"
    command = ["export", str(saved), "--format", "pt2", "--img-size", "96", "-o", str(target)]
    document = json.loads(run(*command, "--json").stdout)
    assert document["path"] == str(target)
    assert document["img_size"] == [96, 96]
    assert 0 <= document["difference"] < 1e-5
    assert torch.export.load(target).module()(torch.rand(2, 3, 96, 96)).shape == (2, 5)


def test_a_folder(saved: Path, tmp_path: Path) -> None:
    saved.rename(tmp_path / "model.safetensors")
    assert run("export", str(tmp_path), "--format", "pt2", "--no-check").exit_code == 0
    assert (tmp_path / "model.pt2").is_file()


def test_what_cannot_be_exported_is_an_error_of_ours(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = run("export", str(tmp_path / "no.safetensors"), "--format", "pt2", "--json")
    assert (missing.exit_code, json.loads(missing.stdout)["code"]) == (1, "weights")
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    result = run("export", str(saved), "--format", "onnx")
    assert result.exit_code == 1
    assert "pip install 'typedvision[onnx]'" in result.stderr
    assert not saved.with_name("m.v1.onnx").exists()
