"""A process that runs one model on one engine, for `bench`; of any interpreter that has PyTorch.

It is run as a file. The first line that it reads is the job as JSON; it answers with how long the
program took to make and how far it is off. Each further line asks for that many timed batches; it
answers with their seconds. At the end of its input it answers with its memory, and ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from torch import Tensor


def main() -> None:
    """Answer what is asked on the standard input."""
    sys.path.pop(0)  # this file's folder, whose modules must not stand in front of others
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    job = json.loads(sys.stdin.readline())
    try:
        run, facts = _made(job)
        _serve(run, facts, answers)
    except Exception as error:
        reason = getattr(error, "summary", f"{type(error).__name__}: {error}")
        _answer(answers, {"error": str(reason).strip().partition("\n")[0]})


def _serve(run: Callable[[], object], facts: dict[str, object], answers: TextIO) -> None:
    run()
    _answer(answers, facts)
    for line in sys.stdin:
        run()  # what other processes did in between is not to be seen
        seconds: list[float] = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        _answer(answers, {"seconds": seconds})
    _answer(answers, {"memory": _peak_memory()})


def _made(job: dict[str, object]) -> tuple[Callable[[], object], dict[str, object]]:
    """What runs a batch, and facts about it."""
    import torch

    batch, threads, size = (int(str(job[key])) for key in ("batch_size", "threads", "img_size"))
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    name, engine = str(job["name"]), str(job["engine"])
    if engine == "timm":
        run, channels, facts = _of_timm(name)
    else:
        run, channels, facts = _of_ours(name, engine, batch, size)
    images = torch.randn(batch, channels, size, size)

    def once() -> object:
        with torch.inference_mode():
            return run(images)

    return once, facts


def _of_ours(
    name: str, engine: str, batch_size: int, img_size: int
) -> tuple[Callable[[Tensor], object], int, dict[str, object]]:
    tv = import_module("typedvision")
    model = tv.create_model(name, seed=0).eval()
    if engine == "plain":
        return model, model.in_chans, {"compile_seconds": 0.0, "difference": 0.0}
    start = time.perf_counter()
    fast = tv.optimize(model, engine, batch_size=batch_size, img_size=img_size)
    seconds, report = time.perf_counter() - start, fast.report
    facts = {
        "compile_seconds": seconds if engine == "auto" else report.compile_seconds,
        "difference": report.difference,
        "chosen": report.engine,
    }
    return fast, model.in_chans, facts


def _of_timm(name: str) -> tuple[Callable[[Tensor], object], int, dict[str, object]]:
    import torch

    try:
        import_module("torchvision")
    except RuntimeError:  # its wheels expect operators that a CPU build of PyTorch lacks
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor a, Tensor b, float c) -> Tensor"
            )
    except ImportError:
        pass
    model = import_module("timm").create_model(name).eval()
    channels = model.pretrained_cfg["input_size"][0]
    return model, channels, {"compile_seconds": 0.0, "difference": None}


def _peak_memory() -> float | None:
    """The most resident memory that this process had, in MiB; None where no system says."""
    try:
        rows = Path("/proc/self/status").read_text("utf-8").splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return None


def _answer(answers: TextIO, data: dict[str, object]) -> None:
    print(json.dumps(data), file=answers, flush=True)


if __name__ == "__main__":
    main()
