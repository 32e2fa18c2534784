"""What the benchmarks share: one task in each library, each time in a process of its own."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIBRARIES = ("typedvision", "timm")

Numbers = Mapping[str, float]


def parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options of each benchmark."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--timm", metavar="PYTHON", help="an interpreter that has timm")
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    return made


def best(module: str, timm: str, rounds: int, *work: str) -> tuple[Numbers, Numbers]:
    """The least of each number over some rounds, of each library; they alternate.

    Args:
        module: the benchmark; run with `--measure LIBRARY WORK...` it prints numbers as JSON.
        timm: the interpreter that has timm.
        rounds: how often each is run.
        work: what is measured.
    """
    found: dict[str, list[Numbers]] = {library: [] for library in LIBRARIES}
    for _ in range(rounds):
        for library, python in zip(LIBRARIES, (sys.executable, timm), strict=True):
            command = [python, "-m", module, "--measure", library, *work]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            found[library].append(json.loads(done.stdout.splitlines()[-1]))
    ours, theirs = (least(found[library]) for library in LIBRARIES)
    return ours, theirs


def least(rows: list[Numbers]) -> Numbers:
    """The minimum of each number."""
    return {key: min(row[key] for row in rows) for key in rows[0]}


def geometric_mean(values: Iterable[float]) -> float:
    """The mean of ratios."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))


def factory(library: str) -> Callable[..., Any]:
    """The library's `create_model`, imported in this process."""
    if library == "typedvision":
        import typedvision

        return typedvision.create_model
    import torch

    # timm imports torchvision, whose wheels expect operators that a CPU build lacks.
    operators = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        operators.define(f"{operator}(Tensor a, Tensor b, float c) -> Tensor")
    import timm

    create: Callable[..., Any] = timm.create_model
    return create


def peak_memory() -> float:
    """The most resident memory that this process had so far, in MiB."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("VmHWM")) / 1024
