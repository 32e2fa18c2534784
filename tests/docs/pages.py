"""Runs the examples of a page, and says where they print something else than the page shows.

A `python` block is a session where it has prompts (`>>>`), otherwise a program; the blocks of a
page share their names. A `console` block is a session of a shell: each command after `$ `, then
what it prints on stdout and stderr. `...` in an output stands for anything. A `json` block is a
document. A `python static` block is for type checkers: it is Python, and is not run.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.cli.running import run

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))

_BLOCK = re.compile(r"^```([\w ]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PARSER = doctest.DocTestParser()
_CHECKER = doctest.OutputChecker()


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the page where that starts."""

    language: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for match in _BLOCK.finditer(page):
        yield Block(match[1], match[2], page.count("\n", 0, match.start(2)) + 1)


def failures(page: str, name: str, folder: Path) -> list[str]:
    """What the examples of a page print differently.

    Args:
        page: text of the page, Markdown.
        name: what failures call it.
        folder: where the console's commands run.
    """
    names: dict[str, object] = {}
    found: list[str] = []
    for block in blocks(page):
        where = f"{name}:{block.line}"
        match block.language:
            case "python" if ">>>" in block.text:
                found += _session(block, names, where)
            case "python":
                exec(compile(block.text, where, "exec"), names)
            case "python static":
                compile(block.text, where, "exec")
            case "console":
                found += _console(block, where, folder)
            case "json":
                json.loads(block.text)
    return found


def _session(block: Block, names: dict[str, object], where: str) -> list[str]:
    test = _PARSER.get_doctest(block.text, names, where, where, 0)
    test.globs = names  # the parser has made a copy
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append, clear_globs=False)
    return said


def _console(block: Block, where: str, folder: Path) -> list[str]:
    found = []
    for session in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, wanted = session.partition("\n")
        printed = _printed(command, folder)
        if not _CHECKER.check_output(wanted, printed, doctest.ELLIPSIS):
            found.append(f"{where}: $ {command}\nshown:\n{wanted}\nprinted:\n{printed}")
    return found


def _printed(command: str, folder: Path) -> str:
    """What a command prints; one of ours runs in this process, which has imported everything."""
    ours, tells, _ = command.partition('; echo "exit code $?"')
    ours, _, others = ours.partition(" | ")
    words = list(shlex.shlex(ours, posix=True, punctuation_chars=True))
    if set(words) & {";", "<", ">", "&&"} or (others and tells):
        return _run_in_shell(command, folder)
    match words:
        case ["typedvision", *_]:
            with contextlib.chdir(folder):
                done = run(*shlex.split(ours)[1:])
            if others:  # what is written to stderr goes past the pipe
                return done.stderr + _run_in_shell(others, folder, done.stdout)
            return done.output + (f"exit code {done.exit_code}\n" if tells else "")
        case ["python", "-c", program] if not (others or tells):
            printed = io.StringIO()
            with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
                exec(program, {})
            return printed.getvalue()
        case _:
            return _run_in_shell(command, folder)


def _run_in_shell(command: str, folder: Path, given: str | None = None) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout
