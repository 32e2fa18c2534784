"""`typedvision stubs`: the typed module of a user's own package."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "docs" / "plugin" / "src" / "acme_vision"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of a user's, not installed, without its generated files."""
    folder = tmp_path / "acme_vision"
    for path in PLUGIN.rglob("*.py"):
        target = folder / path.relative_to(PLUGIN)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    (folder / "models.py").unlink()
    return folder


def stubs(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of `typedvision stubs`, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "typedvision", "stubs", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_it_writes_both_files_once_and_then_finds_them_fresh(package: Path) -> None:
    wanted = ["--package", "acme_vision"]
    code, text = stubs(package.parent, *wanted, "--check")
    assert code == 1
    assert "models.py is stale: run `typedvision stubs --package acme_vision`" in text
    assert not (package / "models.py").exists()
    code, text = stubs(package.parent, *wanted)
    assert code == 0
    assert text.splitlines() == [
        f"{package / name} written" for name in ("models.py", "models.pyi")
    ]
    assert stubs(package.parent, *wanted) == (0, "")
    assert stubs(package.parent, *wanted, "--check") == (0, "")
    assert (package / "models.pyi").read_text() == (PLUGIN / "models.pyi").read_text()


def test_it_says_so_in_json(package: Path) -> None:
    wanted = ["--package", "acme_vision", "--json"]
    files = [str(package / name) for name in ("models.py", "models.pyi")]
    code, text = stubs(package.parent, *wanted, "--check")
    assert (code, json.loads(text)) == (1, {"stale": files})
    code, text = stubs(package.parent, *wanted)
    assert (code, json.loads(text)) == (0, {"written": files})
    code, text = stubs(package.parent, "--package", "no_such_package", "--json")
    assert (code, json.loads(text)["code"]) == (1, "usage")


def test_the_stub_names_each_variant(package: Path) -> None:
    stubs(package.parent, "--package", "acme_vision", "--module", "zoo")
    tree = ast.parse((package / "zoo.pyi").read_text())
    names = [ast.unparse(node.target) for node in tree.body if isinstance(node, ast.AnnAssign)]
    assert names == ["pebble_base", "pebble_mixed", "pebble_small"]


def test_a_file_of_the_user_is_not_overwritten(package: Path) -> None:
    (package / "models.py").write_text("MINE = 1\n")
    code, text = stubs(package.parent, "--package", "acme_vision")
    assert code == 2
    assert "was not generated; name another with --module" in text
    assert (package / "models.py").read_text() == "MINE = 1\n"
    assert not (package / "models.pyi").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "there is no package 'nowhere' here"),
        ("acme_vision.nowhere", "there is no package 'acme_vision.nowhere' here"),
        ("acme_vision.pebble.family", "'acme_vision.pebble.family' is not a package"),
        ("json", "'json' declares no family"),
    ],
)
def test_a_wrong_package_is_told(package: Path, name: str, message: str) -> None:
    code, text = stubs(package.parent, "--package", name)
    assert code == 1
    assert text.startswith("[usage] ")
    assert message in text


def test_a_wrong_module_name_is_told(package: Path) -> None:
    code, text = stubs(package.parent, "--package", "acme_vision", "--module", "a/b")
    assert code == 2
    assert "'a/b' is no name of a module" in text
