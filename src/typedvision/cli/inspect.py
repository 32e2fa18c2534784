"""`typedvision inspect`: print what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from typedvision.cli.output import AsJson, errors_shown, print_json, print_table, print_text

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A safetensors file, its index, or a folder.")
]
Tensors = Annotated[bool, typer.Option("--tensors", help="List every tensor.")]

_LISTED = 5  # names of classes


def inspect(file: File, tensors: Tensors = False, as_json: AsJson = False) -> None:
    """Print what a checkpoint holds, by its header alone.

    \b
    Examples:
      typedvision inspect model.safetensors
      typedvision inspect model.safetensors --tensors --json
    """
    from typedvision.registry.spec import ModelSpec
    from typedvision.weights.inspect import inspect as read

    with errors_shown(as_json):
        checkpoint = read(file)
    if as_json:
        document = checkpoint.to_dict()
        print_json(document if tensors else {**document, "tensors": len(checkpoint.tensors)})
        return
    what = "no spec: written by another library"
    if checkpoint.spec is not None:
        what = f"{checkpoint.spec.subject}, written by typedvision {checkpoint.version}"
    if isinstance(checkpoint.spec, ModelSpec):
        what += _classes(checkpoint.spec.class_names or ())
    count = f"{len(checkpoint.tensors):,} tensors, {checkpoint.elements:,} numbers"
    print_text(f"{file}: {what}; {count}, {checkpoint.size:,} bytes")
    if tensors:
        rows = [
            (name, tensor.dtype, " x ".join(map(str, tensor.shape)), f"{tensor.size:,}")
            for name, tensor in checkpoint.tensors.items()
        ]
        print_table(["tensor", "type", "shape", "bytes"], rows)


def _classes(names: Sequence[str]) -> str:
    """The first names of the classes, in one line; empty where there are none."""
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"; classes {', '.join(names[:_LISTED])}{more}" if names else ""
