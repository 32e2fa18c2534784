"""Importing, listing, checking and creating in a new process, side by side with timm.

    python -m benchmarks.starting --timm PYTHON [--rounds 5]

`PYTHON` is the interpreter of an environment that has timm. Each task is a process of its own that
imports what it needs; the libraries alternate, and the best of the rounds counts. Seconds are
those of the whole task, imports included; memory is what it adds to an empty Python.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks.side_by_side import Numbers, best, factory, parser, peak_memory


def import_only(library: str) -> None:
    """What a program pays that has the library in a module and does not use it."""
    if library == "typedvision":
        import typedvision  # noqa: F401
    else:
        factory(library)


def list_names(library: str) -> None:
    """Every name."""
    module = _module(library)
    assert len(module.list_models()) > 400


def refuse(library: str) -> None:
    """A call with an option that the model does not have ends in an error."""
    create_model = factory(library)
    with contextlib.suppress(TypeError, ValueError):
        create_model("resnet50", qkv_bias=False)
        raise LookupError("nobody noticed")


def describe(library: str) -> None:
    """What preprocessing a published model wants: timm's config of the weights, our spec."""
    module = _module(library)
    if library == "typedvision":
        assert module.specify("resnet50.a1_in1k").image.size
    else:
        assert module.get_pretrained_cfg("resnet50.a1_in1k").input_size


def create(library: str) -> None:
    """A small model with fresh weights."""
    factory(library)("resnet18")


TASKS: dict[str, Callable[[str], None]] = {
    "import the library": import_only,
    "list all names": list_names,
    "refuse a wrong option": refuse,
    "preprocessing of a tag": describe,
    "create resnet18": create,
}


def main() -> None:
    """Print a table of ratios."""
    options = parser(__doc__, rounds=5)
    arguments = options.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    if not arguments.timm:
        options.error("--timm says which interpreter has timm")
    print(f"{'in a new process':26}{'ours':>10}{'timm':>10}{'ratio':>9}{'ours':>10}{'timm':>10}")
    for title in TASKS:
        ours, theirs = best("benchmarks.starting", arguments.timm, arguments.rounds, title)
        ratio = theirs["time"] / ours["time"]
        times = f"{1000 * ours['time']:7.1f} ms{1000 * theirs['time']:7.0f} ms{ratio:8,.1f}x"
        memory = f"{ours['memory']:6.0f} MiB{theirs['memory']:6.0f} MiB"
        print(f"{title:26}{times}{memory}", flush=True)


def measure(library: str, title: str) -> Numbers:
    """The task in this process."""
    before = peak_memory()
    start = time.perf_counter()
    TASKS[title](library)
    return {"time": time.perf_counter() - start, "memory": peak_memory() - before}


def _module(library: str) -> Any:
    """The library itself."""
    if library == "typedvision":
        import typedvision

        return typedvision
    factory(library)
    import timm

    return timm


if __name__ == "__main__":
    main()
