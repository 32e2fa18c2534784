"""Times of models on several engines, each in a process of its own, interleaved."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from typedvision.errors import OptimizeError, Problem
from typedvision.inference import worker
from typedvision.registry.spec import spec_for

_TIMED = 3  # batches in a round


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One model on one engine at one size of batch."""

    model: str
    """Name of the model."""
    batch_size: int
    """Number of images at a time."""
    engine: str
    """An engine, `auto`, `plain` for the model as it is, or `timm`."""
    chosen: str | None
    """The engine that `auto` took; otherwise the engine; None where none is concerned."""
    median: float
    """Median of the seconds of a batch."""
    p95: float
    """The seconds that 95 of 100 batches take at most."""
    images_per_second: float
    """Images in a second, by the median."""
    memory: float | None
    """The most resident memory of the process, in MiB."""
    compile_seconds: float
    """The time that the program took to make; for `auto`, all that it tried."""
    difference: float | None
    """Largest difference from the float32 model, as a share of the largest output."""


@dataclass(frozen=True, slots=True)
class BenchFailure:
    """A model that an engine does not run."""

    model: str
    """Name of the model."""
    batch_size: int
    """Number of images at a time."""
    engine: str
    """The engine."""
    error: str
    """Why."""


def bench(
    names: Sequence[str],
    engines: Sequence[str],
    *,
    batch_sizes: Sequence[int] = (1,),
    img_size: int | None = None,
    threads: int | None = None,
    rounds: int = 5,
    timm: str | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Iterator[BenchRow | BenchFailure]:
    """Measure models on engines, with random weights.

    The processes of one model and batch run interleaved, three timed batches after one that is
    not, so that other work on the machine meets all of them.

    Args:
        names: names of models.
        engines: engines, `auto`, or `plain` for the model as it is.
        batch_sizes: numbers of images at a time.
        img_size: height and width of the images; by default those of each model.
        threads: number of threads of the CPU; by default one for each CPU of this process.
        rounds: how often each process runs.
        timm: an interpreter that has timm; timm's model is then measured, too.
        say: is told what is done.

    Raises:
        UnknownNameError: nobody publishes a name.
        OptimizeError: the interpreter for timm cannot be run.
    """
    sizes = {name: img_size or spec_for(name, {}).image.size[0] for name in names}
    kinds = [*(["timm"] if timm else []), *engines]
    count = threads or len(os.sched_getaffinity(0))
    for name in names:
        for batch_size in batch_sizes:
            with ExitStack() as stack:
                workers: dict[str, _Worker] = {}
                for kind in kinds:
                    say(f"{name}, batch {batch_size}: {kind}")
                    job: dict[str, object] = {
                        "name": name,
                        "engine": kind,
                        "batch_size": batch_size,
                        "threads": count,
                        "img_size": sizes[name],
                    }
                    python = timm if kind == "timm" and timm else sys.executable
                    workers[kind] = stack.enter_context(_Worker(python, job))
                say(f"{name}, batch {batch_size}: measuring")
                for _ in range(rounds):
                    for each in workers.values():
                        each.run_round()
                for kind, each in workers.items():
                    yield each.row(name, batch_size, kind)


class _Worker:
    """One process, and what it has answered."""

    def __init__(self, python: str, job: dict[str, object]) -> None:
        self.seconds: list[float] = []
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - __exit__ closes it
        command = [python, worker.__file__]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(job["threads"])},
            )
        except OSError as error:
            self.errors.close()
            message = f"cannot be run: {error.strerror or error}"
            problem = Problem(("timm",), "value", message, python)
            raise OptimizeError(f"'{python}' {message}", [problem]) from error
        self.facts = self._ask(json.dumps(job))

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self.errors.close()

    def run_round(self) -> None:
        """Time some batches."""
        if "error" not in self.facts:
            self._keep(self._ask(str(_TIMED)))

    def row(self, model: str, batch_size: int, engine: str) -> BenchRow | BenchFailure:
        """What the process has shown, which ends with it."""
        if "error" not in self.facts and self.process.stdin is not None:
            self.process.stdin.close()
            self._keep(self._answer())
        facts = self.facts
        if "error" in facts:
            return BenchFailure(model, batch_size, engine, str(facts["error"]))
        chosen, memory, difference = (facts.get(key) for key in ("chosen", "memory", "difference"))
        median = statistics.median(self.seconds)
        return BenchRow(
            model=model,
            batch_size=batch_size,
            engine=engine,
            chosen=None if chosen is None else str(chosen),
            median=median,
            p95=percentile(self.seconds, 95),
            images_per_second=batch_size / median,
            memory=memory if isinstance(memory, float) else None,
            compile_seconds=float(str(facts["compile_seconds"])),
            difference=difference if isinstance(difference, float) else None,
        )

    def _keep(self, answer: dict[str, object]) -> None:
        seconds = answer.pop("seconds", [])
        assert isinstance(seconds, list)
        self.seconds += seconds
        self.facts.update(answer)

    def _ask(self, line: str) -> dict[str, object]:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: its last words are read
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            answer: dict[str, object] = json.loads(line)
            return answer
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        return {"error": said[-1] if said else "the process has ended"}


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` of 100 values do not exceed (the nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def ratios(rows: Sequence[BenchRow], baseline: str) -> dict[str, float]:
    """How many times the baseline's speed each engine has: geometric means over what both ran."""
    base = {(row.model, row.batch_size): row for row in rows if row.engine == baseline}
    found: dict[str, list[float]] = {}
    for row in rows:
        other = base.get((row.model, row.batch_size))
        if other is not None:
            found.setdefault(row.engine, []).append(other.median / row.median)
    return {engine: statistics.geometric_mean(values) for engine, values in found.items()}


def load() -> float:
    """The load of the machine in the last minute, in processes; 0 where no system says."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0
