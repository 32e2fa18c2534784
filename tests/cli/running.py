"""Runs the command line: in this process, in a process of its own, on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from typedvision.cli import VERBS, command_line

APP = command_line(*VERBS)
COMMAND = [sys.executable, "-m", "typedvision"]


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process; an exception other than an exit is raised here."""
    return CliRunner().invoke(APP, arguments, input=stdin, catch_exceptions=False)


def run_process(
    *arguments: str, stdin: bytes | None = None, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a user does."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **env},
        timeout=60,
        check=False,
    )


def run_on_terminal(*arguments: str, cwd: Path | None = None, columns: int = 100) -> str:
    """What a command shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=env
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    process.wait(timeout=60)
    return shown.decode()
