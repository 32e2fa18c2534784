"""The command line: one small module for each verb.

Exit codes: 0 valid, 1 invalid (any `TypedVisionError`), 2 a command that makes no sense or a file
that cannot be read or written. Only `bench`, `build`, `convert`, `predict` and `export` load torch,
and `show` and `compare` at their end. What else takes time to load is imported by the function that
needs it, so that `--help` and `check` answer at once.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from typedvision._version import __version__
from typedvision.cli.bench import bench
from typedvision.cli.build import build
from typedvision.cli.check import check
from typedvision.cli.compare import compare
from typedvision.cli.convert import convert
from typedvision.cli.export import export
from typedvision.cli.inspect import inspect
from typedvision.cli.lint import lint
from typedvision.cli.listing import listing
from typedvision.cli.lock import lock
from typedvision.cli.new_family import new_family
from typedvision.cli.predict import predict
from typedvision.cli.schema import schema
from typedvision.cli.show import show
from typedvision.cli.spec import spec
from typedvision.cli.stubs import stubs

app: typer.Typer = typer.Typer(
    name="typedvision",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug of ours is shown with Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing)
for _verb in (
    *(show, compare, spec, check, lint, schema),
    *(build, predict, bench, inspect, lock, convert, export, stubs, new_family),
):
    app.command()(_verb)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"typedvision {__version__}")
        raise typer.Exit


@app.callback()
def _typedvision(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Image models by typed, strict configs."""


def main() -> None:
    """Run the command in `sys.argv`, and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show
    app(prog_name="typedvision")
