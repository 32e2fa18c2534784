"""`typedvision export`: write a checkpoint as a program for serving."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from typedvision.cli.models import read_model
from typedvision.cli.output import (
    AsJson,
    Force,
    Output,
    errors_shown,
    print_json,
    print_text,
    working,
)

if TYPE_CHECKING:
    from typedvision.architecture.image_model import ImageModel

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A safetensors file, its index, or a folder.")
]
Format = Annotated[
    Literal["pt2", "onnx"],
    typer.Option("--format", help="For `torch.export.load`, or for ONNX runtimes."),
]
Size = Annotated[
    int | None,
    typer.Option(
        "--img-size", min=1, metavar="N", help="Take images of N x N; by default the spec's size."
    ),
]
Check = Annotated[
    bool, typer.Option("--check/--no-check", help="Run the file, and compare with the model.")
]


def export(
    file: File,
    format: Format,
    output: Output = None,
    img_size: Size = None,
    check: Check = True,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint as a program that takes any number of images, and check it.

    The checkpoint must carry its spec, as files of `save_model` and `convert` do; the program
    carries it on. It is written beside the checkpoint, if there is no --output.

    \b
    Examples:
      typedvision export model.safetensors --format pt2
      typedvision export model.safetensors --format onnx -o served.onnx --img-size 288
    """
    source = Path(file)
    folder = source / "model" if os.path.isdir(source) else source
    target = output or folder.with_name(f"{folder.name.partition('.safetensors')[0]}.{format}")
    if os.path.exists(target) and not force:
        raise typer.BadParameter(f"'{target}' exists; --force replaces it", param_hint="--output")
    with errors_shown(as_json), working(f"exporting {file}"):
        from typedvision.export import export_model

        model = _load(file, img_size)
        report = export_model(model, target, format=format, img_size=img_size, check=check)
    if as_json:
        print_json({**dataclasses.asdict(report), "path": str(report.path)})
        return
    height, width = report.img_size
    difference = report.difference
    checked = "not checked" if difference is None else f"largest difference {difference:.1e}"
    print_text(f"{target}: images of {height} x {width}, {report.size:,} bytes; {checked}")


def _load(file: str, img_size: int | None) -> ImageModel:
    """Load the model of a checkpoint, adapted to `img_size` where its size is fixed."""
    from typedvision.architecture.summary import at_size
    from typedvision.factory import create_model
    from typedvision.weights.load import load_model

    if img_size is None:
        return load_model(file)
    return create_model(at_size(read_model(file, None), img_size), checkpoint_path=file)
