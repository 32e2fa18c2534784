"""`typedvision predict`: classify images."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from typedvision.cli.models import names, read_model
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
    write_file,
)
from typedvision.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from typedvision.architecture.image_model import ImageModel
    from typedvision.prediction import Prediction

Images = Annotated[
    list[Path],
    typer.Argument(metavar="IMAGE", help="Image files, or folders: every image inside."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", help="Name of the model, name.tag, or a spec file.", autocompletion=names
    ),
]
CheckpointFile = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="FILE", help="A safetensors file with the weights."),
]
Top = Annotated[
    int, typer.Option("--top", min=1, metavar="N", help="Number of classes of each image.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "--output", "-o", metavar="FILE", help="Write a table: a .csv or a .json file."
    ),
]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, metavar="N", help="Number of images at once.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=1, metavar="N", help="Number of threads that read images.")
]
Device = Annotated[str, typer.Option("--device", help="Where the model runs: cpu, cuda, cuda:1.")]
Engine = Annotated[
    Literal["auto", "eager", "inductor", "onnxruntime", "openvino"] | None,
    typer.Option("--engine", help="Optimise the model for an engine first; auto: the fastest."),
]
MaxSeqLen = Annotated[
    int | None,
    typer.Option(
        "--max-seq-len",
        min=1,
        metavar="N",
        help="Keep each image's aspect ratio, in at most N patches; of models that take patches.",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Open no socket.")]


def predict(
    images: Images,
    model: Model = None,
    checkpoint: CheckpointFile = None,
    top: Top = 5,
    out: Out = None,
    force: Force = False,
    batch_size: BatchSize = 32,
    workers: Workers = 2,
    device: Device = "cpu",
    engine: Engine = None,
    max_seq_len: MaxSeqLen = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Classify images: the most probable classes of each.

    An image that cannot be read is a row with its error, and the others follow.

    \b
    Examples:
      typedvision predict *.jpg --model resnet50.a1_in1k --top 5
      typedvision predict cat.jpg --checkpoint model.safetensors --json
      typedvision predict photos --checkpoint model.safetensors --out table.csv
      typedvision predict photos --model resnet50 --engine auto
      typedvision predict photos --model naflexvit_base_patch16_gap --max-seq-len 576
    """
    if out is not None:
        if out.suffix not in _WRITERS:
            wanted = " or ".join(_WRITERS)
            raise typer.BadParameter(f"'{out}' must end in {wanted}", param_hint="--out")
        check_target(out, force=force)
    if model is None and checkpoint is None:
        raise typer.BadParameter("say which model: --model, --checkpoint, or both")
    files = list(_files(images))
    if not files:
        raise typer.BadParameter("there is no image in the folder", param_hint="IMAGE")
    with errors_shown(as_json):
        from typedvision.prediction import predict as predictions
        from typedvision.preprocess.transform import make_transform

        if max_seq_len is not None and model is not None:  # said before weights are fetched
            make_transform(read_model(model, None), max_seq_len=max_seq_len)
        loaded = _load(model, checkpoint, device, offline)
        found = predictions(
            loaded,
            files,
            top=top,
            batch_size=batch_size,
            workers=workers,
            engine=engine,
            max_seq_len=max_seq_len,
        )
        rows = list(_with_progress(found, len(files)))
    for row in rows:
        if row.error is not None and not as_json:
            print_error(row.error)
    if out is not None:
        write_file(out, _WRITERS[out.suffix](rows), force=force)
        failed = sum(row.error is not None for row in rows)
        if as_json:
            print_json({"file": str(out), "images": len(rows), "failed": failed})
        else:
            print_text(f"{out}: {len(rows):,} images, {failed:,} without a prediction")
    elif as_json:
        print_json([_document(row) for row in rows])
    else:
        _print(rows)
    if any(row.error is not None for row in rows):
        raise typer.Exit(INVALID)


def _files(images: Iterable[Path]) -> Iterator[Path]:
    """The files as they are, and the image files in folders at any depth, sorted."""
    from typedvision.preprocess.decode import suffixes

    known = suffixes()
    for path in images:
        if not path.is_dir():
            yield path
            continue
        for folder, inside, files in os.walk(path):
            inside.sort()
            here = [Path(folder, file) for file in sorted(files)]
            yield from (file for file in here if file.suffix.lower() in known)


def _load(model: str | None, checkpoint: Path | None, device: str, offline: bool) -> ImageModel:
    """Create the model with its weights, those of the checkpoint if one is named.

    Raises:
        TypedVisionError: the model cannot be created, or its weights cannot be loaded.
        typer.BadParameter: PyTorch has no such device on this machine.
    """
    from typedvision.architecture.build import resolve_device
    from typedvision.factory import create_model
    from typedvision.weights.load import load_model

    try:
        resolve_device(device)
    except UsageError as error:
        raise typer.BadParameter(error.summary, param_hint="--device") from None
    if model is None:
        assert checkpoint is not None
        return load_model(checkpoint, device=device)
    loaded = create_model(
        read_model(model, None) if model.endswith(".json") else model,
        pretrained=checkpoint is None,
        checkpoint_path=checkpoint,
        device=device,
        offline=offline,
    )
    report = loaded.load_report
    if report and not {key for key, _ in loaded.named_parameters()}.isdisjoint(report.initialised):
        raise WeightsError(
            f"'{report.source}' has no classifier for the {loaded.num_classes:,} classes of "
            f"'{model}': its predictions would be random"
        )
    return loaded


def _with_progress(rows: Iterable[Prediction], count: int) -> Iterator[Prediction]:
    """The rows, with a transient progress bar and speed where stderr is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    screen = console(stderr=True)
    columns = (
        TextColumn("predicting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.1f} images/s"),
    )
    hidden = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=count, speed=0.0)
        start = time.perf_counter()
        for done, row in enumerate(rows, 1):
            speed = done / (time.perf_counter() - start)
            progress.update(task, completed=done, speed=speed)
            yield row


def _document(row: Prediction) -> dict[str, object]:
    if row.error is not None:
        return {"image": str(row.image), "valid": False, **row.error.to_dict()}
    classes = [dataclasses.asdict(score) for score in row.classes]
    return {"image": str(row.image), "valid": True, "classes": classes}


def _json(rows: Iterable[Prediction]) -> str:
    return json.dumps([_document(row) for row in rows], indent=2, allow_nan=False) + "\n"


def _csv(rows: Iterable[Prediction]) -> str:
    """One row an image: its error, or its classes in descending order of probability."""
    rows = list(rows)
    ranks = range(1, 1 + max(len(row.classes) for row in rows))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = [f"{field}_{rank}" for rank in ranks for field in ("class", "name", "probability")]
    table.writerow(["image", "error", *columns])
    for row in rows:
        cells = [
            cell
            for score in row.classes
            for cell in (score.index, score.name, f"{score.probability:.6f}")
        ]
        error = "" if row.error is None else row.error.summary
        table.writerow([row.image, error, *cells, *[""] * (len(columns) - len(cells))])
    return text.getvalue().encode(errors="backslashreplace").decode()  # a name may be any bytes


def _print(rows: Iterable[Prediction]) -> None:
    cells = [
        (
            str(row.image) if rank == 0 else "",
            str(score.index),
            score.name or "",
            f"{score.probability:.1%}",
        )
        for row in rows
        for rank, score in enumerate(row.classes)
    ]
    if cells:
        print_table(["image", "class", "name", "probability"], cells)


_WRITERS = {".csv": _csv, ".json": _json}
