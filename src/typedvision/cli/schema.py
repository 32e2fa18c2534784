"""`typedvision schema`: print the JSON Schema of specs."""

from __future__ import annotations

import json

from typedvision.cli.output import AsJson, Force, Output, errors_shown, print_json, write_file


def schema(output: Output = None, force: Force = False, as_json: AsJson = False) -> None:
    """Print the JSON Schema of specs, for editors such as VS Code.

    \b
    Examples:
      typedvision schema -o spec.schema.json
      typedvision spec resnet50 --schema spec.schema.json -o resnet50.json
    """
    from typedvision.registry.spec import ModelSpec

    with errors_shown(as_json):
        document = ModelSpec.json_schema()
    if output is None:
        print_json(document)
    else:
        write_file(output, json.dumps(document, indent=2) + "\n", force=force)
