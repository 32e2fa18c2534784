"""The command line: one small module for each verb.

Exit codes: 0 valid, 1 invalid (any `TypedVisionError`), 2 a command that makes no sense or a file
that cannot be read or written. Only `bench`, `build`, `convert`, `predict` and `export` load torch,
and `show` and `compare` at their end. A verb's module is imported when the verb is run, and what
else takes time to load by the function that needs it, so that each answers at once.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Annotated

import typer

from typedvision._version import __version__

VERBS: tuple[str, ...] = (
    *("list", "show", "compare", "spec", "check", "lint", "schema"),
    *("build", "predict", "bench", "inspect", "lock", "convert", "export", "stubs", "new-family"),
)
_FUNCTIONS = {"list": "listing"}  # a name that Python has taken


def command_line(*verbs: str) -> typer.Typer:
    """The command line of some verbs."""
    app = typer.Typer(
        name="typedvision",
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # a bug of ours is shown with Python's own traceback
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_typedvision)
    for verb in verbs:
        function = _FUNCTIONS.get(verb, verb.replace("-", "_"))
        app.command(verb)(getattr(import_module(f"typedvision.cli.{function}"), function))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"typedvision {__version__}")
        raise typer.Exit


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
    wanted = [verb for verb in sys.argv[1:2] if verb in VERBS]
    command_line(*(wanted or VERBS))(prog_name="typedvision")
