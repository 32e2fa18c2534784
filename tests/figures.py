"""What the fuzz tests count, in every process of a run; pytest shows the sums at its end."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

COUNTS = ("tests", "tried", "refused", "accepted", "built", "ran")
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of `ru_maxrss`


@dataclass
class Figures:
    """What became of the random cases of one kind, `"configs"`, in one test or several."""

    kind: str
    tests: int = 1
    tried: int = 0
    refused: int = 0
    """Cases that ended with one of our errors."""
    accepted: int = 0
    """Cases that ended with a spec, an image or a model."""
    built: int = 0
    """Models that were built."""
    ran: int = 0
    """Models that were initialised and ran, forward and backward."""
    seconds: float = 0.0
    """What the slowest case took."""
    slowest: str = ""
    """The slowest case."""
    memory: int = 0
    """The most bytes that a process has had, whatever else it did before."""

    @contextmanager
    def case(self, name: str) -> Generator[None]:
        """Count one more case, its time and its memory."""
        self.tried += 1
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        if seconds > self.seconds:
            self.seconds, self.slowest = seconds, name
        self.memory = UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def table(found: Iterable[Figures]) -> list[str]:
    """A line for each kind, with the sums over its tests and the extremes."""
    kinds: dict[str, list[Figures]] = {}
    for figures in found:
        kinds.setdefault(figures.kind, []).append(figures)
    lines = [f"{'':12}" + "".join(f"{name:>10}" for name in COUNTS) + "    memory  slowest"]
    for kind, rows in sorted(kinds.items()):
        counts = (sum(getattr(row, name) for row in rows) for name in COUNTS)
        memory = max(row.memory for row in rows) // 2**20
        slow = max(rows, key=lambda row: row.seconds)
        numbers = "".join(f"{count or '-':>10}" for count in counts)
        lines.append(f"{kind:12}{numbers}{memory:>7} MB  {slow.seconds:.2f} s: {slow.slowest}")
    return lines
