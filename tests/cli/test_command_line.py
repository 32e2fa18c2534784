"""What all verbs share: exit codes, the wall, pipes, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import typedvision as tv
from tests.cli.running import COMMAND, run, run_process
from typedvision.cli import VERBS

TORCH_FREE = {
    "list": ["list", "--json"],
    "show": ["show", "resnet50", "--no-plan", "--json"],
    "spec": ["spec", "resnet50", "--set", "num_classes=10"],
    "check": ["check", "-"],
    "schema": ["schema"],
    "help": ["--help"],
}
NEVER = {"torch", "numpy"}
NEVER_BY = {  # what makes a verb slow that every script calls
    "check": {*NEVER, "rich", "typedvision.factory"},
    "help": {*NEVER, "pydantic"},
}


@pytest.mark.parametrize("verb", TORCH_FREE)
def test_a_verb_loads_what_it_needs(verb: str) -> None:
    code = (
        "import sys\n"
        "from typedvision.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *TORCH_FREE[verb]],
        input=tv.specify("resnet18").to_json(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    loaded = set(done.stderr.split())
    assert (done.returncode, loaded & NEVER_BY.get(verb, NEVER)) == (0, set())
    others = {"compare", "lint", "lock"} if verb != "help" else set()
    assert "typedvision.cli" in loaded
    assert not loaded & {f"typedvision.cli.{other}" for other in others}


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_a_verb_does_with_examples(verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"typedvision {verb} " in result.output


def test_help_lists_the_verbs() -> None:
    result = run("-h")
    assert result.exit_code == 0
    assert all(verb in result.output for verb in VERBS)


def test_nothing_is_answered_by_the_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Usage: typedvision" in result.output


def test_the_version() -> None:
    assert run("--version").output == f"typedvision {tv.__version__}\n"


def test_a_misspelt_verb_is_a_usage_error() -> None:
    result = run("chekc")
    assert result.exit_code == 2
    assert "Did you mean 'check'?" in result.stderr


def test_an_error_of_ours_is_text_on_stderr() -> None:
    result = run("show", "resnet5O")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "[unknown-name] no model 'resnet5O'; did you mean 'resnet50', 'resnet50t' or 'resnet50s'?\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--family", "resnot"],
        ["show", "resnet5O"],
        ["spec", "resnet50", "--set", "num_clases=10"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_error_of_ours_is_json_where_json_is_wanted(arguments: list[str]) -> None:
    result = run(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    error = json.loads(result.stdout)
    assert error["code"] in ("unknown-name", "config")
    assert error["problems"]


def test_a_closed_pipe_ends_the_command_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "list"], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    name = "gr\u00f6\u00dfe.json"
    (tmp_path / name).write_text(tv.specify("resnet18").to_json(), "utf-8")
    done = run_process("check", name, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.startswith(b"gr\\xf6\\xdfe.json: ok, ")
