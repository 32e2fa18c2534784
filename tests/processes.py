"""Processes that are forked from one which has imported PyTorch; each would take seconds for it.

What needs such a process belongs to the group "processes", so that this one is started once.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["torch._dynamo", "torch.distributed.fsdp", "pytest", "typedvision.factory"]
)

together = pytest.mark.xdist_group("processes")


class Done(NamedTuple):
    """How a process ended, and what it wrote on stdout and stderr."""

    status: int | None
    output: str


def run_forked(work: Callable[..., object], *arguments: object) -> Done:
    """Call a function in a process of its own, and wait for the end of both."""
    with TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        process = CONTEXT.Process(target=_writing, args=(output, work, arguments))
        process.start()
        process.join()
        return Done(process.exitcode, output.read_text("utf-8"))


def _writing(output: Path, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    work(*arguments)
