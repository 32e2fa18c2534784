"""`typedvision bench`: models on several engines beside each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typedvision.cli.models import names as complete
from typedvision.cli.output import (
    INVALID,
    AsJson,
    Force,
    check_target,
    console,
    errors_shown,
    print_error,
    print_json,
    print_table,
    print_text,
)
from typedvision.errors import OptimizeError, listed

if TYPE_CHECKING:
    from typedvision.inference.bench import BenchFailure, BenchRow

Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME", help="Names of models.", autocompletion=complete),
]
Engines = Annotated[
    str | None,
    typer.Option(
        "--engines",
        metavar="LIST",
        help="plain, eager, inductor, onnxruntime, openvino, auto; by default what is installed, "
        "but for inductor.",
    ),
]
Batches = Annotated[
    str, typer.Option("--batch", metavar="LIST", help="Numbers of images at a time: 1,4,32.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="Threads; by default all CPUs.")
]
Size = Annotated[
    int | None, typer.Option("--img-size", min=1, metavar="N", help="Images of N x N.")
]
Rounds = Annotated[
    int, typer.Option("--rounds", min=1, metavar="N", help="Rounds of each engine, of 3 batches.")
]
Timm = Annotated[
    str | None, typer.Option("--timm", metavar="PYTHON", help="An interpreter that has timm.")
]
Chart = Annotated[
    Path | None, typer.Option("--chart", metavar="FILE", help="Draw a chart: an .svg or a .png.")
]


def bench(
    names: Names,
    engines: Engines = None,
    batch: Batches = "1",
    threads: Threads = None,
    img_size: Size = None,
    rounds: Rounds = 5,
    timm: Timm = None,
    chart: Chart = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Measure models on the engines of this machine, with random weights.

    Each engine is a process of its own, and they run interleaved. `plain` is the model as it is;
    `auto` is what `optimize` takes. Speeds are ratios to timm where it is measured, otherwise to
    plain.

    \b
    Examples:
      typedvision bench resnet50 vit_small_patch16_224
      typedvision bench resnet50 --engines plain,openvino --batch 1,4,32 --chart engines.svg
    """
    kinds = _engines(engines)
    sizes = _batches(batch)
    if chart is not None:
        if chart.suffix not in (".svg", ".png"):
            raise typer.BadParameter(f"'{chart}' must end in .svg or .png", param_hint="--chart")
        check_target(chart, force=force)
    with errors_shown(as_json):
        from typedvision.inference.bench import BenchRow, load, ratios
        from typedvision.inference.bench import bench as measure

        load_before = load()
        with console(stderr=True).status("measuring") as status:
            found = list(
                measure(
                    names,
                    kinds,
                    batch_sizes=sizes,
                    img_size=img_size,
                    threads=threads,
                    rounds=rounds,
                    timm=timm,
                    say=status.update,
                )
            )
    rows = [row for row in found if isinstance(row, BenchRow)]
    baseline = "timm" if timm else "plain"
    means = ratios(rows, baseline)
    if as_json:
        results = [dataclasses.asdict(row) for row in found]
        speeds = {"baseline": baseline, "geometric_means": means}
        print_json({"load": load_before, "results": results, "speeds": speeds})
    else:
        _print(found, baseline)
        if len({(row.model, row.batch_size) for row in rows}) > 1:
            text = ", ".join(f"{engine} {mean:.2f}x" for engine, mean in means.items())
            print_text(f"geometric means, {baseline} = 1: {text}")
        print_text(f"load of the machine before: {load_before:.1f}")
    if chart is not None and rows:
        _draw(chart, rows)
    if len(rows) < len(found):
        raise typer.Exit(INVALID)


def _engines(text: str | None) -> list[str]:
    from importlib.util import find_spec

    optional = ("onnxruntime", "openvino")
    if text is None:
        return ["plain", "eager", *(name for name in optional if find_spec(name)), "auto"]
    known = ("plain", "eager", "inductor", *optional, "auto")
    wanted = text.replace(",", " ").split()
    for name in wanted or [""]:
        if name not in known:
            raise typer.BadParameter(
                f"an engine is {listed(known)}; got {name!r}", param_hint="--engines"
            )
    return wanted


def _batches(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise typer.BadParameter(
            f"must be numbers such as 1,4,32; got {text!r}", param_hint="--batch"
        )
    return sizes


def _print(found: list[BenchRow | BenchFailure], baseline: str) -> None:
    from typedvision.inference.bench import BenchFailure, BenchRow, ratios

    columns = ["model", "batch", "engine", "median", "p95", "images/s", "speed"]
    columns += ["memory", "compile", "difference"]
    cells: list[list[str]] = []
    for row in found:
        if isinstance(row, BenchFailure):
            print_error(OptimizeError(row.error), f"{row.model}, batch {row.batch_size}")
            continue
        beside = [
            other
            for other in found
            if isinstance(other, BenchRow)
            and (other.model, other.batch_size) == (row.model, row.batch_size)
            and other.engine in (row.engine, baseline)
        ]
        speed = ratios(beside, baseline).get(row.engine)
        chosen = f"{row.engine} ({row.chosen})" if row.engine == "auto" else row.engine
        cells.append(
            [
                row.model,
                str(row.batch_size),
                chosen,
                f"{row.median * 1000:.1f} ms",
                f"{row.p95 * 1000:.1f} ms",
                f"{row.images_per_second:,.1f}",
                "" if speed is None else f"{speed:.2f}x",
                "" if row.memory is None else f"{row.memory:,.0f} MiB",
                f"{row.compile_seconds:.1f} s",
                "" if row.difference is None else f"{row.difference:.1e}",
            ]
        )
    if cells:
        print_table(columns, cells)


def _draw(path: Path, rows: list[BenchRow]) -> None:
    from typedvision.inference import chart
    from typedvision.weights.files import replace_file

    if path.suffix == ".svg":
        text = chart.svg(rows)
        replace_file(path, lambda draft: draft.write_text(text, "utf-8"))
    else:
        data = chart.png(rows)
        replace_file(path, lambda draft: draft.write_bytes(data))
