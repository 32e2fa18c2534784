"""Times of several programs beside each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

_ROUNDS = (3, 20)
_SECONDS = 1.0


def seconds_of(
    programs: Sequence[Callable[[], object]], seconds: float = _SECONDS
) -> tuple[float, ...]:
    """The least time of each program, in seconds; they alternate, since other work comes and goes.

    Args:
        programs: what is run; each once before its time counts.
        seconds: end after this time, where each has run three times.
    """
    times: list[list[float]] = [[] for _ in programs]
    least, most = _ROUNDS
    end = time.perf_counter() + seconds
    for done in range(most):
        if done >= least and time.perf_counter() > end:
            break
        for program, found in zip(programs, times, strict=True):
            program()
            found.append(clock(program))
    return tuple(min(found) for found in times)


def clock(program: Callable[[], object]) -> float:
    """The seconds that a program takes, until CUDA is done with it, too."""
    start = time.perf_counter()
    program()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
