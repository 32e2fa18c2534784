from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.cli.running import run


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    tv.save_model(tv.create_model("test_resnet", num_classes=5, seed=1), path)
    return path


def test_inspect_says_what_a_file_holds(saved: Path) -> None:
    result = run("inspect", str(saved))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{saved}: test_resnet, written by typedvision ")
    assert len(result.stdout.splitlines()) == 1
    rows = [row.split() for row in run("inspect", str(saved), "--tensors").stdout.splitlines()]
    assert ["fc.weight", "F32", "5", "x", "96", "1,920"] in rows
    document = json.loads(run("inspect", str(saved), "--tensors", "--json").stdout)
    assert document["spec"] == tv.load_model(saved).spec.to_dict()
    assert document["tensors"]["fc.bias"]["shape"] == [5]


def test_inspect_names_the_classes(saved: Path) -> None:
    assert "; classes" not in run("inspect", str(saved)).stdout
    tv.save_model(tv.load_model(saved), saved, class_names=list("abcde"))
    assert "; classes a, b, c, d, e; " in run("inspect", str(saved)).stdout
    many = tv.create_model("test_resnet", num_classes=1_006)
    tv.save_model(many, saved, class_names=[f"n{number}" for number in range(1_006)])
    assert "; classes n0, n1, n2, n3, n4 and 1,001 more; " in run("inspect", str(saved)).stdout


def test_inspect_names_damage(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-1])
    result = run("inspect", str(saved))
    assert result.exit_code == 1
    assert "truncated" in result.stderr
    assert json.loads(run("inspect", str(saved), "--json").stdout)["code"] == "weights"


@pytest.mark.usefixtures("read_here")
def test_convert_writes_a_file_that_loads_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "in.pth", tmp_path / "out.safetensors"
    model = tv.create_model("test_resnet", num_classes=5, seed=1)
    torch.save({"state_dict": model.state_dict()}, source)
    command = ["convert", str(source), str(target), "--model", "test_resnet"]
    wrong = run(*command)
    assert wrong.exit_code == 1
    assert "2 misshaped" in wrong.stderr
    assert not target.exists()
    right = run(*command, "--set", "num_classes=5")
    assert right.exit_code == 0, right.stderr
    state = tv.load_model(target).state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())
    again = run(*command)
    assert again.exit_code == 2
    assert "--force" in again.stderr


@pytest.mark.usefixtures("read_here")
def test_a_name_that_starts_with_a_dash_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = tv.create_model("test_resnet", num_classes=5, seed=1)
    torch.save(model.state_dict(), "-evil.pth")
    options = ("--model", "test_resnet", "--set", "num_classes=5")
    result = run("convert", *options, "--", "-evil.pth", "-out.safetensors")
    assert result.exit_code == 0
    assert torch.equal(tv.load_model("-out.safetensors").state_dict()["fc.bias"], model.fc.bias)
    assert run("convert", *options, "--", "-other.pth", "out.safetensors").exit_code == 1
