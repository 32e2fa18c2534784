"""`typedvision check`: is this a valid spec?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from typedvision.cli.models import read_file
from typedvision.cli.output import INVALID, AsJson, print_error, print_json, print_text
from typedvision.errors import TypedVisionError

if TYPE_CHECKING:
    from typedvision.registry.spec import ModelSpec

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Spec files; - is stdin.")]


def check(files: Files, as_json: AsJson = False) -> None:
    """Validate spec files: print every problem of each, with its path in the document.

    \b
    Examples:
      typedvision check models/*.json
      typedvision spec resnet50 | typedvision check -
    """
    from typedvision.registry.spec import ModelSpec

    documents = [(file, read_file(file)) for file in files]
    results: list[dict[str, object]] = []
    for file, document in documents:
        try:
            spec = ModelSpec.from_json(document)
        except TypedVisionError as error:
            results.append({"file": file, "valid": False, **error.to_dict()})
            if not as_json:
                print_error(error, file)
        else:
            results.append({"file": file, "valid": True, **_summary(spec)})
            if not as_json:
                print_text(f"{file}: ok, {spec.subject}, sha256 {spec.digest()}")
    if as_json:
        print_json(results)
    if not all(result["valid"] for result in results):
        raise typer.Exit(INVALID)


def _summary(spec: ModelSpec) -> dict[str, object]:
    return {
        "family": spec.family,
        "variant": spec.variant,
        "tag": spec.tag,
        "digest": spec.digest(),
    }
