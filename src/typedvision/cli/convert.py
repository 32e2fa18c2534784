"""`typedvision convert`: write a pickle or an `.npz` as a safetensors file with its spec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from typedvision.cli.models import Settings, names, read_model
from typedvision.cli.output import AsJson, Force, errors_shown, print_json, print_text

Source = Annotated[Path, typer.Argument(help="A .pth, .pt, .bin, .npz or .safetensors file.")]
Target = Annotated[Path, typer.Argument(help="The safetensors file to write.")]
Model = Annotated[
    str,
    typer.Option(
        "--model", help="Name of the model, name.tag, or a spec file.", autocompletion=names
    ),
]
Ema = Annotated[bool, typer.Option("--ema", help="Take the moving average of the weights.")]
Prefix = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        help="What the names of the model's tensors start with; found where only one fits.",
    ),
]


def convert(
    source: Source,
    target: Target,
    model: Model,
    settings: Settings = None,
    ema: Ema = False,
    prefix: Prefix = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint of another kind as a safetensors file that says which model it is.

    The source is read by another process, under limits, which runs no code that a pickle names.

    \b
    Examples:
      typedvision convert in.pth out.safetensors --model resnet50
      typedvision convert last.pth.tar out.safetensors --model resnet50 --set num_classes=10 --ema
      typedvision convert last.ckpt out.safetensors --model resnet50 --prefix model.
    """
    if os.path.exists(target) and not force:
        raise typer.BadParameter(f"'{target}' exists; --force replaces it", param_hint="TARGET")
    from typedvision.weights.convert import convert as write

    with errors_shown(as_json):
        report = write(source, target, read_model(model, settings), ema=ema, prefix=prefix)
    loaded = len(report.matched)
    if as_json:
        print_json({"source": report.source, "target": str(target), "tensors": loaded})
    else:
        print_text(f"{target}: {loaded} tensors of {source}")
