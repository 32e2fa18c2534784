"""Running and training a model on images, side by side with timm.

    python -m benchmarks.running --timm PYTHON [--rounds 3] [--batch 4] [NAME ...]

`PYTHON` is the interpreter of an environment that has timm. Each measurement is a process of its
own, the libraries alternate, and the best of the rounds counts; in a process, the best of five
repetitions. The step is forward, backward and SGD.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from benchmarks.side_by_side import Numbers, best, factory, geometric_mean, parser

NAMES = [
    "resnet50",
    "efficientnet_b0",
    "mobilenetv3_large_100",
    "convnext_tiny",
    "vit_small_patch16_224",
    "swin_tiny_patch4_window7_224",
]
COLUMNS = ("forward", "training step")
REPETITIONS = 5


def main() -> None:
    """Print a table of ratios."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--batch", type=int, default=4, help="images at a time")
    options.add_argument("names", nargs="*", default=NAMES)
    arguments = options.parse_args()
    if arguments.measure:
        library, name, batch = arguments.measure
        print(json.dumps(measure(library, name, int(batch))))
        return
    if not arguments.timm:
        options.error("--timm says which interpreter has timm")
    ratios: dict[str, list[float]] = {column: [] for column in COLUMNS}
    print(f"{'model':30}", *(f"{column:>27}" for column in COLUMNS))
    print(f"{'':30}" + f"{'ours':>10}{'timm':>10}{'ratio':>8}" * len(COLUMNS))
    for name in arguments.names:
        work = (name, str(arguments.batch))
        ours, theirs = best("benchmarks.running", arguments.timm, arguments.rounds, *work)
        line = f"{name:30}"
        for column in COLUMNS:
            ratios[column].append(theirs[column] / ours[column])
            line += f"{ours[column]:9.3f}s{theirs[column]:9.3f}s{ratios[column][-1]:7.2f}x"
        print(line, flush=True)
    means = [geometric_mean(values) for values in ratios.values()]
    print(f"{'geometric mean':30}" + "".join(f"{mean:27.2f}x" for mean in means))


def measure(library: str, name: str, batch: int) -> Numbers:
    """In this process: the seconds of a forward pass, and of a step of training."""
    import torch

    torch.manual_seed(0)
    model = factory(library)(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    images = torch.rand(batch, 3, 224, 224)

    def forward() -> None:
        with torch.inference_mode():
            model(images)

    def step() -> None:
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()

    model.eval()
    seconds = _best_time(forward)
    model.train()
    return dict(zip(COLUMNS, (seconds, _best_time(step)), strict=True))


def _best_time(work: Callable[[], None]) -> float:
    """The least of some times, after one that is not counted."""
    work()
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
