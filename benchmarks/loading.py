"""Creating a model from a local checkpoint, side by side with timm.

    python -m benchmarks.loading --timm PYTHON [--rounds 3] [NAME ...]

`PYTHON` is the interpreter of an environment that has timm. Both libraries read the same
safetensors file. Each measurement is a process of its own, the libraries alternate, and the best
of the rounds counts. Imports are not timed: a small model of the family comes first. Memory is the
peak of the process, above what it had by then.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.side_by_side import Numbers, best, factory, geometric_mean, parser, peak_memory

NAMES = ["resnet50", "convnext_base", "vit_base_patch16_224", "vit_large_patch16_224"]
SMALL = {
    "convnext": "test_convnext",
    "efficientnet": "test_efficientnet",
    "resnet": "test_resnet",
    "vit": "test_vit",
}
COLUMNS = ("create", "first output", "from scratch")


def main() -> None:
    """Print a table of ratios."""
    options = parser(__doc__, rounds=3)
    options.add_argument("names", nargs="*", default=NAMES)
    arguments = options.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    if not arguments.timm:
        options.error("--timm says which interpreter has timm")
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments.names, arguments.timm, arguments.rounds, Path(folder))


def compare(names: list[str], timm: str, rounds: int, folder: Path) -> None:
    """Measure each name, and print a line for each."""
    ratios: dict[str, list[float]] = {column: [] for column in COLUMNS}
    print(f"{'model':26}", *(f"{column:>27}" for column in COLUMNS), f"{'peak memory / file':>23}")
    print(f"{'':26}" + f"{'ours':>10}{'timm':>10}{'ratio':>8}" * 3)
    for name in names:
        file = folder / f"{name}.safetensors"
        write_checkpoint(name, file)
        ours, theirs = best("benchmarks.loading", timm, rounds, name, str(file))
        size = file.stat().st_size / 2**20
        line = f"{name:26}"
        for column in COLUMNS:
            ratios[column].append(theirs[column] / ours[column])
            line += f"{ours[column]:9.3f}s{theirs[column]:9.3f}s{ratios[column][-1]:7.1f}x"
        print(f"{line}{ours['memory'] / size:12.2f}{theirs['memory'] / size:12.2f}", flush=True)
        file.unlink()
    means = [geometric_mean(values) for values in ratios.values()]
    print(f"{'geometric mean':26}" + "".join(f"{mean:27.1f}x" for mean in means))


def write_checkpoint(name: str, path: Path) -> None:
    """A file as timm writes it: tensors, and no spec."""
    from safetensors.torch import save_file

    import typedvision as tv

    save_file(tv.create_model(name, seed=0).state_dict(), path)


def measure(library: str, name: str, file: str) -> Numbers:
    """In this process: create from the file, run once; then create with random weights."""
    import torch

    create = factory(library)
    if library == "typedvision":
        import typedvision.weights.load  # noqa: F401
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
    numbers = (created, output, scratch)
    return {**dict(zip(COLUMNS, numbers, strict=True)), "memory": memory}


if __name__ == "__main__":
    main()
