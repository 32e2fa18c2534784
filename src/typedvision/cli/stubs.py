"""`typedvision stubs`: write the typed module of a user's own package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from typedvision.cli.output import (
    INVALID,
    AsJson,
    errors_shown,
    print_json,
    print_text,
    write_file,
)

Package = Annotated[
    str, typer.Option("--package", metavar="NAME", help="Package that declares the families.")
]
Module = Annotated[
    str, typer.Option("--module", metavar="NAME", help="Module to write in the package.")
]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file is stale.")]


def stubs(
    package: Package, module: Module = "models", check: Check = False, as_json: AsJson = False
) -> None:
    """Write a typed module into your package, so that your own models complete and check.

    \b
    Examples:
      typedvision stubs --package acme_vision
      typedvision stubs --package acme_vision --check
    """
    from typedvision.stubs.package import package_files

    if not module.isidentifier():
        raise typer.BadParameter(f"'{module}' is no name of a module", param_hint="--module")
    sys.path.insert(0, str(Path.cwd()))  # a package that is not installed
    with errors_shown(as_json):
        files = package_files(package, module)
    old = {path: path.read_text("utf-8") if path.is_file() else "" for path in files}
    stale = [path for path, text in files.items() if old[path] != text]
    if not check:
        for path in stale:
            _refuse_foreign(path, old[path])
        for path in stale:
            write_file(path, files[path], force=True)
    if as_json:
        print_json({"stale" if check else "written": [str(path) for path in stale]})
    else:
        ending = f"is stale: run `typedvision stubs --package {package}`" if check else "written"
        for path in stale:
            print_text(f"{path} {ending}")
    if check and stale:
        raise typer.Exit(INVALID)


def _refuse_foreign(path: Path, old: str) -> None:
    from typedvision.stubs.package import GENERATED

    if old and not old.startswith(GENERATED):
        raise typer.BadParameter(
            f"'{path}' was not generated; name another with --module", param_hint="--module"
        )
