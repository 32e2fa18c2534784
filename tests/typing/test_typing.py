"""Users' files under five type checkers, beside the wheel that users install."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import completion
from tools.language_server import COMMANDS, LanguageServer
from tools.user_environment import run
from typedvision.config.class_names import ClassSet

from .checkers import CHECKERS, Checker, Findings, Place
from .conftest import PLUGIN

PROJECT = Path(__file__).parent / "project"

# What each checker says of a mistake in `models.NAME(...)`, in one line; `{}` is the word.
MESSAGES = {
    "option": {
        "mypy": 'Unexpected keyword argument "{}" for ',
        "pyright": 'No parameter named "{}"',
        "basedpyright": 'No parameter named "{}"',
        "pyrefly": "Unexpected keyword argument `{}` in ",
        "ty": "Argument `{}` does not match any known parameter",
    },
    "type": {
        "mypy": 'Argument "{}" to "__call__" of "ResNetVariant" has incompatible type ',
        "pyright": ' cannot be assigned to parameter "{}" of type ',
        "basedpyright": ' cannot be assigned to parameter "{}" of type ',
        "pyrefly": " is not assignable to parameter `{}` with type ",
        "ty": "Argument to bound method `ResNetVariant.__call__` is incorrect: Expected ",
    },
    "name": {
        "mypy": 'Module has no attribute "{}"; maybe "resnet50"',
        "pyright": '"{}" is not a known attribute of module "typedvision.models"',
        "basedpyright": '"{}" is not a known attribute of module "typedvision.models"',
        "pyrefly": "No attribute `{}` in module `typedvision.models`",
        "ty": "Module `typedvision.models` has no member `{}`",
    },
}
MESSAGES["choice"] = MESSAGES["type"]

MEANING = "Number of blocks of each stage. 1 to 1024; default: "
PARAMETERS_AND_PAPER = "25,557,032 parameters, https://arxiv.org/abs/1512.03385"

DESCRIBING = {"pyright", "basedpyright", "ty"}
# What an editor asks where, and which language servers answer it; `|` is the pointer or the cursor.
# docs/typing.md says the same.
ANSWERS = {
    ("hover", "models.resnet50(lay|ers=(1, 1, 1, 1))"): (MEANING, {"ty"}),
    ("hover", "models.resnet50.config(lay|ers=(1, 1, 1, 1))"): (MEANING, DESCRIBING),
    # Of the overloads, an editor shows the first that has the option: another family's words.
    ("hover", 'create_model("resnet50", lay|ers=(1, 1, 1, 1))'): ("Number of blocks", DESCRIBING),
    ("hover", "variant = models.resn|et50"): (PARAMETERS_AND_PAPER, DESCRIBING),
    ("signatureHelp", "models.resnet50(layers=|)"): (MEANING, {*DESCRIBING, "pyrefly"}),
    ("signatureHelp", 'create_model("resnet50", layers=|)'): ("Number of blocks", DESCRIBING),
}

MARK = re.compile(r"# error(?:: (?P<mistake>\w+) (?P<word>\w+))?$")


pytestmark = pytest.mark.xdist_group("typing")  # the environment of a user is made once


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's project, away from this one's configuration."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    (folder / "pyrefly.toml").touch()  # without one, pyrefly reports few kinds of mistakes
    return folder


@pytest.fixture(scope="session", params=CHECKERS, ids=lambda checker: checker.name)
def checked(request: pytest.FixtureRequest, project: Path, user: Path) -> tuple[Checker, Findings]:
    """A checker with what it finds in the user's project."""
    checker: Checker = request.param
    return checker, checker.check(project, user)


def marks() -> dict[Place, re.Match[str]]:
    """Every place of the project that is marked as an error."""
    return {
        (path.name, number): match
        for path in PROJECT.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (match := MARK.search(line))
    }


def test_errors_are_where_they_are_marked(checked: tuple[Checker, Findings]) -> None:
    _, findings = checked
    assert {place: text for place, text in findings.items() if place not in marks()} == {}
    assert [place for place in marks() if place not in findings] == []


def test_a_mistake_has_one_line(checked: tuple[Checker, Findings]) -> None:
    checker, findings = checked
    for place, mark in marks().items():
        if mark["mistake"]:
            (message,) = findings[place]
            wanted = MESSAGES[mark["mistake"]][checker.name].format(mark["word"])
            assert wanted in message.splitlines()[0]


@pytest.fixture(scope="session", params=COMMANDS)
def editor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, user: Path
) -> Iterator[tuple[str, LanguageServer]]:
    """A language server with its name, as it runs behind an editor."""
    with LanguageServer(request.param, tmp_path_factory.mktemp("edited"), user) as server:
        yield request.param, server


@pytest.mark.parametrize(("what", "line"), ANSWERS)
def test_an_editor_shows_what_is_under_the_pointer(
    editor: tuple[str, LanguageServer], what: str, line: str
) -> None:
    name, server = editor
    before, _, after = line.partition("|")
    server.write(f"from typedvision import create_model, models\n{before}{after}\n")
    answer = server.ask(what, 1, len(before))
    if what == "signatureHelp":
        signature = answer["signatures"][answer["activeSignature"]]
        active = answer.get("activeParameter")  # none where the signature has no such option
        answer = None if active is None else signature["parameters"][active]
    text, answered_by = ANSWERS[what, line]
    assert (text in json.dumps(answer)) is (name in answered_by)


def test_the_readme_shows_what_an_editor_shows(user: Path, tmp_path: Path) -> None:
    """If it is stale: `python -m tools.completion`."""
    assert completion.TARGET.read_text("utf-8") == completion.draw(user, tmp_path)


def test_the_wheel_classifies_an_image(user: Path, tmp_path: Path) -> None:
    """A stranger's first minute: the command line of the installed wheel, and its data files."""
    save = (
        "import typedvision as tv, PIL.Image; PIL.Image.new('RGB', (64, 48)).save('black.png'); "
        "model = tv.create_model('test_resnet', seed=0); "
        "tv.save_model(model, 'm.safetensors', class_names='imagenet1k')"
    )
    run(user, "-c", save, cwd=tmp_path)
    command = user.with_name("typedvision")
    assert "resnet50\n" in run(command, "list", "resnet50*", cwd=tmp_path)
    predict = (command, "predict", "black.png", "--checkpoint", "m.safetensors", "--json")
    (row,) = json.loads(run(*predict, cwd=tmp_path))
    names = ClassSet("imagenet1k")
    assert [one["name"] for one in row["classes"]] == [
        names[one["index"]] for one in row["classes"]
    ]


def test_there_are_marks_and_unmarked_files() -> None:
    assert {name for name, _ in marks()} == {"fails.py", "plugin_fails.py"}
    assert len(marks()) > 20


@pytest.mark.parametrize("package", ["typedvision", "acme_vision"])
def test_every_public_type_is_written_down(
    user: Path, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Annotate what pyright lists, where it is assigned: `self.conv1: nn.Conv2d = ...`."""
    # So pyright verifies what is installed there: it heeds no --pythonpath here.
    monkeypatch.setenv("PATH", str(user.parent), prepend=os.pathsep)
    verify = (user, "-m", "pyright", "--verifytypes", package, "--ignoreexternal")
    assert "Type completeness score: 100%" in run(*verify, cwd=tmp_path)


def test_the_stubs_tell_the_truth(user: Path, tmp_path: Path) -> None:
    """mypy's stubtest compares each stub with its module at run time."""
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n[mypy-torch.*]\nfollow_imports = skip\n")  # torch is not in question
    allowed = tmp_path / "allowed"
    allowed.write_text("typedvision.models.pebble_.*\n")  # in the plug-in's own stub
    stubtest = [user, "-m", "mypy.stubtest", "--mypy-config-file", config, "--allowlist", allowed]
    modules = ("typedvision.models", "typedvision.factory", "acme_vision.models")
    assert "no issues found" in run(*stubtest, *modules, cwd=tmp_path)


def test_the_plugin_passes_its_own_tests(user: Path, tmp_path: Path) -> None:
    shutil.copytree(PLUGIN / "tests", tmp_path, dirs_exist_ok=True)
    assert " passed" in run(user, "-m", "pytest", "-q", cwd=tmp_path)


def test_the_plugins_typed_module_is_fresh(user: Path, tmp_path: Path) -> None:
    check = (user, "-m", "typedvision", "stubs", "--package", "acme_vision", "--check")
    run(*check, cwd=tmp_path)  # if it is stale: `make generate`
