"""`typedvision list`: the names of published models."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from typedvision.cli.models import parameters
from typedvision.cli.output import AsJson, errors_shown, print_json, print_table, print_text
from typedvision.registry import index
from typedvision.registry.listing import list_models

Patterns = Annotated[
    list[str] | None, typer.Argument(metavar="PATTERN", help="Wildcards of names.")
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="Names to leave out. Repeatable.")
]
Family = Annotated[str | None, typer.Option(metavar="KEY", help="This family only.")]
Tags = Annotated[bool, typer.Option("--tags", help="Each model with each tag of its weights.")]
Accepts = Annotated[
    list[str] | None,
    typer.Option(metavar="OPTION", help="Models that have this option only. Repeatable."),
]
InputSize = Annotated[
    Literal["any", "fixed", "multiple"] | None,
    typer.Option(help="Models that take such input sizes only."),
]
GlobalPool = Annotated[
    str | None, typer.Option(metavar="KIND", help="Models that offer this pooling only.")
]
License = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN", help="Models whose weights have this licence only. Repeatable."
    ),
]


def listing(
    patterns: Patterns = None,
    exclude: Exclude = None,
    family: Family = None,
    tags: Tags = False,
    accepts: Accepts = None,
    input_size: InputSize = None,
    global_pool: GlobalPool = None,
    license: License = None,
    as_json: AsJson = False,
) -> None:
    """List published models: a table on a terminal, one name a line in a pipe.

    \b
    Examples:
      typedvision list 'resnet*' 'wide_*' --exclude '*d'
      typedvision list --accepts cardinality
      typedvision list --tags --license 'apache-*' --json
    """
    with errors_shown(as_json):
        names = list_models(
            patterns or "*",
            exclude=exclude or (),
            family=family,
            tags=tags,
            accepts=accepts or (),
            input_size=input_size,
            global_pool=global_pool,
            license=license or (),
        )
        if not as_json and not sys.stdout.isatty():
            for name in names:
                print_text(name)
            return
        models = [_row(name) for name in names]
    if as_json:
        print_json(models)
    elif models:
        print_table(models[0], ([_cell(value) for value in row.values()] for row in models))
    else:
        print("no model matches", file=sys.stderr)


def _row(name: str) -> dict[str, object]:
    """The row of a model, or of a model with a tag, from the index."""
    variant, _, tag = name.partition(".")
    family = index.family_key(variant) or ""
    if tag:
        return {"name": name, "family": family, "license": index.license_of(name)}
    return {
        "name": name,
        "family": family,
        "parameters": parameters(name),
        "default_tag": next(iter(index.tags(name)), None),
        "license": index.license_of(name),
    }


def _cell(value: object) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
