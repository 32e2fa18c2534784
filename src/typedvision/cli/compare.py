"""`typedvision compare`: two models side by side."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from typedvision.cli.models import names, read_model, summary_of
from typedvision.cli.output import AsJson, errors_shown, print_json, print_table, print_text

if TYPE_CHECKING:
    from typedvision.registry.spec import ModelSpec

Model = Annotated[
    str,
    typer.Argument(
        help="Name of a model, name.tag, a spec file, or a checkpoint that carries its spec.",
        autocompletion=names,
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Also list what is equal.")]

_Values = dict[str, object]
_VALUE_WIDTH = 36  # two of them and a path fit a terminal


def compare(a: Model, b: Model, everything: Everything = False, as_json: AsJson = False) -> None:
    """Compare two models: what differs in their specs, then what they cost.

    Of the options that only one family has, those are listed that are not at their default.
    Counting the costs loads torch.

    \b
    Examples:
      typedvision compare resnet50 resnet50d
      typedvision compare resnet50.a1_in1k resnet50.tv_in1k
      typedvision compare model.json model.safetensors --all --json
    """
    with errors_shown(as_json):
        specs = read_model(a, None), read_model(b, None)
        values = _values(*specs, everything)
        if not as_json:
            _print(a, b, values)
        costs = [summary_of(spec) for spec in specs]
    if as_json:
        models = [
            {"model": model, "values": listed, **cost.to_dict()}
            for model, listed, cost in zip((a, b), values, costs, strict=True)
        ]
        print_json({"models": models})
        return
    parameters = [f"{cost.parameters:,}" for cost in costs]
    multiply_adds = [f"{cost.multiply_adds:,}" for cost in costs]
    rows = [("parameters", *parameters), ("multiply-adds", *multiply_adds)]
    print_table(["", a, b], rows)


def _print(a: str, b: str, values: tuple[_Values, _Values]) -> None:
    paths = {**values[0], **values[1]}
    if paths:
        print_table(["", a, b], [(path, *_cells(values, path)) for path in paths])
    else:
        print_text("the specs say the same")
    print_text("")


def _values(a: ModelSpec, b: ModelSpec, everything: bool) -> tuple[_Values, _Values]:
    """The values of each spec by path; without `everything`, those that differ."""
    left, right = dict(_flat(_document(a))), dict(_flat(_document(b)))
    chosen = {path for spec in (a, b) for path, _ in _flat({"config": _not_default(spec)})}

    def listed(path: str) -> bool:
        shared = path in left and path in right
        return everything or (left[path] != right[path] if shared else path in chosen)

    return (
        {path: value for path, value in left.items() if listed(path)},
        {path: value for path, value in right.items() if listed(path)},
    )


def _document(spec: ModelSpec) -> _Values:
    """The document of a spec, its variant and its tag first."""
    document = spec.to_dict()
    return {key: document[key] for key in ("family", "variant", "tag")} | document


def _not_default(spec: ModelSpec) -> _Values:
    return spec.config.model_dump(mode="json", exclude_defaults=True)


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The values inside a document, by the dotted paths that errors use."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _cells(values: tuple[_Values, _Values], path: str) -> list[str]:
    return [
        textwrap.fill(json.dumps(listed[path]), _VALUE_WIDTH) if path in listed else "-"
        for listed in values
    ]
