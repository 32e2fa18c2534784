"""Creating a model from a local checkpoint, side by side with timm.

    python benchmarks/loading.py --timm PYTHON [--rounds 3] [NAME ...]

`PYTHON` is the interpreter of an environment that has timm. Both libraries read the same
safetensors file. Each measurement is a process of its own, the libraries take turns, and the best
of the rounds counts. Imports are not timed: a small model of the family comes first. Memory is the
peak of the process, above what it had by then.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TypedDict

NAMES = ["resnet50", "convnext_base", "vit_base_patch16_224", "vit_large_patch16_224"]
SMALL = {
    "convnext": "test_convnext",
    "efficientnet": "test_efficientnet",
    "resnet": "test_resnet",
    "vit": "test_vit",
}
COLUMNS = ("create", "first output", "from scratch")


class Measurement(TypedDict):
    """One process: seconds, and MiB."""

    create: float
    output: float
    scratch: float
    memory: float


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--timm", metavar="PYTHON", help="an interpreter that has timm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("LIBRARY", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure[0], arguments.names[0], arguments.measure[1])))
        return
    if not arguments.timm:
        parser.error("--timm says which interpreter has timm")
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments.names, arguments.timm, arguments.rounds, Path(folder))


def compare(names: list[str], timm: str, rounds: int, folder: Path) -> None:
    """Measure each name, and print a line for each."""
    ratios: dict[str, list[float]] = {column: [] for column in COLUMNS}
    head = f"{'model':26}" + "".join(f"{column:>28}" for column in COLUMNS)
    print(
        f"{head}{'peak memory / file':>24}\n{'':26}" + f"{'ours':>10}{'timm':>10}{'ratio':>8}" * 3
    )
    for name in names:
        file = folder / f"{name}.safetensors"
        write_checkpoint(name, file)
        ours, theirs = best(name, file, sys.executable, timm, rounds)
        size = file.stat().st_size / 2**20
        line = f"{name:26}"
        for column, key in zip(COLUMNS, ("create", "output", "scratch"), strict=True):
            mine, other = float(ours[key]), float(theirs[key])  # type: ignore[literal-required]
            ratios[column].append(other / mine)
            line += f"{mine:9.3f}s{other:9.3f}s{other / mine:7.1f}x"
        print(f"{line}{ours['memory'] / size:12.2f}{theirs['memory'] / size:12.2f}", flush=True)
        file.unlink()
    means = [math.exp(sum(map(math.log, values)) / len(values)) for values in ratios.values()]
    print(f"{'geometric mean':26}" + "".join(f"{mean:27.1f}x" for mean in means))


def write_checkpoint(name: str, path: Path) -> None:
    """A file as timm writes it: tensors, and no spec."""
    from safetensors.torch import save_file

    import typedvision as tv

    save_file(tv.create_model(name, seed=0).state_dict(), path)


def best(
    name: str, file: Path, ours: str, timm: str, rounds: int
) -> tuple[Measurement, Measurement]:
    """The best of some rounds, of each library."""
    found: dict[str, list[Measurement]] = {"typedvision": [], "timm": []}
    for _ in range(rounds):
        for library, python in (("typedvision", ours), ("timm", timm)):
            command = [python, __file__, name, "--measure", library, str(file)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[library].append(json.loads(done.stdout.splitlines()[-1]))
    return least(found["typedvision"]), least(found["timm"])


def least(rows: list[Measurement]) -> Measurement:
    """The least of each number."""
    return Measurement(
        create=min(row["create"] for row in rows),
        output=min(row["output"] for row in rows),
        scratch=min(row["scratch"] for row in rows),
        memory=min(row["memory"] for row in rows),
    )


def measure(library: str, name: str, file: str) -> Measurement:
    """In this process: create from the file, run once; then create with random weights."""
    import torch

    if library == "timm":
        # timm imports torchvision, whose wheels expect operators that a CPU build lacks.
        operators = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            operators.define(f"{operator}(Tensor a, Tensor b, float c) -> Tensor")
        import timm

        create = timm.create_model
    else:
        import typedvision as tv
        import typedvision.weights.load

        create = tv.create_model
    create(SMALL[name.partition("_")[0].rstrip("0123456789")])
    before = peak_memory()
    start = time.perf_counter()
    model = create(name, checkpoint_path=file).eval()
    created = time.perf_counter() - start
    with torch.inference_mode():
        model(torch.zeros(1, 3, 224, 224))
    output = time.perf_counter() - start
    memory = peak_memory() - before
    del model
    start = time.perf_counter()
    torch.manual_seed(0)
    create(name)
    scratch = time.perf_counter() - start
    return Measurement(create=created, output=output, scratch=scratch, memory=memory)


def peak_memory() -> float:
    """The most resident memory that this process had so far, in MiB."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
