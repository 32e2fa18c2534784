"""A scaffolded family passes what every family must pass, before a line of it is changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import new_family
from typedvision import scaffold
from typedvision.registry import index

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".mypy_cache" / "scaffold"  # mypy reads torch once, not each time


NAMES = {"stages": "my_net", "token": "my_vit", "mobile": "my_mob"}
pytestmark = pytest.mark.xdist_group("scaffold")  # the tree is made once


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project, whose only families are a scaffold on each base."""
    root = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "tests/conftest.py", "tests/figures.py"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name in ("src", "tools", "tests/contract"):
        ignored = shutil.ignore_patterns("__pycache__", *index.family_keys())
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    (root / "tests/golden").mkdir()
    for base in scaffold.BASES:
        run(root, "tools.new_family", NAMES[base], "--base", base)
    run(root, "tools.generate")
    return root


def run(root: Path, *command: str) -> str:
    """What a module prints that is run in the copy."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for pyright
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(root / "src"),
        "NO_COLOR": "1",
        "FUZZ_CONFIGS": "10",
        "THOROUGH": "1",
    }
    process = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.slow
def test_it_keeps_the_house_rules(tree: Path) -> None:
    assert "0 violations" in run(tree, "tools.house_rules", str(tree))


@pytest.mark.slow
def test_it_is_formatted_and_linted(tree: Path) -> None:
    folder = "src/typedvision/families"
    run(tree, "ruff", "format", "--check", folder)
    run(tree, "ruff", "check", folder)


@pytest.mark.slow
def test_it_is_typed(tree: Path) -> None:
    run(tree, "mypy", "--cache-dir", str(CACHE), "src/typedvision/families")
    run(tree, "pyright", "--verifytypes", "typedvision.families", "--ignoreexternal")


@pytest.mark.slow
def test_it_keeps_the_contract(tree: Path) -> None:
    printed = run(tree, "pytest", "-v", "-p", "no:cacheprovider", "tests/contract")
    for name in NAMES.values():
        assert len(re.findall(rf"::test_.*{name}.* PASSED", printed)) > 50


@pytest.mark.slow
def test_it_is_published(tree: Path) -> None:
    code = "import typedvision as tv; print(*(tv.create_model(n).spec for n in tv.list_models()))"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    for name in NAMES.values():
        assert {f"{name}_small", f"{name}_tiny"} <= set(re.findall(r"\w+", printed.stdout))


@pytest.fixture
def families(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for families."""
    monkeypatch.setattr(new_family, "FAMILIES", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "lower-case words joined by '_'") for name in ("", "MyNet", "my-net", "2net")),
        *(
            (name, "lower-case words joined by '_'")
            for name in ("_net", "a__b", "../net", "n\u00e9t")
        ),
        ("class", "a word of Python"),
        (index.family_keys()[0], "there is a family"),
        (index.variants()[0], "there is a model"),
    ],
)
def test_a_bad_or_taken_name_is_refused(
    families: Path, capsys: pytest.CaptureFixture[str], name: str, why: str
) -> None:
    assert new_family.main([name]) == 2
    assert why in capsys.readouterr().err
    assert list(families.iterdir()) == []


def test_nothing_is_overwritten(families: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new_family.main(["my_net"]) == 0
    assert "make generate" in capsys.readouterr().out
    kept = families / "my_net" / "model.py"
    kept.write_text("mine")
    assert new_family.main(["my_net"]) == 2
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(("name", "wanted"), [("net", "Net"), ("my_net2", "MyNet2")])
def test_a_class_is_named_after_the_family(name: str, wanted: str) -> None:
    assert scaffold.class_name(name) == wanted
