"""From three JSON specs to three trained models, and what a wrong call prints.

Trains on real handwritten digits, saves each model as one file that carries its spec, loads the
file alone in a fresh process, and draws the predictions for the test digits.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import digits
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from safetensors.torch import load_file
from sheet import draw
from torch import Tensor

import typedvision as tv

HERE = Path(__file__).parent
OUT = HERE / "out"
SPECS = ("resnet", "vit", "efficientnet")
EPOCHS = 20
BATCH = 32
WANTED_ACCURACY = 0.95


@dataclass(frozen=True)
class Result:
    """One trained model, and its logits for the test digits."""

    name: str
    params: int
    seconds: float
    accuracy: float
    logits: Tensor


def main() -> int:
    """Run the demonstration; return 0 if every check passed."""
    console = Console()
    OUT.mkdir(exist_ok=True)
    train, test, train_labels, test_labels = digits.load()
    console.print(f"{len(train)} digits to learn from, {len(test)} to be tested on\n")

    results = []
    for name in SPECS:
        spec = tv.ModelSpec.from_json((HERE / f"{name}.json").read_text())
        model = tv.create_model(spec, seed=0)
        seconds = fit(name, model, digits.prepare(train, spec.image), train_labels, console)
        logits = predict(model, digits.prepare(test, spec.image))
        accuracy = (logits.argmax(1) == test_labels).float().mean().item()
        tv.save_model(model, OUT / f"{name}.safetensors")
        params = sum(parameter.numel() for parameter in model.parameters())
        results.append(Result(name, params, seconds, accuracy, logits))

    same = {
        result.name: torch.equal(in_fresh_process(result.name), result.logits) for result in results
    }
    console.print(table(results, same))
    sheet = draw(OUT / "digits.png", test, test_labels, {r.name: r.logits for r in results})
    console.print(f"images, predictions and confidences: {sheet.relative_to(Path.cwd())}\n")
    show_wrong_calls(console)
    accurate = all(result.accuracy >= WANTED_ACCURACY for result in results)
    return 0 if accurate and all(same.values()) else 1


def fit(name: str, model: tv.ImageModel, images: Tensor, labels: Tensor, console: Console) -> float:
    """Train a model in place; return the seconds that it took."""
    start = time.perf_counter()
    order = torch.Generator().manual_seed(0)
    torch.manual_seed(0)  # dropout
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    columns = TextColumn(f"{name:13s}"), BarColumn(), TextColumn("loss {task.fields[loss]:.3f}")
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(name, total=steps, loss=float("nan"))
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(images), generator=order).split(BATCH):
                loss = F.cross_entropy(model(images[batch]), labels[batch], label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.update(task, advance=1, loss=loss.item())
    return time.perf_counter() - start


@torch.inference_mode()
def predict(model: tv.ImageModel, images: Tensor) -> Tensor:
    """Logits of images."""
    return model.eval()(images)


def in_fresh_process(name: str) -> Tensor:
    """The test logits of a saved model, from a process that is given its file alone."""
    output = OUT / f"{name}.logits.safetensors"
    script = [sys.executable, str(HERE / "predict.py")]
    subprocess.run([*script, str(OUT / f"{name}.safetensors"), str(output)], check=True)
    return load_file(output)["logits"]


def table(results: list[Result], same: dict[str, bool]) -> Table:
    """The results, one row a model."""
    rows = Table()
    rows.add_column("model")
    for heading in ("parameters", "seconds", "accuracy"):
        rows.add_column(heading, justify="right")
    rows.add_column("predictions from the file alone")
    for result in results:
        rows.add_row(
            result.name,
            f"{result.params:,}",
            f"{result.seconds:.1f}",
            f"{result.accuracy:.1%}",
            "the same to the bit" if same[result.name] else "[red]different",
        )
    return rows


def show_wrong_calls(console: Console) -> None:
    """Make three wrong calls, and print the errors that they raise before anything is built."""
    document = """{
  "schema_version": 1,
  "family": "vit",
  "config": {"depth": 1000000000, "num_head": 12, "drop_rate": "0.1"}
}"""
    wrong: dict[str, Callable[[], object]] = {
        'create_model("resnet50", qkv_bias=False, num_clases=10, drop_rate=3.0)': lambda: (
            tv.create_model("resnet50", qkv_bias=False, num_clases=10, drop_rate=3.0)
        ),
        'create_model("resnet-5O")': lambda: tv.create_model("resnet-5O"),
        f"ModelSpec.from_json('''{document}''')": lambda: tv.ModelSpec.from_json(document),
    }
    for call, run in wrong.items():
        console.print(f">>> {call}", style="bold", highlight=False, markup=False, soft_wrap=True)
        try:
            run()
        except tv.TypedVisionError as error:
            text = f"{type(error).__name__} {error}\n"
            console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
