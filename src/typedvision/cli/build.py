"""`typedvision build`: build models on the meta device, and print their size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from typedvision.cli.models import Settings, names, read_model
from typedvision.cli.output import (
    INVALID,
    AsJson,
    console,
    print_error,
    print_json,
    print_table,
    print_text,
)
from typedvision.config.limits import DEFAULT_LIMITS, Limits
from typedvision.errors import TypedVisionError

if TYPE_CHECKING:
    from torch import nn

    from typedvision.architecture.image_model import ImageModel

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="Names of models, or spec files.", autocompletion=names),
]
MaxParams = Annotated[
    int, typer.Option("--max-params", min=1, metavar="N", help="Refuse a larger model.")
]


def build(
    models: Models,
    settings: Settings = None,
    max_params: MaxParams = DEFAULT_LIMITS.params,
    as_json: AsJson = False,
) -> None:
    """Build models without their weights: print the parameters of each module.

    Takes no memory, however large the model is.

    \b
    Examples:
      typedvision build resnet50 --set num_classes=10
      typedvision build models/*.json --max-params 50_000_000 --json
    """
    results = [_try(model, settings, max_params) for model in _with_progress(models)]
    if as_json:
        print_json([{"model": model, **_document(result)} for model, result in results])
    else:
        for model, result in results:
            _print(model, result)
    if any(isinstance(result, TypedVisionError) for _, result in results):
        raise typer.Exit(INVALID)


def _with_progress(models: list[str]) -> Iterable[str]:
    """Build the models, with a transient progress bar where stderr is a terminal."""
    from rich.progress import track

    screen = console(stderr=True)
    return track(models, "building", console=screen, transient=True, disable=not screen.is_terminal)


def _try(
    model: str, settings: list[str] | None, max_params: int
) -> tuple[str, ImageModel | TypedVisionError]:
    from typedvision.factory import create_model

    try:
        spec = read_model(model, settings)
        return model, create_model(spec, device="meta", limits=Limits(params=max_params))
    except TypedVisionError as error:
        return model, error


def _parts(model: ImageModel) -> list[tuple[str, str, int]]:
    """Name, type and number of parameters of each child and each own parameter of a model."""
    own = [
        (name, type(tensor).__name__, tensor.numel())
        for name, tensor in model.named_parameters(recurse=False)
    ]
    modules = [
        (name, type(module).__name__, _count(module)) for name, module in model.named_children()
    ]
    return [*own, *modules]


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _document(result: ImageModel | TypedVisionError) -> dict[str, object]:
    if isinstance(result, TypedVisionError):
        return {"valid": False, **result.to_dict()}
    return {
        "valid": True,
        "family": result.spec.family,
        "variant": result.spec.variant,
        "digest": result.spec.digest(),
        "parameters": _count(result),
        "modules": [
            {"name": name, "type": kind, "parameters": count}
            for name, kind, count in _parts(result)
        ],
    }


def _print(model: str, result: ImageModel | TypedVisionError) -> None:
    if isinstance(result, TypedVisionError):
        print_error(result, model)
        return
    print_text(f"{model}: {type(result).__name__}, {_count(result):,} parameters")
    parts = [(name, kind, f"{count:,}") for name, kind, count in _parts(result)]
    print_table(["module", "type", "parameters"], parts)
