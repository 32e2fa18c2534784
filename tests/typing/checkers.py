"""The five type checkers, each run as a user runs it on a project, and read as data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.user_environment import CACHE

BIN = Path(sys.executable).parent

Place = tuple[str, int]
"""A file of the project and a line in it, counted from 1."""
Findings = Mapping[Place, Sequence[str]]
"""What a checker calls errors: the messages at each place."""


@dataclass(frozen=True, slots=True)
class Checker:
    """A type checker: how it is called, and how its JSON is read."""

    name: str
    command: tuple[str, ...]
    """Its arguments; `{python}` is the interpreter of the user's environment."""
    read: Callable[[str], list[tuple[str, int, str]]]
    """(path, line, message) of each error in its output."""

    def check(self, project: Path, python: Path) -> Findings:
        """Check a folder of a user's files."""
        command = [part.format(python=python, cache=CACHE) for part in self.command]
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{self.name} failed: {done.stdout}{done.stderr}")
        findings: dict[Place, list[str]] = {}
        for path, line, message in self.read(done.stdout):
            findings.setdefault((Path(path).name, line), []).append(message)
        return findings


def _mypy(output: str) -> list[tuple[str, int, str]]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    return [(r["file"], r["line"], r["message"]) for r in rows if r["severity"] == "error"]


def _pyright(output: str) -> list[tuple[str, int, str]]:
    rows: list[dict[str, Any]] = json.loads(output)["generalDiagnostics"]
    return [
        (row["file"], row["range"]["start"]["line"] + 1, row["message"])
        for row in rows
        if row["severity"] == "error"
    ]


def _pyrefly(output: str) -> list[tuple[str, int, str]]:
    rows: list[dict[str, Any]] = json.loads(output)["errors"]
    return [(r["path"], r["line"], r["description"]) for r in rows if r["severity"] == "error"]


def _ty(output: str) -> list[tuple[str, int, str]]:
    rows: list[dict[str, Any]] = json.loads(output)
    return [
        (row["location"]["path"], row["location"]["positions"]["begin"]["line"], row["description"])
        for row in rows
    ]


CHECKERS = (
    Checker(
        "mypy",
        ("mypy", "--strict", "--python-executable={python}", "--cache-dir={cache}", "-Ojson", "."),
        _mypy,
    ),
    Checker("pyright", ("pyright", "--pythonpath={python}", "--outputjson", "."), _pyright),
    Checker(
        "basedpyright",
        ("basedpyright", "--pythonpath={python}", "--level=error", "--outputjson", "."),
        _pyright,
    ),
    Checker(
        "pyrefly",
        ("pyrefly", "check", "--python-interpreter-path={python}", "--output-format=json"),
        _pyrefly,
    ),
    Checker("ty", ("ty", "check", "--python={python}", "--output-format=gitlab", "."), _ty),
)
