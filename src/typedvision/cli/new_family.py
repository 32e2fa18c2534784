"""`typedvision new-family`: scaffold a family in a user's own package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from typedvision.cli.output import AsJson, errors_shown, print_json, print_text
from typedvision.scaffold import Base

Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case words joined by '_'.")]
Package = Annotated[
    str, typer.Option("--package", metavar="PACKAGE", help="Your package, which gets the family.")
]
On = Annotated[Base, typer.Option("--base", help="What the family stands on.")]


def new_family(name: Name, package: Package, base: On = "stages", as_json: AsJson = False) -> None:
    """Scaffold a family in your package: a small network that works, to be rewritten.

    It comes with its entry point in pyproject.toml and a test that proves all that the library
    asks of a family. Nothing is overwritten.

    \b
    Examples:
      typedvision new-family my_net --package acme_vision
      typedvision new-family my_vit --package acme_vision --base token
    """
    from typedvision.scaffold import plugin_files
    from typedvision.stubs.package import package_folder

    sys.path.insert(0, str(Path.cwd()))  # a package that is not installed
    with errors_shown(as_json):
        files = plugin_files(name, base, package, package_folder(package))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    if as_json:
        print_json({"written": [str(path) for path in files]})
        return
    for path in files:
        print_text(f"{path} written")
    print_text(
        "next: install your package again (`pip install -e .`), so that the library finds the "
        f"entry point; run\n`pytest tests/test_{name}.py`; then rewrite config.py, family.py and "
        f"model.py, and run\n`typedvision stubs --package {package}`"
    )
