"""`typedvision check`: validate specs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typedvision.cli.models import spec_of
from typedvision.cli.output import INVALID, AsJson, print_error, print_json, print_text
from typedvision.errors import TypedVisionError

if TYPE_CHECKING:
    from typedvision.registry.backbone import BackboneSpec
    from typedvision.registry.spec import ModelSpec

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Spec files, folders of them, or checkpoints that carry their spec; - is stdin.",
    ),
]


def check(files: Files, as_json: AsJson = False) -> None:
    """Validate specs, of models or backbones: print every problem of each, with its path.

    \b
    Examples:
      typedvision check models/*.json
      typedvision spec resnet50 | typedvision check -
    """
    results = [(file, _try(file)) for file in _in_folders(files)]
    if as_json:
        print_json([{"file": file, **_document(result)} for file, result in results])
    else:
        for file, result in results:
            _print(file, result)
    if any(isinstance(result, TypedVisionError) for _, result in results):
        raise typer.Exit(INVALID)


def _in_folders(files: Iterable[str]) -> Iterator[str]:
    """The files, and in the place of a folder that is no checkpoint its `.json` files, sorted."""
    for file in files:
        folder = Path(file)
        specs = sorted(folder.glob("*.json")) if os.path.isdir(file) else []
        if not specs or list(folder.glob("model.safetensors*")):
            yield file
        else:
            yield from map(str, specs)


def _try(file: str) -> ModelSpec | BackboneSpec | TypedVisionError:
    try:
        return spec_of(file)
    except TypedVisionError as error:
        return error


def _document(result: ModelSpec | BackboneSpec | TypedVisionError) -> dict[str, object]:
    from typedvision.registry.spec import ModelSpec

    if isinstance(result, TypedVisionError):
        return {"valid": False, **result.to_dict()}
    model = result if isinstance(result, ModelSpec) else result.model
    return {
        "valid": True,
        "family": model.family,
        "variant": model.variant,
        "tag": model.tag,
        "digest": result.digest(),
    }


def _print(file: str, result: ModelSpec | BackboneSpec | TypedVisionError) -> None:
    if isinstance(result, TypedVisionError):
        print_error(result, file)
    else:
        print_text(f"{file}: ok, {result.subject}, sha256 {result.digest()}")
