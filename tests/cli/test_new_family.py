"""`typedvision new-family`, used as a user does on a package of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.running import run

PROJECT = """\
[project]
name = "acme"
version = "0.1"

[tool.other]  # kept
"""
GROUP = "typedvision.families"
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a package that has nothing yet, in which the user works."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("acme", None)


def scaffold(name: str, *options: str) -> str:
    """What the verb prints, which succeeds."""
    done = run("new-family", name, "--package", "acme", *options)
    assert done.exit_code == 0, done.output
    return done.stdout


def files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def installed(root: Path) -> None:
    """What an installation adds to the package: its metadata, with its entry points."""
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]
    info = root / "acme-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 0.1\n")
    rows = "".join(f"{key} = {value}\n" for key, value in points[GROUP].items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{rows}")


def test_a_family_works_at_once(acme: Path) -> None:
    printed = scaffold("my_net")
    assert "pytest tests/test_my_net.py" in printed
    installed(acme)
    code = (
        "import typedvision as tv; print(tv.list_models('my_net*')); "
        "m = tv.create_model('my_net_tiny', num_classes=3); print(type(m).__module__)"
    )
    assert process(acme, "-c", code).splitlines() == [
        "['my_net_small', 'my_net_tiny']",
        "acme.my_net.model",
    ]


@pytest.mark.slow
def test_its_test_passes(acme: Path) -> None:
    scaffold("my_net")
    installed(acme)
    assert "1 passed" in process(acme, "-m", "pytest", "-p", "no:cacheprovider", "tests")


def process(root: Path, *command: str) -> str:
    """What Python prints in the user's project."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{SOURCE}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_entry_points_are_added_and_nothing_else_is_changed(acme: Path) -> None:
    scaffold("one_net")
    scaffold("two_net", "--base", "mobile")
    text = (acme / "pyproject.toml").read_text()
    assert text.startswith(PROJECT)
    assert tomllib.loads(text)["project"]["entry-points"] == {
        GROUP: {
            "one_net": "acme.one_net.family:OneNetFamily",
            "two_net": "acme.two_net.family:TwoNetFamily",
        }
    }


def test_what_was_written_is_told_as_json(acme: Path) -> None:
    written = json.loads(scaffold("my_net", "--json"))["written"]
    assert {Path(path).relative_to(acme).as_posix() for path in written} == {
        *(f"acme/my_net/{name}.py" for name in ("__init__", "config", "family", "model")),
        *("acme/my_net/weights.json", "tests/test_my_net.py", "pyproject.toml"),
    }


@pytest.mark.parametrize("there", ["acme/my_net/mine.py", "tests/test_my_net.py"])
def test_nothing_is_overwritten(acme: Path, there: str) -> None:
    (acme / there).parent.mkdir(parents=True)
    (acme / there).write_text("mine")
    before = files(acme)
    done = run("new-family", "my_net", "--package", "acme")
    assert done.exit_code == 1
    assert "is there already; nothing is overwritten" in done.stderr
    assert files(acme) == before


@pytest.mark.parametrize(
    ("name", "package", "why"),
    [
        ("My-Net", "acme", "lower-case words joined by '_'"),
        ("resnet", "acme", "there is a family 'resnet' already"),
        ("my_net", "nowhere", "there is no package 'nowhere' here"),
        ("my_net", "../acme", "a package has a dotted name"),
    ],
)
def test_what_cannot_be_is_refused(acme: Path, name: str, package: str, why: str) -> None:
    before = files(acme)
    done = run("new-family", name, "--package", package)
    assert done.exit_code == 1
    assert why in done.stderr
    assert files(acme) == before


def test_without_a_project_there_is_no_entry_point(acme: Path) -> None:
    (acme / "pyproject.toml").unlink()
    done = run("new-family", "my_net", "--package", "acme")
    assert done.exit_code == 1
    assert "no pyproject.toml stands above" in done.stderr
    assert not (acme / "acme" / "my_net").exists()


@pytest.mark.parametrize(
    "text",
    [
        "[project",
        '[project]\nentry-points = {other = {a = "b"}}\n',
        "[project.entry-points.'typedvision.families']\nmy = 'acme.my'\n",
    ],
)
def test_a_project_that_is_written_otherwise_is_left_alone(acme: Path, text: str) -> None:
    (acme / "pyproject.toml").write_text(text)
    done = run("new-family", "my_net", "--package", "acme")
    assert done.exit_code == 1
    assert 'my_net = "acme.my_net.family:MyNetFamily"' in done.stderr
    assert (acme / "pyproject.toml").read_text() == text
    assert not (acme / "acme" / "my_net").exists()
