"""How every verb prints: data as JSON, tables for a terminal, errors on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from typedvision.errors import TypedVisionError, UnknownNameError, WeightsError

if TYPE_CHECKING:
    from rich.console import Console

INVALID = 1
"""Exit code of a command that found something invalid."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, errors too.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def print_text(text: str) -> None:
    """Print on stdout; once the reader of a pipe has closed it (`| head -1`), print nothing."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(data: object) -> None:
    """Print JSON on stdout."""
    print_text(json.dumps(data, indent=2, allow_nan=False))


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table on stdout; columns of digits are aligned to the right."""
    from rich.table import Table

    cells = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        numeric = all((row[position].replace(",", "") or "0").isdigit() for row in cells)
        side: Literal["left", "right"] = "right" if numeric and cells else "left"
        table.add_column(column, justify=side, overflow="fold")
    for row in cells:
        table.add_row(*row)
    screen = console()
    with screen.capture() as captured:
        screen.print(table)
    print_text("\n".join(line.rstrip() for line in captured.get().splitlines()))


def console(*, stderr: bool = False) -> Console:
    """A console for plain text without markup, which breaks no line in a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


@contextmanager
def working(at: str) -> Generator[None]:
    """Show a message on a terminal while the block runs."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(at):
        yield


@contextmanager
def errors_shown(as_json: bool) -> Generator[None, None, None]:
    """Print a `TypedVisionError` and end the command with the exit code `INVALID`."""
    try:
        yield
    except TypedVisionError as error:
        if as_json:
            print_json(error.to_dict())
        else:
            print_error(error)
        raise typer.Exit(INVALID) from None


def print_error(error: TypedVisionError, subject: str = "") -> None:
    """Print an error on stderr, after the `subject` that it is about."""
    head = f"{subject}: " if subject else ""
    if not sys.stderr.isatty():
        print(f"{head}{error}", file=sys.stderr)
        return
    from rich.table import Table
    from rich.text import Text

    screen = console(stderr=True)
    title = f"[{error.code}] "
    screen.print(Text.assemble(head, (title, "bold red"), (error.summary, "bold")))
    if isinstance(error, UnknownNameError):
        return  # the one problem is the summary
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    for style in ("bold", "red", ""):
        table.add_column(style=style)
    for problem in error.problems:
        table.add_row(problem.where(), problem.kind, problem.message)
    screen.print(table)


def check_target(path: Path, *, force: bool) -> None:
    """Check, before any work is done, that a file may be written.

    Raises:
        typer.BadParameter: the file exists and `force` is off, or its folder does not exist.
    """
    if os.path.exists(path) and not force:
        raise typer.BadParameter(f"'{path}' exists; --force replaces it", param_hint="--output")
    if not os.path.isdir(path.parent):
        raise typer.BadParameter(f"there is no folder '{path.parent}'", param_hint="--output")


def write_file(path: Path, text: str, *, force: bool) -> None:
    """Write a text at once, as `replace_file` does.

    Raises:
        typer.BadParameter: the file exists and `force` is off, or it cannot be written.
    """
    from typedvision.weights.files import replace_file

    check_target(path, force=force)
    try:
        replace_file(path, lambda draft: draft.write_text(text, "utf-8"))
    except WeightsError as error:
        raise typer.BadParameter(error.summary, param_hint="--output") from None
