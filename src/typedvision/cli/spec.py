"""`typedvision spec`: print the JSON document of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from typedvision.cli.models import Settings, names, read_model
from typedvision.cli.output import AsJson, Force, Output, errors_shown, print_text, write_file

Model = Annotated[
    str,
    typer.Argument(help="Name of a model, name.tag, or a spec file.", autocompletion=names),
]
SchemaPath = Annotated[
    str | None,
    typer.Option("--schema", metavar="PATH", help="Where editors find the schema; see `schema`."),
]


def spec(
    model: Model,
    settings: Settings = None,
    output: Output = None,
    force: Force = False,
    schema: SchemaPath = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's spec: the JSON document that rebuilds it.

    \b
    Examples:
      typedvision spec resnet50 --set num_classes=10 --set in_chans=1
      typedvision spec resnet50 --set block_args.attn_layer=se -o model.json
      typedvision spec model.json --set drop_rate=0.2 -o other.json
    """
    with errors_shown(as_json):
        document = read_model(model, settings).to_json(schema=schema)
    if output is None:
        print_text(document)
    else:
        write_file(output, document + "\n", force=force)
