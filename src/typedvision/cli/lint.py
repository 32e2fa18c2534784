"""`typedvision lint`: find what the library would refuse, in source files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from typedvision.cli.output import INVALID, AsJson, Force, print_json, print_text, write_file

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH", help="Python files, JSON specs, or folders of them."),
]
Sarif = Annotated[
    Path | None,
    typer.Option("--sarif", metavar="FILE", help="Write the findings as SARIF as well."),
]
Quiet = Annotated[
    bool, typer.Option("--no-notes", help="Leave out what is only written in another way here.")
]


def lint(
    paths: Paths,
    sarif: Sarif = None,
    force: Force = False,
    no_notes: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find calls and specs that the library would refuse; nothing of them is run.

    Calls whose arguments are literals are validated as they would be at run time: create_model,
    create_backbone, configure, specify, models.NAME and config classes. Of timm's create_model the
    findings say what is written in another way here.

    \b
    Examples:
      typedvision lint src
      typedvision lint train.py models/*.json
      typedvision lint . --sarif lint.sarif --force
    """
    from typedvision.lint.files import lint as look
    from typedvision.lint.sarif import to_sarif

    try:
        report = look(paths)
    except OSError as error:
        raise typer.BadParameter(f"'{error.filename}' cannot be read: {error.strerror}") from None
    findings = [one for one in report.findings if not no_notes or one.level == "error"]
    if sarif:
        import json

        write_file(sarif, json.dumps(to_sarif(findings), indent=2) + "\n", force=force)
    errors = report.errors()
    counts = {
        "files": report.files,
        "calls": report.calls,
        "named": report.named,
        "specs": report.specs,
        "errors": errors,
        "notes": len(findings) - errors,
    }
    if as_json:
        print_json({"findings": [one.to_dict() for one in findings], **counts})
    else:
        for one in findings:
            print_text(one.line())
        print_text(", ".join(_counted(count, key) for key, count in counts.items()))
    if errors:
        raise typer.Exit(INVALID)


def _counted(count: int, key: str) -> str:
    """A count with its word: `1 file`, `3 files`."""
    word = f"{key.removesuffix('s')}{'' if count == 1 else 's'}"
    return f"{count:,} {'with a literal name' if key == 'named' else word}"
